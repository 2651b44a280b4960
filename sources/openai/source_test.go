package openai

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"auditlog-connector/internal/secret"
	"auditlog-connector/pipeline"
	"auditlog-connector/sources"
)

const testKey = "correct-horse-battery-staple"

// server answers requests in the test's own goroutine.
type server func(r *http.Request) (status int, header http.Header, body string)

func (s server) RoundTrip(r *http.Request) (*http.Response, error) {
	status, header, body := s(r)
	if header == nil {
		header = http.Header{}
	}
	if header.Get("X-Request-Id") == "" {
		header.Set("X-Request-Id", "req_123")
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func openSource(t *testing.T, change func(*Config), env sources.Env) *Source {
	t.Helper()
	c := defaults()
	c.AdminKey = secret.Literal(testKey)
	c.RequestsPerSecond = 1e6
	if change != nil {
		change(&c)
	}
	env.Source = "acme"
	if env.Logger == nil {
		env.Logger = slog.New(slog.DiscardHandler)
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	if env.Registerer == nil {
		env.Registerer = prometheus.NewRegistry()
	}
	s, err := open(&c, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func answering(status int, body string) server {
	return func(*http.Request) (int, http.Header, string) { return status, nil, body }
}

func org(since, until int64) pipeline.PageRequest {
	req := pipeline.PageRequest{Stream: StreamOrganization, Since: time.Unix(since, 0)}
	if until > 0 {
		req.Until = time.Unix(until, 0)
	}
	return req
}

func TestRequestIsWhatTheAPIDocuments(t *testing.T) {
	var got *http.Request
	s := openSource(t, func(c *Config) { c.Organization, c.BaseURL = "org-1", "https://eu.api.openai.com/v1/" },
		sources.Env{Transport: server(func(r *http.Request) (int, http.Header, string) {
			got = r
			return 200, http.Header{"Date": {"Sun, 22 Nov 2026 08:00:00 GMT"}}, `{"data":[],"has_more":false}`
		}), Now: func() time.Time { return time.Unix(77, 0) }})
	page, err := s.Page(t.Context(), pipeline.PageRequest{Stream: StreamTenant, Since: time.Unix(100, 1), Until: time.Unix(200, 0), Limit: 500,
		Cursor: cursor{After: "audit_log-x"}.encode()})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := got.URL.String(), "https://eu.api.openai.com/v1/organization/audit_logs?after=audit_log-x&effective_at%5Bgte%5D=101&effective_at%5Blt%5D=200&limit=100&tenant_only=true"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for name, want := range map[string]string{"Authorization": "Bearer " + testKey, "OpenAI-Organization": "org-1", "Accept": "application/json"} {
		if v := got.Header.Get(name); v != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
	if want := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC); !page.Now.Equal(want) || !page.Sent.Equal(time.Unix(77, 0)) {
		t.Errorf("now %v, sent %v", page.Now, page.Sent)
	}
	if _, err = s.Page(t.Context(), pipeline.PageRequest{Stream: StreamOrganization, Limit: 3}); err != nil || got.URL.RawQuery != "limit=3" {
		t.Errorf("without bounds: %s %v", got.URL.RawQuery, err)
	}
}

func TestPageThatCannotBeTrustedIsAnError(t *testing.T) {
	entries := func(ids ...string) string {
		var es []string
		for _, id := range ids {
			es = append(es, fmt.Sprintf(`{"id":%q,"effective_at":150}`, id))
		}
		return strings.Join(es, ",")
	}
	after := cursor{After: "c", First: "a", Last: "c", Mark: "m", Pages: 3}
	for _, tt := range []struct{ name, body, want string }{
		{"before the span", `{"data":[{"id":"x","effective_at":99}],"has_more":false}`, "entry x: its time 1970-01-01T00:01:39Z lies outside the span"},
		{"at its end", `{"data":[{"id":"x","effective_at":200}],"has_more":false}`, "outside the span"},
		{"more without a cursor", `{"data":[` + entries("d") + `],"has_more":true,"last_id":null}`, "has_more without a last_id"},
		{"more without an entry", `{"data":[],"has_more":true,"last_id":"d"}`, "has_more without an entry"},
		{"the same cursor", `{"data":[` + entries("d") + `],"has_more":true,"last_id":"c"}`, "goes round in circles"},
		{"an earlier cursor", `{"data":[` + entries("d") + `],"has_more":true,"last_id":"m"}`, "goes round in circles"},
		{"the page before", `{"data":[` + entries("a", "b", "c") + `],"has_more":false}`, "the one before once more"},
		{"the cursor's entry", `{"data":[` + entries("c", "d") + `],"has_more":false}`, "entry c, after which the page was to begin"},
		{"no time", `{"data":[{"id":"x"}],"has_more":false}`, "entry x: it has no effective_at (to go on without it, add the id to ignore_ids"},
		{"a time in words", `{"data":[{"id":"x","effective_at":"noon"}],"has_more":false}`, "effective_at is a string and not a time"},
		{"no id and no time", `{"data":[7],"has_more":false}`, "entry sha256-7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451"},
		{"HTML", "<html><title>x</title>", "a page of HTML: x"},
		{"cut off", `{"data":[` + entries("d"), "cut off"},
	} {
		s := openSource(t, nil, sources.Env{Transport: answering(200, tt.body)})
		req := org(100, 200)
		req.Cursor = after.encode()
		_, err := s.Page(t.Context(), req)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "req_123") || !strings.Contains(err.Error(), "stream organization") {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if pipeline.IsPermanent(err) {
			t.Errorf("%s: it may well work the next time", tt.name)
		}
	}
}

func TestListingThatGoesRoundIsNoticed(t *testing.T) {
	for length := 1; length < 20; length++ {
		n := 0
		s := openSource(t, nil, sources.Env{Transport: server(func(*http.Request) (int, http.Header, string) {
			n++
			id := fmt.Sprint("lead-", n)
			if n > 5 {
				id = fmt.Sprint("round-", n%length)
			}
			return 200, nil, fmt.Sprintf(`{"data":[{"id":"e-%d","effective_at":1}],"has_more":true,"last_id":%q}`, n, id)
		})})
		req := org(0, 0)
		for n < 100 {
			page, err := s.Page(t.Context(), req)
			if err != nil {
				break
			}
			req.Cursor = page.Next
		}
		if n >= 100 {
			t.Errorf("a circle of %d pages was not noticed", length)
		}
	}
}

func TestIgnoredEntriesAreSetAside(t *testing.T) {
	body := `{"data":[{"id":"bad"},{"id":"good","effective_at":1},{"id":"outside","effective_at":99},{"id":"listed but fine","effective_at":2}],"has_more":false}`
	s := openSource(t, func(c *Config) { c.IgnoreIDs = []string{"bad", "outside", "listed but fine"} }, sources.Env{Transport: answering(200, body)})
	page, err := s.Page(t.Context(), org(0, 10))
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Entries) != 2 || page.Entries[0].ID != "good" || page.Entries[1].ID != "listed but fine" {
		t.Errorf("entries %+v", page.Entries)
	}
	if len(page.Aside) != 2 || page.Aside[0].ID != "bad" || string(page.Aside[0].Body) != `{"id":"bad"}` || page.Aside[0].Reason == "" || page.Aside[1].ID != "outside" {
		t.Errorf("aside %+v", page.Aside)
	}
}

func BenchmarkPage(b *testing.B) {
	names, err := filepath.Glob("testdata/samples/*.json")
	if err != nil || len(names) == 0 {
		b.Fatal("no samples")
	}
	sample := []byte(`{"object":"list","data":[`)
	for i := range 100 {
		event, err := os.ReadFile(names[i%len(names)])
		if err != nil {
			b.Fatal(err)
		}
		if i > 0 {
			sample = append(sample, ',')
		}
		sample = append(sample, event...)
	}
	sample = append(sample, `],"has_more":false}`...)
	s := &Source{}
	b.SetBytes(int64(len(sample)))
	entries := 0
	for b.Loop() {
		page, err := s.read(sample, pipeline.PageRequest{Stream: StreamOrganization}, cursor{})
		if err != nil {
			b.Fatal(err)
		}
		entries += len(page.Entries)
	}
	b.ReportMetric(float64(entries)/b.Elapsed().Seconds(), "events/s")
}
