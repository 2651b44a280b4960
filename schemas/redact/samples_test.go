package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"auditlog-connector/internal/eventtest"
	"auditlog-connector/schemas"
	"auditlog-connector/schemas/document"
)

// documents returns e in every form that a destination may get, by name.
func documents(e *schemas.AuditEvent) map[string][]byte {
	all := map[string][]byte{"avro": schemas.Encode(nil, e)}
	for _, name := range strings.FieldsFunc(document.Names(), func(c rune) bool { return c == ',' || c == ' ' }) {
		if f := document.Lookup(name); f != nil {
			all[name] = f(nil, e)
		}
	}
	return all
}

// TestNoDocumentHasTheValue drops, and then hashes, each field of every sample and
// searches each form of the record for the value.
func TestNoDocumentHasTheValue(t *testing.T) {
	searched := make(map[string]int)
	for _, sample := range eventtest.Compact(t) {
		name, e := sample.Name, sample.Event
		values := make(map[string][]string)
		copied := e
		texts(&copied, func(path string, s *string) {
			if slices.Contains(Paths(), path) && len(*s) >= 4 && !kept(&e, *s) {
				values[path] = append(values[path], *s)
			}
		})
		for path, texts := range values {
			policies := []*Policy{policy(t, []string{path}, nil)}
			if slices.Contains(HashPaths(), path) {
				policies = append(policies, policy(t, nil, []string{path}))
			}
			for i, p := range policies {
				e := e
				p.Apply(&e)
				for form, doc := range documents(&e) {
					searched[form]++
					for _, value := range texts {
						if bytes.Contains(bytes.ToLower(doc), bytes.ToLower(spelled(value))) {
							t.Errorf("%s, %s without %s (policy %d) has %q:\n%s", name, form, path, i, value, doc)
						}
					}
					if bytes.Contains(bytes.ReplaceAll(doc, []byte(`\`), nil), []byte(`"effective_at":1`)) || bytes.Contains(doc, []byte(base64.StdEncoding.EncodeToString([]byte(`{"id"`))[:6])) {
						t.Errorf("%s, %s without %s has the entry as served:\n%s", name, form, path, doc)
					}
				}
			}
		}
	}
	t.Log(fmt.Sprint("documents searched: ", searched))
	for _, form := range []string{"avro", "normalized", "ecs", "ocsf", "cim", "raw"} {
		if searched[form] < 1000 {
			t.Errorf("%d documents of %s were searched", searched[form], form)
		}
	}
}

// kept reports whether a field that stays has the value as well.
func kept(e *schemas.AuditEvent, value string) bool {
	stays := []string{e.EventID, e.EventType, e.Stream, e.Source, e.Action, e.Outcome, e.Severity, e.SeverityReason, e.Actor.Kind}
	for _, target := range e.Targets {
		stays = append(stays, target.Type)
	}
	return strings.Contains(strings.ToLower(strings.Join(stays, "\n")), strings.ToLower(value))
}

// spelled returns value as it stands in a JSON string.
func spelled(value string) []byte {
	b, _ := json.Marshal(value)
	return b[1 : len(b)-1]
}
