package openai

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
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

func TestOneEntryIsReadAsOnAPage(t *testing.T) {
	nested := func(n int) string {
		return `{"id":"1","effective_at":1,"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	taken, refused := 0, 0
	for _, body := range []string{
		`{"id":"1","effective_at":1}`, "\t{ \"id\" : \"1\" , \"effective_at\" : 1 }\r\n", `{"effective_at":1}`, `{"id":"","effective_at":1}`,
		`{"id":7,"effective_at":1}`, `{"id":null,"effective_at":1}`, `{"id":"1","id":"2","effective_at":1,"effective_at":2}`,
		`{"\u0069d":"\u0031\ud83d","effective_at":"1"}`, "{\"id\":\"a\xff\",\"effective_at\":1}", `{"id":"é\/","effective_at":1e3}`,
		`{"id":{"effective_at":1}}`, `{"id":"1","effective_at":null}`, `{"id":"1","effective_at":[1]}`, `{"id":"1","effective_at":01}`,
		`{"id":"1","effective_at":1,}`, "{\"id\":\"\x01\",\"effective_at\":1}", `{}`, `null`, `{"id":"1","effective_at":1}}`, `{"id":"1","effective_at":1}\u0000`,
		nested(maxDepth - 3), nested(maxDepth - 2), nested(maxDepth + 1),
	} {
		one, err := Normalize("acme", []byte(body))
		page, pageErr := (&Source{name: "acme"}).read([]byte(`{"data":[`+body+`],"has_more":false}`), pipeline.PageRequest{}, cursor{})
		if (err == nil) != (pageErr == nil) {
			t.Errorf("%.60q: %v, on a page %v", body, err, pageErr)
		}
		if err != nil || pageErr != nil {
			refused++
			continue
		}
		taken++
		want := normalize("acme", page.Entries[0])
		if one.Position != want.Position || !bytes.Equal(schemas.Encode(nil, &one.Audit), schemas.Encode(nil, &want.Audit)) {
			t.Errorf("%.60q: %+v, on a page %+v", body, one, want)
		}
	}
	if taken < 10 || refused < 10 {
		t.Errorf("%d entries were taken and %d refused", taken, refused)
	}
}
