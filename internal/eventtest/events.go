package eventtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
	"auditlog-connector/sources"
	"auditlog-connector/sources/openai"
)

// Normalizer returns the function with which the source "acme" makes events.
func Normalizer(t testing.TB) func(id string, at time.Time, body []byte) schemas.AuditEvent {
	t.Helper()
	c, _ := openai.Type.Decode(nil, "config", &strictyaml.Expander{}) // without a key: nothing is read
	source, err := c.Open(t.Context(), sources.Env{Source: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Close() })
	return func(id string, at time.Time, body []byte) schemas.AuditEvent {
		return source.Normalize(pipeline.Raw{Position: pipeline.Position{ID: id, Time: at}, Body: body}).Audit
	}
}

// Sample is an event of one of the source's test entries.
type Sample struct {
	Name  string // the type, or variants/ and what is special
	Event schemas.AuditEvent
}

// Samples returns every sample of the source's test data: one of each type, and
// variants, laid out as the files are ([Compact] is what the API serves). The package under test lies two folders below the module's.
func Samples(t testing.TB) []Sample {
	t.Helper()
	normalize := Normalizer(t)
	root := filepath.Join("..", "..", "sources", "openai", "testdata", "samples")
	var all []Sample
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), "_page") {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var entry struct {
			ID string `json:"id"`
			At int64  `json:"effective_at"`
		}
		if err := json.Unmarshal(body, &entry); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		name, err := filepath.Rel(root, path)
		name = strings.TrimSuffix(filepath.ToSlash(name), ".json")
		body = bytes.TrimSpace(body)
		all = append(all, Sample{name, normalize(entry.ID, time.Unix(entry.At, 0).UTC(), body)})
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

// Compact returns the samples as the API serves them: without white space.
func Compact(t testing.TB) []Sample {
	t.Helper()
	normalize := Normalizer(t)
	all := Samples(t)
	for i, s := range all {
		var body bytes.Buffer
		if err := json.Compact(&body, s.Event.Raw); err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		all[i].Event = normalize(s.Event.EventID, s.Event.EffectiveAt, body.Bytes())
	}
	return all
}

// SampleOf returns the event of one sample.
func SampleOf(t testing.TB, name string) schemas.AuditEvent {
	t.Helper()
	for _, s := range Samples(t) {
		if s.Name == name {
			return s.Event
		}
	}
	t.Fatalf("no sample %q", name)
	return schemas.AuditEvent{}
}

// Generated returns n events as a simulated organization makes them, more of them
// odd than in life.
func Generated(t testing.TB, n int) []schemas.AuditEvent {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	to := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	server, err := openaisim.New(openaisim.Config{
		Seed: seed, Events: n, From: to.AddDate(0, -1, 0), To: to, Unknown: 0.02, Odd: 0.1, OddTimes: 0.01,
	})
	if err != nil {
		t.Fatal(err)
	}
	normalize := Normalizer(t)
	events := make([]schemas.AuditEvent, 0, n)
	for e := range server.Events() {
		events = append(events, normalize(e.ID, e.EffectiveAt, e.Body))
	}
	if len(events) != n {
		t.Fatalf("%d events, want %d", len(events), n)
	}
	return events
}

// Text makes an event of an entry that may be anything.
func Text(t testing.TB, body string) schemas.AuditEvent {
	t.Helper()
	return Normalizer(t)("audit_log-1", time.Unix(1_700_000_000, 0).UTC(), []byte(body))
}
