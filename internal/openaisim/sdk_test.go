package openaisim

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// sdk starts s and returns the official client for it.
func sdk(t *testing.T, s *Server, opts ...option.RequestOption) openai.Client {
	t.Helper()
	for _, name := range []string{"OPENAI_ADMIN_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS"} {
		t.Setenv(name, "")
	}
	addr, stop, err := s.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return openai.NewClient(append([]option.RequestOption{
		option.WithBaseURL("http://" + addr + "/v1/"), option.WithAdminAPIKey(DefaultAdminKey), option.WithMaxRetries(0),
		option.WithHTTPClient(&http.Client{Transport: transport}),
	}, opts...)...)
}

// pager collects the ids that the SDK's own pager gets.
func pager(t *testing.T, c openai.Client, params openai.AdminOrganizationAuditLogListParams) []string {
	t.Helper()
	var ids []string
	p := c.Admin.Organization.AuditLogs.ListAutoPaging(t.Context(), params)
	for p.Next() {
		ids = append(ids, p.Current().ID)
	}
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestSDKGetsEveryEvent(t *testing.T) {
	s := newServer(t, Config{Seed: 4, Events: 5000})
	c := sdk(t, s)
	middle := time.Now().AddDate(0, 0, -10)
	after := func(e *Event) bool { return e.EffectiveAt.Unix() >= middle.Unix() }
	organization := func(e *Event) bool { return !e.Organization.IsZero() }
	var person string
	for e := range s.Events() {
		var sdkEvent openai.AdminOrganizationAuditLogListResponse
		if sdkEvent.UnmarshalJSON(e.Body) == nil && sdkEvent.Actor.Session.User.Email != "" {
			person = sdkEvent.Actor.Session.User.Email
			break
		}
	}
	for name, test := range map[string]struct {
		params openai.AdminOrganizationAuditLogListParams
		want   func(e *Event) bool
	}{
		"organization, default limit": {openai.AdminOrganizationAuditLogListParams{}, organization},
		"organization, limit 100":     {openai.AdminOrganizationAuditLogListParams{Limit: openai.Int(100)}, organization},
		"tenant": {openai.AdminOrganizationAuditLogListParams{Limit: openai.Int(100), TenantOnly: openai.Bool(true)},
			func(e *Event) bool { return !e.Tenant.IsZero() }},
		"span": {openai.AdminOrganizationAuditLogListParams{Limit: openai.Int(100),
			EffectiveAt: openai.AdminOrganizationAuditLogListParamsEffectiveAt{Gte: openai.Int(middle.Unix())}},
			func(e *Event) bool { return organization(e) && after(e) }},
		"types": {openai.AdminOrganizationAuditLogListParams{Limit: openai.Int(50), EventTypes: []string{"login.failed", "api_key.created"}},
			func(e *Event) bool {
				return organization(e) && (e.Type == "login.failed" || e.Type == "api_key.created")
			}},
		"actor": {openai.AdminOrganizationAuditLogListParams{Limit: openai.Int(50), ActorEmails: []string{person}},
			func(e *Event) bool {
				var sdkEvent openai.AdminOrganizationAuditLogListResponse
				return organization(e) && sdkEvent.UnmarshalJSON(e.Body) == nil &&
					(sdkEvent.Actor.Session.User.Email == person || sdkEvent.Actor.APIKey.User.Email == person)
			}},
	} {
		t.Run(name, func(t *testing.T) { sameSet(t, pager(t, c, test.params), truth(s, test.want)) })
	}
}

func TestSDKReadsErrors(t *testing.T) {
	for name, test := range map[string]struct {
		key    string
		params openai.AdminOrganizationAuditLogListParams
		status int
		code   string
		param  string
	}{
		"wrong key": {key: "sk-admin-wrong", status: 401, code: "invalid_api_key"},
		"limit":     {params: openai.AdminOrganizationAuditLogListParams{Limit: openai.Int(101)}, status: 400, param: "limit"},
		"mixed types": {params: openai.AdminOrganizationAuditLogListParams{TenantOnly: openai.Bool(true), EventTypes: []string{"user.added"}},
			status: 400, param: "event_types"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := plain(t, Config{})
			var opts []option.RequestOption
			if test.key != "" {
				opts = append(opts, option.WithAdminAPIKey(test.key))
			}
			c := sdk(t, s, opts...)
			_, err := c.Admin.Organization.AuditLogs.List(t.Context(), test.params)
			var api *openai.Error
			if !errors.As(err, &api) {
				t.Fatalf("got %v, want an API error", err)
			}
			if api.StatusCode != test.status || api.Code != test.code || api.Param != test.param || api.Message == "" {
				t.Errorf("got %d %q %q %q", api.StatusCode, api.Code, api.Param, api.Message)
			}
			if api.Response.Header.Get("X-Request-Id") == "" {
				t.Error("no request id")
			}
		})
	}
	t.Run("without an admin key no key is sent", func(t *testing.T) {
		s, _ := plain(t, Config{})
		c := sdk(t, s, option.WithAdminAPIKey(""), option.WithAPIKey("sk-proj-x"))
		_, err := c.Admin.Organization.AuditLogs.List(t.Context(), openai.AdminOrganizationAuditLogListParams{})
		var api *openai.Error
		if !errors.As(err, &api) || api.StatusCode != 401 {
			t.Errorf("got %v, want 401", err)
		}
	})
}

// TestSDKSurvivesRealisticFaults lets the SDK retry what it retries; what it
// cannot read ends the listing with an error, never with a hole.
func TestSDKSurvivesRealisticFaults(t *testing.T) {
	faults := map[Fault]float64{FaultThrottledMillis: 0.1, FaultInternal: 0.05, FaultOverloaded: 0.05, FaultReset: 0.05, FaultSlow: 0.02}
	s := newServer(t, Config{Seed: 9, Events: 2000, Faults: Faults{Rates: faults, SlowFor: time.Millisecond}})
	c := sdk(t, s, option.WithMaxRetries(10), option.WithMiddleware(func(r *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		resp, err := next(r)
		if err == nil && resp.StatusCode >= 400 {
			resp.Header.Set("Retry-After-Ms", "1") // do not wait for the backoff
		}
		return resp, err
	}))
	got := pager(t, c, openai.AdminOrganizationAuditLogListParams{Limit: openai.Int(20)})
	sameSet(t, got, truth(s, func(e *Event) bool { return !e.Organization.IsZero() }))
	stats := s.Stats()
	for fault := range faults {
		if stats.Faults[fault] == 0 && fault != FaultSlow {
			t.Errorf("no %s in %s", fault, fmt.Sprint(stats))
		}
	}
}
