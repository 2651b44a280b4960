package openai

import (
	"strings"
	"testing"
	"time"
)

func TestNormalizeOneEntry(t *testing.T) {
	e, err := Normalize("acme", []byte(" {\"id\":\"audit_log-1\",\"type\":\"logout.succeeded\",\"effective_at\":1795166939.7}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if e.Audit.EventID != "audit_log-1" || e.Audit.EventType != "logout.succeeded" || e.Audit.Source != "acme" ||
		!e.Audit.EffectiveAt.Equal(time.Unix(1795166939, 0)) || string(e.Audit.Raw) != `{"id":"audit_log-1","type":"logout.succeeded","effective_at":1795166939.7}` {
		t.Errorf("got %+v", e.Audit)
	}
	for body, want := range map[string]string{
		"":                                     "no entry",
		"[1]":                                  "an array, want an object",
		`"x"`:                                  "a string, want an object",
		`{"id":"1"`:                            "cut off",
		`{"id":"1"} x`:                         "nothing after the entry",
		`{"id":"1"}`:                           "no effective_at",
		`{"id":"1","effective_at":"tomorrow"}`: "is a string and not a time",
		"\x00":                                 "not JSON",
	} {
		if _, err := Normalize("acme", []byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", body, err, want)
		}
	}
}
