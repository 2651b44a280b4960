package document

import (
	"testing"

	"auditlog-connector/schemas"
)

func TestRawKeepsTheEntry(t *testing.T) {
	for _, c := range []struct{ name, raw, want string }{
		{"as served", `{"id":"1","n":1.50}`, `{"id":"1","n":1.50}`},
		{"white space goes", "{ \"id\" : \"a b\" ,\n\"n\":1e0}", `{"id":"a b","n":1e0}`},
		{"not JSON", `{"id"`, `{"raw":"eyJpZCI=","raw_base64":true}`},
		{"not UTF-8", "{\"id\":\"\xff\"}", `{"raw":"eyJpZCI6Iv8ifQ==","raw_base64":true}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := string(Lookup("raw")([]byte("x"), &schemas.AuditEvent{Raw: []byte(c.raw)}))
			if got != "x"+c.want {
				t.Errorf("raw: %s, want %s", got, c.want)
			}
		})
	}
}

func TestLookupKnowsWhatNamesSays(t *testing.T) {
	for _, s := range schemata {
		if Lookup(s.name) == nil {
			t.Errorf("Lookup(%q) is nil", s.name)
		}
	}
	if Lookup("yaml") != nil {
		t.Error("Lookup of a stranger is not nil")
	}
}
