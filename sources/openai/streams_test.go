package openai

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/sources"
)

func TestStreams(t *testing.T) {
	status, body, asked := 403, `{"error":"Missing scopes"}`, 0
	transport := server(func(r *http.Request) (int, http.Header, string) {
		asked++
		if r.URL.RawQuery != "limit=1&tenant_only=true" {
			t.Errorf("asked for %s", r.URL.RawQuery)
		}
		return status, nil, body
	})
	var logged bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&logged, nil))
	streams := func(s *Source) string {
		t.Helper()
		names, err := s.Streams(t.Context())
		if err != nil {
			return "error: " + err.Error()
		}
		return strings.Join(names, " ")
	}

	on := openSource(t, func(c *Config) { c.Tenant = TenantOn }, sources.Env{Transport: transport})
	off := openSource(t, func(c *Config) { c.Tenant = TenantOff }, sources.Env{Transport: transport})
	if got := streams(on) + " | " + streams(off); got != "organization tenant | organization" || asked != 0 {
		t.Errorf("on | off: %s, %d requests", got, asked)
	}
	if _, err := off.Page(t.Context(), pipeline.PageRequest{Stream: StreamTenant}); !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "switched off") || asked != 0 {
		t.Errorf("tenant switched off: %v", err)
	}

	auto := openSource(t, nil, sources.Env{Transport: transport, Logger: logger})
	for range 3 {
		if got := streams(auto); got != "organization" {
			t.Errorf("refused: %s", got)
		}
	}
	if got := strings.Count(logged.String(), "not available"); got != 1 || !strings.Contains(logged.String(), "api.audit_logs.read") {
		t.Errorf("said %d times, want once and with a hint:\n%s", got, logged.String())
	}
	for status, body = range map[int]string{500: "", 429: "", 200: "<html>"} {
		if got := streams(auto); !strings.HasPrefix(got, "error") {
			t.Errorf("HTTP %d: %s, want an error", status, got)
		}
		auto.budget.next = time.Time{}
	}
	status, body = 200, `{"data":[],"has_more":false}`
	if got := streams(auto); got != "organization tenant" {
		t.Errorf("granted: %s", got)
	}
	status, asked = 403, 0
	for range 2 {
		if got := streams(auto); got != "organization tenant" || asked != 0 {
			t.Errorf("once it was there: %s, %d requests", got, asked)
		}
	}
	if got := strings.Count(logged.String(), "is read from now on"); got != 1 {
		t.Errorf("said %d times:\n%s", got, logged.String())
	}
}

func TestTenantStreamIsNamedOnceItHasAnsweredAPage(t *testing.T) {
	asked := 0
	s := openSource(t, nil, sources.Env{Transport: server(func(*http.Request) (int, http.Header, string) {
		asked++
		return 200, nil, `{"data":[],"has_more":false}`
	})})
	if _, err := s.Page(t.Context(), pipeline.PageRequest{Stream: StreamTenant}); err != nil {
		t.Fatal(err)
	}
	if names, err := s.Streams(t.Context()); err != nil || len(names) != 2 || asked != 1 {
		t.Errorf("%q %v after %d requests", names, err, asked)
	}
}
