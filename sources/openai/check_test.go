package openai

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/internal/secret"
	"auditlog-connector/pipeline"
	"auditlog-connector/sources"
)

// table is findings as lines.
func table(findings []pipeline.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s %s: %s", f.Status, f.Name, f.Detail)
		if f.Hint != "" {
			fmt.Fprintf(&b, " -> %s", f.Hint)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestCheck(t *testing.T) {
	const (
		key     = "ok admin key: read from environment variable OPENAI_ADMIN_KEY\n"
		reach   = "ok reachable: localhost answers: HTTP 200\n"
		clock   = "ok clock: this host's clock agrees with the server's\n"
		stream  = "ok organization stream: may be read\n"
		tenant  = "ok tenant stream: may be read\n"
		log     = "ok audit logging: there are entries\n"
		clockUp = " -> the connector works by the server's clock, but certificates, logs and other programs need this one: set it, by NTP for instance\n"
		makeOne = "an organization owner makes one with Audit Logs: Read; put it into environment variable OPENAI_ADMIN_KEY and restart the connector\n"
	)
	clockAt := func(d time.Duration) openaisim.Config { return openaisim.Config{Events: 50, DateSkew: d} }
	for _, tt := range []struct {
		name   string
		sim    openaisim.Config
		key    string
		change func(*Config)
		want   string
	}{
		{name: "all is well", sim: openaisim.Config{Events: 50}, want: key + reach + clock + stream + tenant + log},
		{name: "a key that can do no more", sim: openaisim.Config{Events: 50, KeyRights: openaisim.RightsAuditLogs},
			want: key + reach + clock + stream + tenant + log + "ok key rights: the key may not list the organization's users or list its admin keys\n"},
		{name: "a key that can do more", sim: openaisim.Config{Events: 50, KeyRights: openaisim.RightsAll},
			want: key + reach + clock + stream + tenant + log + "warn key rights: the key may also list the organization's users and list its admin keys -> make a key with Audit Logs: Read and nothing else (scope api.audit_logs.read)\n"},
		{name: "a project's key", key: "sk-proj-0123456789", want: "fail admin key: admin_key: environment variable OPENAI_ADMIN_KEY holds a project's key, which begins with sk-proj-; nothing was sent -> the audit log needs an admin key, which begins with sk-admin-; " + makeOne +
			"ok reachable: localhost answers: HTTP 401\n" + clock},
		{name: "a wrong key", sim: openaisim.Config{EchoKey: true}, key: "sk-admin-0123456789", want: key + "ok reachable: localhost answers: HTTP 401\n" + clock +
			"fail organization stream: credentials refused: HTTP 401 Unauthorized: Incorrect API key provided. You sent: [redacted] (invalid_api_key) (request req_1) -> the key is mistyped, revoked or expired: " + makeOne +
			"warn tenant stream: is not available: credentials refused: HTTP 401 Unauthorized: Incorrect API key provided. You sent: [redacted] (invalid_api_key) (request req_1) -> with tenant: auto it is read from the moment it is; if there is none, write tenant: off\n"},
		{name: "a gateway's key", sim: openaisim.Config{Events: 50, AdminKey: "gateway-0123456789"}, key: "gateway-0123456789",
			want: "warn admin key: environment variable OPENAI_ADMIN_KEY does not hold what looks like an admin key -> admin keys begin with sk-admin-\n" + reach + clock + stream + tenant + log},
		{name: "no tenant stream", sim: openaisim.Config{Events: 50, RefuseTenant: openaisim.RefuseBadRequest}, want: key + reach + clock + stream +
			"warn tenant stream: is not available: HTTP 400 Bad Request: This listing is not available for this organization. (request req_1) -> with tenant: auto it is read from the moment it is; if there is none, write tenant: off\n" + log},
		{name: "no tenant stream where one is wanted", sim: openaisim.Config{Events: 50, RefuseTenant: openaisim.RefuseScope403}, change: func(c *Config) { c.Tenant = TenantOn }, want: key + reach + clock + stream +
			"fail tenant stream: credentials refused: HTTP 403 Forbidden: You have insufficient permissions for this operation. Missing scopes: api.audit_logs.read (missing_scope) (request req_1) -> the admin key lacks the scope api.audit_logs.read: " + makeOne + log},
		{name: "a tenant stream that is not read", sim: openaisim.Config{Events: 50, RefuseTenant: openaisim.RefuseScope403}, change: func(c *Config) { c.Tenant = TenantOff },
			want: key + reach + clock + stream + "ok tenant stream: is not read (tenant: off)\n" + log},
		{name: "a tenant stream that fails", sim: openaisim.Config{Events: 50, Faults: openaisim.Faults{Script: map[int]openaisim.Fault{2: openaisim.FaultInternal}}}, want: key + reach + clock + stream +
			"fail tenant stream: HTTP 500 Internal Server Error: The server had an error while processing your request. (request req_1) -> this is the API's to mend, see status.openai.com; the connector asks again by itself\n" + log},
		{name: "an empty log", sim: openaisim.Config{Logging: openaisim.LoggingOffEmpty, Events: 50}, want: key + reach + clock + stream + tenant +
			"warn audit logging: the log is empty: perhaps audit logging is not enabled -> an organization owner enables it in Organization settings → Data controls → Data retention → Audit logging\n"},
		{name: "throttled", sim: openaisim.Config{Events: 50, Faults: openaisim.Faults{Script: map[int]openaisim.Fault{1: openaisim.FaultThrottledLong}}}, want: key + "ok reachable: localhost answers: HTTP 429\n" + clock +
			"fail organization stream: throttled for 1h0m0s: HTTP 429 Too Many Requests: Rate limit reached. Try again later. (rate_limit_exceeded) (request req_1) -> the connector waits by itself; if it happens often, lower requests_per_second or stop what else uses the organization's admin keys\n"},
		{name: "throttled later", sim: openaisim.Config{Events: 50, Faults: openaisim.Faults{Script: map[int]openaisim.Fault{2: openaisim.FaultThrottledLong}}}, want: key + reach + clock + stream +
			"fail tenant stream: throttled for 1h0m0s: HTTP 429 Too Many Requests: Rate limit reached. Try again later. (rate_limit_exceeded) (request req_1) -> the connector waits by itself; if it happens often, lower requests_per_second or stop what else uses the organization's admin keys\n"},
		{name: "a page of HTML", sim: openaisim.Config{Events: 50, Faults: openaisim.Faults{Script: map[int]openaisim.Fault{1: openaisim.FaultHTML200}}}, want: key + reach + clock +
			"fail organization stream: the answer is not a list of entries: it is not JSON at offset 0: want a value; the server says: a page of HTML: Service unavailable (request req_1) -> localhost does not answer as the API: a proxy's login page or another server at base_url http://localhost/v1\n" + tenant},
		{name: "a reset", sim: openaisim.Config{Faults: openaisim.Faults{Script: map[int]openaisim.Fault{1: openaisim.FaultReset}}}, want: key +
			"fail reachable: GET http://localhost/v1/organization/audit_logs: simulated connection: connection reset by peer -> the connection broke; the connector asks again by itself\n"},
		{name: "a clock two hours ahead", sim: clockAt(-2 * time.Hour), want: key + reach + "warn clock: this host's clock is 2h0m0s ahead of the server's" + clockUp + stream + tenant + log},
		{name: "a clock two hours behind", sim: clockAt(2 * time.Hour), want: key + reach + "warn clock: this host's clock is 2h0m0s behind the server's" + clockUp + stream + tenant + log},
		{name: "a clock 20 seconds off", sim: clockAt(20 * time.Second), want: key + reach + clock + stream + tenant + log},
		{name: "a server without a clock", sim: openaisim.Config{Events: 50, NoDate: true}, want: key + reach +
			"warn clock: the server does not say its time -> the connector has to work by this host's clock: keep it right\n" + stream + tenant + log},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Date(2026, 11, 22, 8, 0, 0, 5e8, time.UTC)
			tt.sim.Seed, tt.sim.Now = 1, func() time.Time { return now }
			sim, err := openaisim.New(tt.sim)
			if err != nil {
				t.Fatal(err)
			}
			sent := tt.key
			if sent == "" {
				sent = openaisim.DefaultAdminKey
			}
			s := openSource(t, func(c *Config) {
				c.AdminKey, c.BaseURL = fromEnv(t, sent), "http://localhost/v1"
				if tt.change != nil {
					tt.change(c)
				}
			}, sources.Env{Transport: named{sim}, Now: func() time.Time { return now }})
			var checker pipeline.Checker = s
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if got := table(checker.Check(ctx)); got != tt.want || strings.Contains(got, sent) {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestCheckOfAClosedSource(t *testing.T) {
	s := openSource(t, nil, sources.Env{Transport: answering(200, "")})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := table(s.Check(t.Context())); !strings.Contains(got, "fail reachable: the source is closed\n") {
		t.Error(got)
	}
}

func TestCheckSendsNoKeyOfTheWrongKind(t *testing.T) {
	asked := 0
	s := openSource(t, func(c *Config) { c.AdminKey = secret.Literal("sk-proj-hunter2") }, sources.Env{Transport: server(func(r *http.Request) (int, http.Header, string) {
		asked++
		if _, there := r.Header["Authorization"]; there {
			t.Errorf("sent %s", r.Header.Get("Authorization"))
		}
		return 401, nil, ""
	})})
	if s.Check(t.Context()); asked != 1 {
		t.Errorf("%d requests, want one to see whether the server can be reached", asked)
	}
}

func TestKeyRightsAreNotGuessed(t *testing.T) {
	for _, body := range []string{"<html>", "ok", `{"object":"list"}`, `{"data":7}`, ""} {
		s := openSource(t, nil, sources.Env{Transport: server(func(r *http.Request) (int, http.Header, string) {
			if strings.HasSuffix(r.URL.Path, pathAuditLogs) {
				return 200, nil, `{"data":[],"has_more":false}`
			}
			return 200, nil, body
		})})
		if got := table(s.Check(t.Context())); strings.Contains(got, "key rights") {
			t.Errorf("%s: %s", body, got)
		}
	}
}

func TestClockThatIsOffIsLoggedOnceAndWorkedAround(t *testing.T) {
	var logged bytes.Buffer
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	skew := time.Duration(0)
	s := openSource(t, nil, sources.Env{
		Logger: slog.New(slog.NewTextHandler(&logged, nil)), Now: func() time.Time { return now },
		Transport: server(func(*http.Request) (int, http.Header, string) {
			return 200, http.Header{"Date": {now.Add(skew).Format(http.TimeFormat)}}, `{"data":[],"has_more":false}`
		}),
	})
	for _, d := range []time.Duration{0, -2 * time.Hour, -2 * time.Hour, 2 * time.Hour, 20 * time.Second, 0} {
		skew = d
		page, err := s.Page(t.Context(), org(0, 0))
		if err != nil || !page.Now.Equal(now.Add(d)) {
			t.Errorf("%s: %v %v", d, page.Now, err)
		}
	}
	lines := strings.Split(strings.TrimSpace(logged.String()), "\n")
	for i, want := range []string{"ahead=2h0m0s", "ahead=-2h0m0s", "agrees with the server's again"} {
		if len(lines) != 3 || !strings.Contains(lines[i], want) || strings.Count(lines[i], "source=acme") != 1 {
			t.Fatalf("logged\n%s\nwant %s in line %d of 3", &logged, want, i)
		}
	}
}
