package ecs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"auditlog-connector/internal/eventtest"
	"auditlog-connector/schemas"
	"auditlog-connector/schemas/ecs"
)

// whole fails unless e becomes a document that an index takes, of a bounded length,
// from which the entry can be taken back out. So many texts of it are as long
// as the entry.
func whole(t testing.TB, v *validator, name string, texts int, e *schemas.AuditEvent) {
	t.Helper()
	document := ecs.Append(nil, e)
	if !json.Valid(document) || !utf8.Valid(document) {
		t.Fatalf("%s: not JSON: %.1000q", name, document)
	}
	if problems := v.check(document); problems != nil {
		t.Errorf("%s: %s", name, strings.Join(problems, "; "))
	}
	if got := original(t, document); !bytes.Equal(got, e.Raw) {
		t.Errorf("%s: event.original is %.200q, want %.200q", name, got, e.Raw)
	}
	// The original, escaped, and what is repeated: one list of at most 1,000 texts
	// of 1 KiB, other texts of at most 8 KiB a few times, a type in a line.
	quoted, err := json.Marshal(string(e.Raw))
	if err != nil {
		t.Fatal(err)
	}
	if most := texts*(len(quoted)+min(len(quoted), 1_100_000)+3*min(len(quoted), 40_000)) + len(e.EventType) + 8192; len(document) > most {
		t.Errorf("%s: %d bytes of %d, want at most %d", name, len(document), len(e.Raw), most)
	}
	if again := ecs.Append(nil, e); !bytes.Equal(document, again) {
		t.Errorf("%s: two documents", name)
	}
}

func TestHostileEntriesAreECS(t *testing.T) {
	v := newValidator(t)
	normalize := eventtest.Normalizer(t)
	for name, body := range eventtest.Hostile() {
		e := normalize("audit_log-1", time.Unix(1_700_000_000, 0).UTC(), []byte(body))
		whole(t, v, name, 1, &e)
	}
}

func TestWhatIsLongIsLeftOut(t *testing.T) {
	for name, want := range map[string]map[string]string{
		"1 MiB string":       {"openai.audit.changes": `[{"name":"x"}]`, "openai.audit.details": `null`, "openai.audit.truncated": `true`},
		"1 MiB id":           {"user": `null`, "openai.audit.targets": `[{"type":"user"}]`, "openai.audit.truncated": `true`},
		"1 MiB in the actor": {"user": `null`, "user_agent": `null`, "tls": `null`, "openai.audit.truncated": `true`},
		"keys twice":         {"openai.audit.changes": `[{"name":"x","value":"2"}]`, "openai.audit.truncated": `null`},
	} {
		e := eventtest.Text(t, eventtest.Hostile()[name])
		t.Run(name, func(t *testing.T) { holds(t, ecs.Append(nil, &e), want) })
	}
	for name, path := range map[string]string{"10,000 certificates": "openai.audit.targets", "10,000 keys": "openai.audit.changes", "10,000 addresses": "related.ip"} {
		e := eventtest.Text(t, eventtest.Hostile()[name])
		document := ecs.Append(nil, &e)
		if got, _ := at(t, document, path).([]any); len(got) != 1000 || at(t, document, "openai.audit.truncated") != true {
			t.Errorf("%s: %d items", name, len(got))
		}
	}
}

func TestRecordsOfAnyTextsAreECS(t *testing.T) {
	v, texts := newValidator(t), eventtest.Texts()
	for _, s := range texts {
		e := eventtest.Filled(s)
		whole(t, v, fmt.Sprintf("%.10q", s), eventtest.FilledTexts, &e)
	}
	for i, kind := range schemas.Catalogue().Types() {
		s := texts[i%len(texts)]
		e := eventtest.Filled(s)
		e.EventType = kind.Type
		whole(t, v, fmt.Sprintf("%s of %.10q", kind.Type, s), eventtest.FilledTexts, &e)
	}
}

func FuzzRecord(f *testing.F) {
	types := schemas.Catalogue().Types()
	for i, s := range eventtest.Texts() {
		f.Add(s, uint8(i))
	}
	v := newValidator(f)
	f.Fuzz(func(t *testing.T, s string, kind uint8) {
		e := eventtest.Filled(s)
		if int(kind) < len(types) {
			e.EventType = types[kind].Type
		}
		whole(t, v, "fuzzed", eventtest.FilledTexts, &e)
	})
}

func FuzzAppend(f *testing.F) {
	for _, s := range eventtest.Samples(f) {
		f.Add(s.Event.Raw)
	}
	for _, body := range eventtest.Hostile() {
		if len(body) < 4096 {
			f.Add([]byte(body))
		}
	}
	normalize, v := eventtest.Normalizer(f), newValidator(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		e := normalize("audit_log-1", time.Unix(1_700_000_000, 0).UTC(), body)
		v.own = map[string]string{} // other workers have seen other entries
		whole(t, v, "fuzzed", 1, &e)
	})
}
