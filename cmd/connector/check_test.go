package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"auditlog-connector/pipeline"
)

func (s *source) Check(context.Context) []pipeline.Finding {
	if s.c.Fail == "check" {
		return []pipeline.Finding{{Name: "key", Status: "fail", Detail: "401\x1b[2J", Hint: "make an admin key"}}
	}
	return []pipeline.Finding{{Name: "key", Status: "ok", Detail: "may read"}, {Name: "scope", Status: "warn", Detail: "may do more"}}
}

func TestCheck(t *testing.T) {
	w := runWorld(t, runConfig)
	if code := w.exec(t.Context(), "check", "-c", "c.yaml"); code != exitOK {
		t.Errorf("exit %d, %s", code, &w.err)
	}
	want := `STATUS  SUBJECT        CHECK  DETAIL
ok      source a       key    may read
warn    source a       scope  may do more
ok      source unused  key    may read
warn    source unused  scope  may do more
ok      checkpoint     file   ./connector-data/checkpoint.db has no lanes yet
ok      lane a/all     open   there is nothing to try
ok      lane a/logins  open   there is nothing to try
`
	if got := w.out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if len(w.closed) != 4 || len(w.delivered) != 0 {
		t.Errorf("closed %v, delivered %v", w.closed, w.delivered)
	}
}

// damaged makes a checkpoint that cannot be read.
func damaged(t *testing.T, path string) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path, make([]byte, 1<<16), 0o600), os.WriteFile(path+".generation", []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestCheckFails(t *testing.T) {
	w := runWorld(t, strings.Replace(runConfig, "count: 25", "fail: check", 1)+"checkpoint: { path: damaged }\n")
	damaged(t, "damaged")
	if code := w.exec(t.Context(), "check", "-c", "c.yaml", "-o", "json"); code != exitFailure || strings.Contains(w.err.String(), "connector:") {
		t.Errorf("exit %d, %s", code, &w.err)
	}
	var all []checked
	if err := json.Unmarshal(w.out.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	fails := 0
	for _, f := range all {
		if f.Status == "fail" {
			fails++
		}
	}
	if fails != 2 {
		t.Errorf("%d fails, want the key and the checkpoint: %+v", fails, all)
	}
	if w.exec(t.Context(), "check", "-c", "c.yaml"); !strings.Contains(w.out.String(), `401\x1b[2J (make an admin key)`) {
		t.Errorf("table:\n%s", &w.out)
	}
}

func TestSchema(t *testing.T) {
	w := newWorld(t)
	var avro struct{ Name, Namespace string }
	if code := w.exec(t.Context(), "schema", "avro"); code != exitOK || json.Unmarshal(w.out.Bytes(), &avro) != nil || avro.Name != "AuditEvent" || avro.Namespace != "auditlog.v1" {
		t.Errorf("avro: exit %d, %s", code, &w.out)
	}
	var types []catalogueEntry
	if code := w.exec(t.Context(), "schema", "types", "-o", "json"); code != exitOK || json.Unmarshal(w.out.Bytes(), &types) != nil || len(types) != 149 {
		t.Errorf("types: exit %d, %d of them", code, len(types))
	}
	if code := w.exec(t.Context(), "schema", "types"); code != exitOK || strings.Count(w.out.String(), "\n") != 150 {
		t.Errorf("types: exit %d, %s", code, &w.out)
	}
}

func TestCheckAndValidateLeaveOtherFilesAlone(t *testing.T) {
	w := runWorld(t, runConfig+"checkpoint: { path: c.yaml }\n")
	before, err := os.ReadFile("c.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"check", "validate"} {
		if code := w.exec(t.Context(), verb, "-c", "c.yaml"); code != exitOK {
			t.Errorf("%s: exit %d, %s", verb, code, &w.err)
		}
	}
	if after, err := os.ReadFile("c.yaml"); err != nil || string(after) != string(before) {
		t.Errorf("the file was changed: %v", err)
	}
}
