package registry

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"auditlog-connector/pipeline"
)

const schema = `{ "type": "record", "name": "R", "fields": [ {"name": "first", "type": "int"}, {"name": "second", "type": "string"} ] }`

// serve is a registry that answers requests by "METHOD path" with a status and a body.
func serve(t *testing.T, answers map[string]string) (url string, asked *[]string) {
	asked = new([]string)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		body, _ := io.ReadAll(r.Body)
		*asked = append(*asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+user+" "+password+" "+string(body)))
		answer, ok := answers[r.Method+" "+r.URL.RequestURI()]
		if !ok {
			http.Error(w, `{"error_code":404,"message":"not here"}`, http.StatusNotFound)
			return
		}
		status, text, _ := strings.Cut(answer, " ")
		w.WriteHeader(map[string]int{"200": 200, "401": 401, "409": 409, "422": 422, "500": 500, "302": 302}[status])
		io.WriteString(w, text)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func client(t *testing.T, url string, register bool) *Client {
	t.Helper()
	c, err := New(Config{URL: url + "/", Username: "user", Password: func() (string, error) { return "not-to-be-seen", nil }, Register: register})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestSchemaIsSentCompactWithCredentials(t *testing.T) {
	url, asked := serve(t, map[string]string{"POST /subjects/a%2Fb/versions": `200 {"id":7}`})
	id, err := client(t, url, true).ID(t.Context(), "a/b", schema)
	if err != nil || id != 7 {
		t.Fatal(id, err)
	}
	_, body, _ := strings.Cut((*asked)[0], " user not-to-be-seen ")
	var sent struct{ Schema, SchemaType string }
	if err := json.Unmarshal([]byte(body), &sent); err != nil || strings.Contains(sent.Schema, " ") || sent.SchemaType != "AVRO" {
		t.Errorf("%v, %s", err, (*asked)[0])
	}
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		register   bool
		answers    map[string]string
		want       string
		permanent  bool
		unanswered bool
	}{
		"a conflict names subject, level and field": {true, map[string]string{
			"POST /subjects/s/versions":          `409 {"error_code":409,"message":"bad at /fields/1/type and /fields/9"}`,
			"GET /config/s?defaultToGlobal=true": `200 {"compatibilityLevel":"FULL"}`,
		}, "subject s: the schema is incompatible with the one there (compatibility level FULL): bad at /fields/1/type (second) and /fields/9;", true, false},
		"a conflict in the registry's own words": {true, map[string]string{
			"POST /subjects/s/versions": `409 {"message":"no, not-to-be-seen"}`, "GET /config": `200 {"compatibilityLevel":"BACKWARD"}`,
			"POST /compatibility/subjects/s/versions/latest?verbose=true": `200 {"is_compatible":false,"messages":["field 'first' has no default","x not-to-be-seen"]}`,
		}, "(compatibility level BACKWARD): field 'first' has no default; x [redacted];", true, false},
		"not there":            {false, map[string]string{}, "auto_register is off", true, false},
		"invalid schema":       {true, map[string]string{"POST /subjects/s/versions": `422 {"error_code":42201,"message":"invalid"}`}, "invalid", true, false},
		"refused":              {true, map[string]string{"POST /subjects/s/versions": `401 {"message":"who is not-to-be-seen"}`}, "credentials refused", true, false},
		"a redirect":           {true, map[string]string{"POST /subjects/s/versions": `302 `}, "redirects are not followed", true, false},
		"down":                 {true, map[string]string{"POST /subjects/s/versions": `500 `}, "HTTP 500", false, true},
		"no id":                {true, map[string]string{"POST /subjects/s/versions": `200 {}`}, "an answer without an id", false, true},
		"a negative id":        {true, map[string]string{"POST /subjects/s/versions": `200 {"id":-3}`}, "an answer without an id", false, true},
		"something else there": {true, map[string]string{"POST /subjects/s/versions": `200 <html>`}, "is not what a schema registry says", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := serve(t, c.answers)
			_, err := client(t, url, c.register).ID(t.Context(), "s", schema)
			if err == nil || !strings.Contains(err.Error(), c.want) || pipeline.IsPermanent(err) != c.permanent || Unanswered(err) != c.unanswered {
				t.Errorf("%v, want %q; permanent %v, unanswered %v", err, c.want, pipeline.IsPermanent(err), Unanswered(err))
			}
			if err != nil && strings.Contains(err.Error(), "not-to-be-seen") {
				t.Errorf("the password is in: %v", err)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	c := client(t, "http://127.0.0.1:1", true)
	if _, err := c.ID(t.Context(), "s", schema); !Unanswered(err) {
		t.Errorf("%v, want unanswered", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.ID(ctx, "s", schema); !errors.Is(err, context.Canceled) || Unanswered(err) {
		t.Errorf("%v, want the context's end", err)
	}
}

func TestCheckRegistersNothing(t *testing.T) {
	for name, c := range map[string]struct {
		answers map[string]string
		want    string
	}{
		"there":          {map[string]string{"POST /subjects/s": `200 {"id":3}`}, "subject s, schema id 3"},
		"new":            {map[string]string{}, "will be registered"},
		"a compatible":   {map[string]string{"POST /compatibility/subjects/s/versions/latest": `200 {"is_compatible":true}`}, "will be registered"},
		"not compatible": {map[string]string{"POST /compatibility/subjects/s/versions/latest": `200 {"is_compatible":false}`}, "incompatible"},
	} {
		t.Run(name, func(t *testing.T) {
			url, asked := serve(t, c.answers)
			detail, err := client(t, url, true).Check(t.Context(), "s", schema)
			if err != nil {
				detail = err.Error()
			}
			if !strings.Contains(detail, c.want) || (err != nil) != (c.want == "incompatible") {
				t.Errorf("%q, %v, want %q", detail, err, c.want)
			}
			for _, a := range *asked {
				if strings.HasPrefix(a, "POST /subjects/s/versions") || strings.HasPrefix(a, "PUT") {
					t.Errorf("it asked %s", a)
				}
			}
		})
	}
}

func TestEntryComesBack(t *testing.T) {
	e := Entry{ID: 42, Fingerprint: 0xa7, Subject: "audit-value", URL: "https://registry.example.com"}
	got, ok := ParseEntry(e.String())
	if !ok || got != e || !got.Same(e) {
		t.Errorf("%+v, %v", got, ok)
	}
	for _, other := range []Entry{{42, 1, e.Subject, e.URL}, {42, e.Fingerprint, "x", e.URL}, {42, e.Fingerprint, e.Subject, "x"}} {
		if other.Same(e) {
			t.Errorf("%+v is not the same", other)
		}
	}
	for _, bad := range []string{"", "1 2 3", "x 00 a b", "0 00 a b", "-1 00 a b", "1 zz a b", "1 00 a b c"} {
		if _, ok := ParseEntry(bad); ok {
			t.Errorf("%q is an entry", bad)
		}
	}
}
