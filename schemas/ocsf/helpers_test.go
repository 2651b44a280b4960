package ocsf_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
	"auditlog-connector/schemas/ocsf"
	"auditlog-connector/sources/openai"
)

// samplesDir holds an entry of every type, and variants.
const samplesDir = "../../sources/openai/testdata/samples"

// normalize maps an entry as the source "acme" does.
func normalize(id string, at time.Time, body []byte) *schemas.AuditEvent {
	raw := pipeline.Raw{Position: pipeline.Position{ID: id, Time: at}, Body: body}
	e := new(openai.Source).Normalize(raw).Audit
	e.Source = "acme"
	return &e
}

// normalizeText maps body as the entry "audit_log-1".
func normalizeText(body string) *schemas.AuditEvent {
	return normalize("audit_log-1", time.Unix(1_700_000_000, 0).UTC(), []byte(body))
}

// samples returns the events of samplesDir, compact as the API serves them, by the
// name of their file.
func samples(t testing.TB) map[string]*schemas.AuditEvent {
	t.Helper()
	all := make(map[string]*schemas.AuditEvent)
	err := filepath.WalkDir(samplesDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), "_page") {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, body); err != nil {
			return err
		}
		var entry struct {
			ID          string `json:"id"`
			EffectiveAt int64  `json:"effective_at"`
		}
		if err := json.Unmarshal(body, &entry); err != nil {
			return err
		}
		name, err := filepath.Rel(samplesDir, path)
		all[strings.TrimSuffix(filepath.ToSlash(name), ".json")] = normalize(entry.ID, time.Unix(entry.EffectiveAt, 0).UTC(), compact.Bytes())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 149+30 {
		t.Fatalf("%d samples", len(all))
	}
	return all
}

// sample returns the event of one file.
func sample(t testing.TB, name string) *schemas.AuditEvent {
	t.Helper()
	e := samples(t)[name]
	if e == nil {
		t.Fatalf("no sample %s", name)
	}
	return e
}

// generated calls f for n invented events, until one fails; their seed is printed.
func generated(t testing.TB, n int, f func(e *schemas.AuditEvent)) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	sim, err := openaisim.New(openaisim.Config{Seed: seed, Events: n, Odd: 0.05, Unknown: 0.05, OddTimes: 0.01})
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	for e := range sim.Events() {
		made++
		if f(normalize(e.ID, e.EffectiveAt, e.Body)); t.Failed() {
			return
		}
	}
	if made != n {
		t.Fatalf("%d events, want %d", made, n)
	}
}

// parse returns the document of e as encoding/json reads it, numbers as spelled.
func parse(t testing.TB, e *schemas.AuditEvent) map[string]any {
	t.Helper()
	return parseLine(t, ocsf.Append(nil, e))
}

func parseLine(t testing.TB, line []byte) map[string]any {
	t.Helper()
	if bytes.ContainsAny(line, "\r\n") {
		t.Fatalf("more than one line: %.300q", line)
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var doc map[string]any
	if err := d.Decode(&doc); err != nil {
		t.Fatalf("%v: %.300q", err, line)
	}
	if d.More() {
		t.Fatalf("text after the document: %.300q", line)
	}
	return doc
}

// at follows a path of names; of an array it takes the first element.
func at(doc any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		name, list := strings.CutSuffix(name, "[]")
		m, _ := doc.(map[string]any)
		doc = m[name]
		if list {
			if a, _ := doc.([]any); len(a) > 0 {
				doc = a[0]
			} else {
				return nil
			}
		}
	}
	return doc
}
