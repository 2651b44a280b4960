package cim_test

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
	"auditlog-connector/schemas/cim"
)

// whole fails unless e becomes a document of a data model, of a bounded length, from
// which the entry can be taken back out. So many texts of it are as long
// as the entry.
func whole(t testing.TB, v *validator, name string, texts int, e *schemas.AuditEvent) {
	t.Helper()
	document := cim.Append(nil, e)
	if !json.Valid(document) || !utf8.Valid(document) {
		t.Fatalf("%s: not JSON: %.1000q", name, document)
	}
	if problems := v.check(document, cim.Tags(e)); problems != nil {
		t.Errorf("%s: %s", name, strings.Join(problems, "; "))
	}
	if got := original(t, document); !bytes.Equal(got, e.Raw) {
		t.Errorf("%s: raw is %.200q, want %.200q", name, got, e.Raw)
	}
	// The original, escaped, and what is repeated: each text of at most 8 KiB a
	// few times, a type three times.
	quoted, err := json.Marshal(string(e.Raw))
	if err != nil {
		t.Fatal(err)
	}
	if most := texts*(len(quoted)+3*min(len(quoted), 40_000)) + len(e.EventType) + 4096; len(document) > most {
		t.Errorf("%s: %d bytes of %d, want at most %d", name, len(document), len(e.Raw), most)
	}
	if again := cim.Append(nil, e); !bytes.Equal(document, again) {
		t.Errorf("%s: two documents", name)
	}
}

func TestHostileEntriesAreCIM(t *testing.T) {
	v := newValidator(t)
	normalize := eventtest.Normalizer(t)
	for name, body := range eventtest.Hostile() {
		e := normalize("audit_log-1", time.Unix(1_700_000_000, 0).UTC(), []byte(body))
		whole(t, v, name, 1, &e)
	}
}

func TestWhatIsLongIsLeftOut(t *testing.T) {
	for name, want := range map[string]map[string]string{
		"1 MiB id":           {"object": "", "object_id": "", "user": "", "object_category": "user"},
		"1 MiB in the actor": {"user": "", "user_agent": "", "src": ""},
		"1 MiB name":         {"object_attrs": ""},
	} {
		e := eventtest.Text(t, eventtest.Hostile()[name])
		t.Run(name, func(t *testing.T) { holds(t, cim.Append(nil, &e), want) })
	}
	for name, field := range map[string]string{"10,000 addresses": "src_ip_range", "10,000 certificates": "object_id", "10,000 keys": "object_attrs"} {
		e := eventtest.Text(t, eventtest.Hostile()[name])
		if list, _ := fields(t, cim.Append(nil, &e))[field].(string); len(list) < 8000 || len(list) > 8200 || strings.HasSuffix(list, ",") {
			t.Errorf("%s: %s has %d bytes", name, field, len(list))
		}
	}
}

// filled is a record with s in every text but the organization's id, which is an id
// or nothing.
func filled(s string) schemas.AuditEvent {
	e := eventtest.Filled(s)
	e.OrganizationID = "org-1"
	return e
}

func TestRecordsOfAnyTextsAreCIM(t *testing.T) {
	v, texts := newValidator(t), eventtest.Texts()
	for _, s := range texts {
		e := filled(s)
		whole(t, v, fmt.Sprintf("%.10q", s), eventtest.FilledTexts, &e)
	}
	for i, kind := range schemas.Catalogue().Types() {
		s := texts[i%len(texts)]
		e := filled(s)
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
		e := filled(s)
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
		whole(t, v, "fuzzed", 1, &e)
	})
}
