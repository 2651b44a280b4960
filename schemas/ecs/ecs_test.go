package ecs_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"auditlog-connector/internal/eventtest"
	"auditlog-connector/schemas"
	"auditlog-connector/schemas/ecs"
)

func TestSamplesAreECS(t *testing.T) {
	v := newValidator(t)
	for _, s := range eventtest.Samples(t) {
		if problems := v.check(ecs.Append(nil, &s.Event)); problems != nil {
			t.Errorf("%s: %s", s.Name, strings.Join(problems, "; "))
		}
	}
}

func TestGeneratedEventsAreECS(t *testing.T) {
	v := newValidator(t)
	for _, e := range eventtest.Generated(t, 10_000) {
		document := ecs.Append(nil, &e)
		if problems := v.check(document); problems != nil {
			t.Fatalf("%s: %s\n%s", e.EventID, strings.Join(problems, "; "), document)
		}
		if again := ecs.Append(nil, &e); !bytes.Equal(document, again) {
			t.Fatalf("two documents of one event:\n%s\n%s", document, again)
		}
		if got := original(t, document); !bytes.Equal(got, e.Raw) {
			t.Fatalf("event.original is %q, want %q", got, e.Raw)
		}
	}
	if len(v.own) > 30 {
		t.Errorf("%d fields below openai.audit: %v", len(v.own), v.own)
	}
}

// Every deliberate error is one that an index or a detection would fall over.
func TestValidatorFindsErrors(t *testing.T) {
	e := eventtest.SampleOf(t, "ip_allowlist.created")
	document := string(ecs.Append(nil, &e))
	if problems := newValidator(t).check([]byte(document)); problems != nil {
		t.Fatal(problems)
	}
	for _, c := range []struct{ name, old, new, want string }{
		{"a field that is not there", `"event":{`, `"event":{"verb":"x",`, "event.verb is no field of ECS"},
		{"text for a number", `"severity":3`, `"severity":"3"`, "event.severity: 3 is no long"},
		{"a fraction for a number", `"severity":3`, `"severity":3.5`, "event.severity: 3.5 is no long"},
		{"one for a list", `"category":["configuration"]`, `"category":"configuration"`, "event.category: a list false"},
		{"a list for one", `"outcome":"success"`, `"outcome":["success"]`, "event.outcome: a list true"},
		{"no such category", `"category":["configuration"]`, `"category":["config"]`, `"config" is not allowed`},
		{"types that do not go with the category", `"type":["creation"]`, `"type":["group"]`, "event.type group does not go with event.category configuration"},
		{"an address that is none", `"ip":"2`, `"ip":"x2`, "is no ip"},
		{"an address with a zone", `"related":{"ip":[`, `"related":{"ip":["fe80::1%eth0",`, "related.ip: fe80::1%eth0 is no ip"},
		{"a point off the earth", `"lat":`, `"lat":9`, "is no geo_point"},
		{"text for a coordinate", `"lon":`, `"lon":"1","x":`, "is no geo_point"},
		{"a local time", `Z","message"`, `+01:00","message"`, "is no date"},
		{"a key twice", `"outcome":"success"`, `"outcome":"success","outcome":"success"`, "outcome is there twice"},
		{"null", `"outcome":"success"`, `"outcome":null`, "event.outcome: <nil> is no keyword"},
		{"nothing", `"outcome":"success",`, ``, "event.outcome is missing"},
		{"a beta field", `"entity":{"target":{`, `"entity":{"target":{"name":"x",`, "entity.target.name is beta"},
		{"two types of one key", `"known_type":true`, `"known_type":"true"`, "openai.audit.known_type: a text, was a boolean"},
		{"an object for a text", `"outcome":"success"`, `"outcome":{"is":"success"}`, "event.outcome: map[is:success] is no keyword"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := strings.Replace(document, c.old, c.new, 1)
			if bad == document {
				t.Fatalf("%s is not in %s", c.old, document)
			}
			v := newValidator(t)
			v.check([]byte(document))
			if problems := strings.Join(v.check([]byte(bad)), "; "); !strings.Contains(problems, c.want) {
				t.Errorf("found %q, want %q", problems, c.want)
			}
		})
	}
}

// The table and the mapping say the same: what the samples show is in the table, in
// its order, with ECS's types, and what is in the table shows somewhere.
func TestTableIsWhatDocumentsHave(t *testing.T) {
	v := newValidator(t)
	for _, s := range eventtest.Samples(t) {
		v.check(ecs.Append(nil, &s.Event))
	}
	for _, e := range special(t) {
		v.check(ecs.Append(nil, &e))
	}
	listed := map[string]bool{}
	for _, row := range ecs.Table() {
		if listed[row.Field] {
			t.Errorf("%s is listed twice", row.Field)
		}
		listed[row.Field] = true
		if !v.seen[row.Field] {
			t.Errorf("%s is in the table and in no document", row.Field)
		}
		if row.From == "" {
			t.Errorf("%s comes from nowhere", row.Field)
		}
		if f, ok := v.fields[row.Field]; ok {
			if row.Type != f.kind || row.List != f.array {
				t.Errorf("%s: %s, list %v; ECS has %s, %v", row.Field, row.Type, row.List, f.kind, f.array)
			}
		} else if want := map[string]string{"text": "keyword", "boolean": "boolean"}[v.own[row.Field]]; want != "" && row.Type != want && row.Type != "match_only_text" {
			t.Errorf("%s: %s, documents have a %s", row.Field, row.Type, v.own[row.Field])
		}
	}
	for name := range v.seen {
		if !listed[name] {
			t.Errorf("%s is in a document and not in the table", name)
		}
	}
}

// special are events with what no sample has.
func special(t testing.TB) []schemas.AuditEvent {
	named := schemas.AuditEvent{
		EventID: "1", EventType: "user.updated", Outcome: "success", Severity: "low",
		Actor: schemas.Actor{Kind: "service_account", ID: "s", ServiceAccountID: "s", Name: "CI", UserAgent: iPhone,
			Geo: &schemas.Geo{Country: "Atlantis"}},
		Targets: []schemas.Target{{Type: "user", ID: "u", Name: "Ada"}},
		Changes: map[string]string{"email": `"a@example.com"`, "name": `"Ada"`, "x": `"` + strings.Repeat("y", 2000) + `"`},
		Raw:     []byte("\xff"),
	}
	return []schemas.AuditEvent{named}
}

// original takes the entry back out of a document.
func original(t testing.TB, document []byte) []byte {
	t.Helper()
	var d struct {
		Event struct {
			Original string
		}
		OpenAI struct {
			Audit struct {
				Base64 bool `json:"raw_base64"`
			}
		}
	}
	if err := json.Unmarshal(document, &d); err != nil {
		t.Fatalf("%v: %.500s", err, document)
	}
	if !d.OpenAI.Audit.Base64 {
		return []byte(d.Event.Original)
	}
	raw, err := base64.StdEncoding.DecodeString(d.Event.Original)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// at returns a value of a document by its path; nil: there is none.
func at(t testing.TB, document []byte, path string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(document, &v); err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(path, ".") {
		o, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = o[name]
	}
	return v
}

// holds fails unless the document has the values, by path, given as JSON.
func holds(t testing.TB, document []byte, want map[string]string) {
	t.Helper()
	paths := make([]string, 0, len(want))
	for path := range want {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		got, err := json.Marshal(at(t, document, path))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want[path] {
			t.Errorf("%s is %s, want %s", path, got, want[path])
		}
	}
}
