package openai

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
	"auditlog-connector/schemas/rawjson"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// sample is one entry of testdata/samples.
type sample struct {
	name string // folder and type, or variant
	raw  pipeline.Raw
}

// samples returns the entries of testdata/samples as a source hands them on.
func samples(t testing.TB) []sample {
	t.Helper()
	var all []sample
	err := filepath.WalkDir("testdata/samples", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), "_page") {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel("testdata/samples", path)
		all = append(all, sample{name: name, raw: rawOf(t, bytes.TrimSpace(body))})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 149+30 {
		t.Fatalf("%d samples", len(all))
	}
	return all
}

// rawOf reads the position as a source does.
func rawOf(t testing.TB, body []byte) pipeline.Raw {
	t.Helper()
	var entry struct {
		ID          string `json:"id"`
		EffectiveAt int64  `json:"effective_at"`
	}
	if err := json.Unmarshal(body, &entry); err != nil {
		t.Fatal(err)
	}
	return pipeline.Raw{
		Position: pipeline.Position{ID: entry.ID, Time: time.Unix(entry.EffectiveAt, 0).UTC()},
		Body:     body,
	}
}

// normalizeText normalizes body as the entry "audit_log-1" of the source "acme".
func normalizeText(body string) schemas.AuditEvent {
	return normalize("acme", pipeline.Raw{
		Position: pipeline.Position{ID: "audit_log-1", Time: time.Unix(1_700_000_000, 0).UTC()},
		Body:     []byte(body),
	}).Audit
}

// checkEvent fails unless e can go everywhere: it encodes, decodes to itself, and
// its normalized form is JSON that holds the body.
func checkEvent(t testing.TB, e *schemas.AuditEvent, body []byte) {
	t.Helper()
	avro := schemas.Encode(nil, e)
	back, err := schemas.Decode(avro)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	if !bytes.Equal(back.Raw, body) || !bytes.Equal(e.Raw, body) {
		t.Fatalf("raw came back as %.200q", back.Raw)
	}
	if len(body) == 0 {
		back.Raw = e.Raw // nil and empty are the same entry
	}
	if !bytes.Equal(schemas.AppendNormalized(nil, &back), schemas.AppendNormalized(nil, e)) {
		t.Fatal("the decoded event makes another document than the parsed one")
	}
	want := *e
	want.Parsed(new(rawjson.Doc)) // as after decoding: nothing is known of the text
	if !reflect.DeepEqual(back, want) {
		t.Fatalf("decoded:\n got %+v\nwant %+v", back, want)
	}
	for _, s := range stringsOf(reflect.ValueOf(*e)) {
		if !utf8.ValidString(s) {
			t.Fatalf("not valid UTF-8: %q", s)
		}
	}
	if len(e.Details) > 0 && (!json.Valid(e.Details) || !utf8.Valid(e.Details)) {
		t.Fatalf("details are %.200q", e.Details)
	}
	for name, text := range e.Changes {
		if !json.Valid([]byte(text)) {
			t.Fatalf("change %q is %.200q", name, text)
		}
	}
	line := schemas.AppendNormalized(nil, e)
	if !json.Valid(line) || bytes.ContainsAny(line, "\r\n") {
		t.Fatalf("normalized: %.500q", line)
	}
}

// stringsOf returns every string in v.
func stringsOf(v reflect.Value) []string {
	switch v.Kind() {
	case reflect.String:
		return []string{v.String()}
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return stringsOf(v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return nil
		}
		var all []string
		for i := range v.NumField() {
			all = append(all, stringsOf(v.Field(i))...)
		}
		return all
	case reflect.Map:
		var all []string
		for _, k := range v.MapKeys() {
			all = append(all, k.String(), v.MapIndex(k).String())
		}
		return all
	case reflect.Slice:
		var all []string
		for i := range v.Len() {
			all = append(all, stringsOf(v.Index(i))...)
		}
		return all
	}
	return nil
}

// troubled are the samples that were made to have problems.
var troubled = map[string][]string{
	"variants/actor-empty.json":        {"actor.type: missing"},
	"variants/unknown-actor-type.json": {"actor.type: not known"},
	"variants/ip-invalid.json":         {"actor.session.ip_address: not an IP address"},
}

func TestSamplesHaveNoProblems(t *testing.T) {
	for _, s := range samples(t) {
		event := normalize("acme", s.raw)
		e := event.Audit
		if !slices.Equal(e.Problems, troubled[s.name]) {
			t.Errorf("%s: problems %q", s.name, e.Problems)
		}
		if known := !strings.HasPrefix(s.name, "variants/unknown-type"); e.KnownType != known {
			t.Errorf("%s: known type %v", s.name, e.KnownType)
		}
		if e.EventID != s.raw.ID || !e.EffectiveAt.Equal(s.raw.Time) || e.Source != "acme" || &e.Raw[0] != &s.raw.Body[0] {
			t.Errorf("%s: %s at %v of %s", s.name, e.EventID, e.EffectiveAt, e.Source)
		}
		if !reflect.DeepEqual(event.Raw, s.raw) {
			t.Errorf("%s: the entry changed", s.name)
		}
		checkEvent(t, &e, s.raw.Body)
	}
}

// The golden files say what becomes of every sample. Read them as documentation;
// rewrite them with -update.
func TestGolden(t *testing.T) {
	for _, s := range samples(t) {
		e := normalize("acme", s.raw).Audit
		var got bytes.Buffer
		if err := json.Indent(&got, schemas.AppendNormalized(nil, &e), "", "  "); err != nil {
			t.Fatal(err)
		}
		got.WriteByte('\n')
		path := filepath.Join("testdata", "normalized", s.name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s:\n got %s\nwant %s", s.name, got.Bytes(), want)
		}
	}
}

func TestNormalizeIsPure(t *testing.T) {
	for _, s := range samples(t) {
		before := bytes.Clone(s.raw.Body)
		first := normalize("acme", s.raw)
		tenant := s.raw
		tenant.Stream, tenant.AsOf = "tenant", time.Now()
		again := normalize("acme", tenant)
		if !reflect.DeepEqual(first.Audit, again.Audit) {
			t.Errorf("%s: depends on more than the entry:\n%+v\n%+v", s.name, first.Audit, again.Audit)
		}
		if !bytes.Equal(before, s.raw.Body) {
			t.Errorf("%s: the body was modified", s.name)
		}
	}
}

func FuzzNormalize(f *testing.F) {
	for _, s := range samples(f) {
		f.Add([]byte(s.raw.Body))
	}
	for _, h := range hostile() {
		if len(h.body) < 4096 {
			f.Add([]byte(h.body))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e := normalizeText(string(body))
		checkEvent(t, &e, body)
		if again := normalizeText(string(body)); !bytes.Equal(schemas.Encode(nil, &e), schemas.Encode(nil, &again)) {
			t.Fatal("two results")
		}
	})
}

// compacted returns the samples without white space, as the API serves them.
func compacted(b *testing.B) (raws []pipeline.Raw, size int64) {
	for _, s := range samples(b) {
		var body bytes.Buffer
		if err := json.Compact(&body, s.raw.Body); err != nil {
			b.Fatal(err)
		}
		s.raw.Body = body.Bytes()
		raws = append(raws, s.raw)
		size += int64(body.Len())
	}
	return raws, size / int64(len(raws))
}

func BenchmarkNormalize(b *testing.B) {
	raws, size := compacted(b)
	b.SetBytes(size)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e := normalize("acme", raws[i%len(raws)])
		if len(e.Audit.Problems) > 1 {
			b.Fatal(e.Audit.Problems)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	raws, size := compacted(b)
	events := make([]pipeline.Event, len(raws))
	for i, r := range raws {
		events[i] = normalize("acme", r)
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if len(schemas.Encode(nil, &events[i%len(events)].Audit)) == 0 {
			b.Fatal("nothing encoded")
		}
	}
}

func BenchmarkNormalizeEncode(b *testing.B) {
	raws, size := compacted(b)
	b.SetBytes(size)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e := normalize("acme", raws[i%len(raws)])
		if len(schemas.Encode(nil, &e.Audit)) == 0 {
			b.Fatal("nothing encoded")
		}
	}
}

func BenchmarkNormalizeNormalized(b *testing.B) {
	raws, size := compacted(b)
	b.SetBytes(size)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e := normalize("acme", raws[i%len(raws)])
		if len(schemas.AppendNormalized(nil, &e.Audit)) == 0 {
			b.Fatal("nothing written")
		}
	}
}

// BenchmarkEncodingJSON is what the same bytes cost encoding/json, there and back.
func BenchmarkEncodingJSON(b *testing.B) {
	raws, size := compacted(b)
	b.SetBytes(size)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		var v any
		if err := json.Unmarshal(raws[i%len(raws)].Body, &v); err != nil {
			b.Fatal(err)
		}
		if _, err := json.Marshal(v); err != nil {
			b.Fatal(err)
		}
	}
}
