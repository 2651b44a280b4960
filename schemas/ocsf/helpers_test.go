package ocsf_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"auditlog-connector/internal/eventtest"
	"auditlog-connector/schemas"
	"auditlog-connector/schemas/ocsf"
)

// normalizeText maps body as the entry "audit_log-1" of the source "acme".
func normalizeText(t testing.TB, body string) *schemas.AuditEvent {
	t.Helper()
	e := eventtest.Text(t, body)
	return &e
}

// samples returns the sample entries' events, compact as the API serves them, by the
// name of their file.
func samples(t testing.TB) map[string]*schemas.AuditEvent {
	t.Helper()
	all := make(map[string]*schemas.AuditEvent)
	for _, s := range eventtest.Compact(t) {
		all[s.Name] = &s.Event
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
	for _, e := range eventtest.Generated(t, n) {
		if f(&e); t.Failed() {
			return
		}
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
