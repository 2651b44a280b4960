package openai

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/internal/secret"
	"auditlog-connector/pipeline"
	"auditlog-connector/sources"
)

// named gives every answer one request id.
type named struct{ http.RoundTripper }

func (n named) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := n.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Header.Set("X-Request-Id", "req_1")
	}
	return resp, err
}

// class says what the pipeline makes of err.
func class(err error) string {
	var te *pipeline.ThrottledError
	switch {
	case errors.As(err, &te):
		return "throttled " + te.After.String()
	case errors.Is(err, pipeline.ErrRefused) && pipeline.IsPermanent(err):
		return "refused"
	case pipeline.IsPermanent(err):
		return "permanent"
	}
	return "plain"
}

// fromEnv is a key that stands in the environment.
func fromEnv(t *testing.T, key string) secret.String {
	t.Helper()
	t.Setenv("OPENAI_ADMIN_KEY", key)
	var s secret.String
	if err := s.UnmarshalScalar("${env:OPENAI_ADMIN_KEY}"); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAnswersAreExplained(t *testing.T) {
	const (
		newKey  = "an organization owner makes one with Audit Logs: Read; put it into environment variable OPENAI_ADMIN_KEY and restart the connector)"
		isBase  = "is base_url http://localhost/v1 the API's address?)"
		notHere = "is base_url http://localhost/v1 the API's address, or does a proxy answer in its place?)"
	)
	script := func(f openaisim.Fault) *openaisim.Config {
		return &openaisim.Config{Events: 10, Faults: openaisim.Faults{Script: map[int]openaisim.Fault{1: f}}}
	}
	refuse := func(r openaisim.Refusal) *openaisim.Config { return &openaisim.Config{Refuse: r, EchoKey: true} }
	for _, tt := range []struct {
		name   string
		sim    *openaisim.Config // who answers; nil: what follows is the answer
		status int
		header http.Header
		body   string // KEY stands for the key

		key, base, cursor string
		class, want       string
	}{
		{name: "a key without the scope", sim: refuse(openaisim.RefuseScope), class: "refused",
			want: "credentials refused: HTTP 401 Unauthorized: You have insufficient permissions for this operation. Missing scopes: api.audit_logs.read You sent: [redacted] (request req_1; the admin key lacks the scope api.audit_logs.read: " + newKey},
		{name: "a key without the scope, as an object", sim: refuse(openaisim.RefuseScope403), class: "refused",
			want: "credentials refused: HTTP 403 Forbidden: You have insufficient permissions for this operation. Missing scopes: api.audit_logs.read (missing_scope) (request req_1; the admin key lacks the scope api.audit_logs.read: " + newKey},
		{name: "a key that may not be an admin key", sim: refuse(openaisim.RefuseScope), key: "gateway-key-0123456789", class: "refused",
			want: "credentials refused: HTTP 401 Unauthorized: You have insufficient permissions for this operation. Missing scopes: api.audit_logs.read You sent: [redacted] (request req_1; the audit log needs an admin key, which begins with sk-admin-, with the scope api.audit_logs.read: " + newKey},
		{name: "a wrong key", sim: refuse(openaisim.RefuseKey), class: "refused",
			want: "credentials refused: HTTP 401 Unauthorized: Incorrect API key provided. You sent: [redacted] (invalid_api_key) (request req_1; the key is mistyped, revoked or expired: " + newKey},
		{name: "not a member", sim: refuse(openaisim.RefuseMember), class: "refused",
			want: "credentials refused: HTTP 401 Unauthorized: You must be a member of an organization to use the API. You sent: [redacted] (request req_1; who made the key is in no organization, or has left it: " + newKey},
		{name: "an address", sim: refuse(openaisim.RefuseIP), class: "refused",
			want: "credentials refused: HTTP 401 Unauthorized: IP not authorized: this address is not on the organization's allowlist. You sent: [redacted] (ip_not_authorized) (request req_1; the organization lets in only the addresses of its IP allowlist: an owner adds the address that this host is seen with)"},
		{name: "a country", sim: refuse(openaisim.RefuseCountry), class: "refused",
			want: "credentials refused: HTTP 403 Forbidden: Country, region, or territory not supported (unsupported_country_region_territory) (request req_1; the API is not offered in the country that this host's address belongs to: let the connector go out elsewhere, by HTTPS_PROXY for instance)"},
		{name: "another organization", sim: refuse(openaisim.RefuseMismatch), class: "refused",
			want: "credentials refused: HTTP 401 Unauthorized: OpenAI-Organization header does not match the organization of the API key. You sent: [redacted] (mismatched_organization) (request req_1; organization is not that of the admin key: write the id (org-…) of the organization that made the key, or leave it out)"},
		{name: "an organization that is not there", status: 400, body: `{"error":{"message":"No such organization: acme."}}`, class: "permanent",
			want: "HTTP 400 Bad Request: No such organization: acme. (request req_1; organization is not that of the admin key: write the id (org-…) of the organization that made the key, or leave it out)"},
		{name: "audit logging off", sim: &openaisim.Config{Logging: openaisim.LoggingOffError}, class: "refused",
			want: "credentials refused: HTTP 403 Forbidden: Audit logging is not enabled for this organization. (request req_1; an organization owner enables it in Organization settings → Data controls → Data retention → Audit logging; it cannot be disabled again)"},
		{name: "refused without a reason", status: 403, body: "KEY", class: "refused",
			want: "credentials refused: HTTP 403 Forbidden: [redacted] (request req_1; the audit log needs a valid admin key with the scope api.audit_logs.read: " + newKey},

		{name: "a quota", sim: refuse(openaisim.RefuseQuota), class: "throttled 0s",
			want: "throttled: HTTP 429 Too Many Requests: The quota of this organization is used up; see its plan and billing details. (insufficient_quota) (request req_1; waiting does not help: an organization owner looks at its plan and billing; the connector goes on asking)"},
		{name: "credit, named by the type", status: 429, body: `{"error":{"message":"No.","type":"credit_balance_exhausted"}}`, class: "throttled 0s",
			want: "throttled: HTTP 429 Too Many Requests: No. (request req_1; waiting does not help: an organization owner looks at its plan and billing; the connector goes on asking)"},
		{name: "a limit", sim: script(openaisim.FaultThrottledLong), class: "throttled 1h0m0s",
			want: "throttled for 1h0m0s: HTTP 429 Too Many Requests: Rate limit reached. Try again later. (rate_limit_exceeded) (request req_1; the connector waits by itself; if it happens often, lower requests_per_second or stop what else uses the organization's admin keys)"},
		{name: "a limit without a time", sim: script(openaisim.FaultThrottledBare), class: "throttled 0s",
			want: "throttled: HTTP 429 Too Many Requests: Rate limit reached. Try again later. (rate_limit_exceeded) (request req_1; the connector waits by itself; if it happens often, lower requests_per_second or stop what else uses the organization's admin keys)"},
		{name: "a limit in words about billing", status: 429, body: `{"error":{"message":"Slow down. See your account/billing to go faster."}}`, class: "throttled 0s",
			want: "throttled: HTTP 429 Too Many Requests: Slow down. See your account/billing to go faster. (request req_1; the connector waits by itself; if it happens often, lower requests_per_second or stop what else uses the organization's admin keys)"},

		{name: "a fault of the API", sim: script(openaisim.FaultInternal), class: "plain",
			want: "HTTP 500 Internal Server Error: The server had an error while processing your request. (request req_1; this is the API's to mend, see status.openai.com; the connector asks again by itself)"},
		{name: "a fault in a bare string", sim: script(openaisim.FaultBareString), class: "plain",
			want: "HTTP 500 Internal Server Error: Internal error (request req_1; this is the API's to mend, see status.openai.com; the connector asks again by itself)"},
		{name: "an overload", sim: script(openaisim.FaultOverloaded), class: "plain",
			want: "HTTP 503 Service Unavailable: The server is overloaded. (server_is_overloaded) (request req_1; this is the API's to mend, see status.openai.com; the connector asks again by itself)"},
		{name: "an overload with a time", status: 503, header: http.Header{"Retry-After-Ms": {"1500"}}, class: "throttled 1.5s",
			want: "throttled for 1.5s: HTTP 503 Service Unavailable (request req_1; this is the API's to mend, see status.openai.com; the connector asks again by itself)"},
		{name: "a page of the CDN", sim: script(openaisim.FaultHTML503), class: "plain",
			want: "HTTP 503 Service Unavailable: a page of HTML: Service unavailable (request req_1; this comes from what lies between here and the API, its CDN or a proxy; the connector asks again by itself)"},
		{name: "a conflict", sim: script(openaisim.FaultShouldRetry), class: "plain",
			want: "HTTP 409 Conflict: Another request is under way. (request req_1)"},

		{name: "a login page", status: 200, body: "<html><head><title>Sign in</title></head>KEY</html>", class: "plain",
			want: "the answer is not a list of entries: it is not JSON at offset 0: want a value; the server says: a page of HTML: Sign in (request req_1; localhost does not answer as the API: a proxy's login page or another server at base_url http://localhost/v1)"},
		{name: "another service", status: 200, body: `{"status":"green"}`, class: "plain",
			want: "the answer is not a list of entries: it has no data (request req_1; " + isBase},
		{name: "a service that says ok", status: 200, body: `ok`, class: "plain",
			want: "the answer is not a list of entries: it is not JSON at offset 0: want a value (request req_1; " + isBase},
		{name: "a page cut off", status: 200, body: `{"data":[`, class: "plain",
			want: "the answer is not a list of entries: it is cut off (request req_1)"},
		{name: "an empty page", status: 200, class: "plain", want: "the answer is empty (request req_1)"},
		{name: "no content", status: 204, class: "plain", want: "HTTP 204: want 200 (request req_1)"},

		{name: "a wrong path", sim: &openaisim.Config{}, base: "http://localhost/v2/v1/", class: "permanent",
			want: "HTTP 404 Not Found: Invalid URL (GET /v2/v1/organization/audit_logs) (request req_1; is base_url http://localhost/v2/v1 the API's address? It is https://api.openai.com/v1 unless the organization's data resides in a region)"},
		{name: "a path without /v1", sim: &openaisim.Config{}, base: "http://localhost/", class: "permanent",
			want: "HTTP 404 Not Found: Invalid URL (GET /organization/audit_logs) (request req_1; base_url http://localhost has to end in /v1)"},
		{name: "a bad parameter", status: 400, body: `{"error":{"message":"Unknown parameter.","param":"limit"}}`, class: "permanent",
			want: "HTTP 400 Bad Request: Unknown parameter. (request req_1; the server does not take the parameter limit: " + isBase},
		{name: "a bad request", status: 400, class: "permanent", want: "HTTP 400 Bad Request (request req_1; " + notHere},
		{name: "a cursor that is gone", sim: &openaisim.Config{}, cursor: "audit_log-gone", class: "plain",
			want: "HTTP 400 Bad Request: *** (request req_1; the entry after which to go on is gone; the span is read again from its beginning)"},
		{name: "a cursor that is not found", sim: &openaisim.Config{UnknownCursor: openaisim.CursorNotFound}, cursor: "audit_log-gone", class: "plain",
			want: "HTTP 404 Not Found: *** (request req_1; the entry after which to go on is gone; the span is read again from its beginning)"},
		{name: "a redirect", status: 302, header: http.Header{"Location": {"https://login.example/KEY"}}, class: "permanent",
			want: "HTTP 302 Found (redirects are not followed; is the address right?) (request req_1; " + notHere},
		{name: "a proxy that asks for a password", status: 407, class: "permanent",
			want: "HTTP 407 Proxy Authentication Required (request req_1; the proxy wants to know who asks: put user and password into HTTPS_PROXY)"},
		{name: "a teapot", status: 418, class: "permanent", want: "HTTP 418 I'm a teapot (request req_1)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key := tt.key
			if key == "" {
				key = openaisim.DefaultAdminKey
			}
			var transport http.RoundTripper = server(func(*http.Request) (int, http.Header, string) {
				return tt.status, tt.header.Clone(), strings.ReplaceAll(tt.body, "KEY", key)
			})
			if tt.sim != nil {
				sim, err := openaisim.New(*tt.sim)
				if err != nil {
					t.Fatal(err)
				}
				transport = sim
			}
			s := openSource(t, func(c *Config) {
				c.AdminKey, c.BaseURL = fromEnv(t, key), "http://localhost/v1"
				if tt.base != "" {
					c.BaseURL = tt.base
				}
			}, sources.Env{Transport: named{transport}})
			req := org(0, 0)
			if tt.cursor != "" {
				req.Cursor = cursor{After: tt.cursor}.encode()
			}
			_, err := s.Page(t.Context(), req)
			if err == nil || strings.Contains(err.Error(), key) {
				t.Fatalf("%v", err)
			}
			want := "read audit log, stream organization: " + tt.want
			if before, after, some := strings.Cut(want, "***"); err.Error() != want &&
				!(some && strings.HasPrefix(err.Error(), before) && strings.HasSuffix(err.Error(), after)) {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if got := class(err); got != tt.class {
				t.Errorf("class %s, want %s", got, tt.class)
			}
		})
	}
}

func TestEveryAdviceIsReached(t *testing.T) {
	// Each row has to win somewhere: a row that an earlier one hides is dead.
	situations := []situation{
		{status: 401, text: "missing scopes", key: "sk-admin-x"}, {status: 401, text: "missing scopes"}, {status: 401, text: "ip not authorized"},
		{status: 404, text: "no such organization"}, {status: 401, text: "no_organization"}, {status: 403, text: "country"}, {status: 403, text: "audit logging"},
		{status: 401, text: "incorrect api key"}, {status: 403}, {status: 429, text: "insufficient_quota"}, {status: 429}, {status: 404, cursor: true},
		{status: 400, param: "limit"}, {status: 404}, {status: 404, base: "https://host/v1"}, {status: 307}, {status: 407},
		{status: 502, body: []byte("<html>")}, {status: 500}, {status: 200, body: []byte("<html>")}, {status: 200, body: []byte("ok")},
		{status: 200, body: []byte("{}"), text: "it has no data"},
	}
	if len(situations) != len(answers) {
		t.Fatalf("%d situations for %d rows", len(situations), len(answers))
	}
	for i := range answers {
		got := find(&situations[i])
		if want := answers[i]; got.hint != want.hint || len(got.statuses) != len(want.statuses) || got.transient != want.transient {
			t.Errorf("%+v: %q, want row %d: %q", situations[i], got.hint, i, want.hint)
		}
	}
	if got := find(&situation{status: 409}); got.hint != "" {
		t.Errorf("a conflict: %q", got.hint)
	}
}

func TestThrottledServerHoldsEverybodyUp(t *testing.T) {
	s := openSource(t, nil, sources.Env{Transport: server(func(*http.Request) (int, http.Header, string) {
		return 429, http.Header{"Retry-After": {"60"}}, ""
	})})
	if _, err := s.Page(t.Context(), org(0, 0)); class(err) != "throttled 1m0s" {
		t.Fatal(err)
	}
	if d := time.Until(s.budget.next); d < 50*time.Second {
		t.Errorf("the next request may leave in %s", d)
	}
}
