package openaisim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name          string
		cfg           Config
		method, path  string
		key           string
		status        int
		code, param   string
		bare          bool
		message       string
		header, value string
	}{
		{name: "no key", key: "-", status: 401, message: "provide an API key"},
		{name: "wrong admin key", key: "sk-admin-other", status: 401, code: "invalid_api_key"},
		{name: "project key", key: "sk-proj-abc", status: 401, bare: true, message: "Missing scopes: api.audit_logs.read"},
		{name: "key is not echoed", key: "sk-admin-hidden", status: 401, message: "Incorrect API key provided."},
		{name: "key is echoed", cfg: Config{EchoKey: true}, key: "sk-admin-shown", status: 401, message: "sk-admin-shown"},
		{name: "other path", path: "/v1/organization/users", status: 404, message: "Invalid URL"},
		{name: "trailing slash", path: Path + "/", status: 404},
		{name: "other method", method: http.MethodPost, status: 405, header: "Allow", value: "GET"},
		{name: "limit 0", path: "?limit=0", status: 400, param: "limit"},
		{name: "limit 101", path: "?limit=101", status: 400, param: "limit"},
		{name: "limit text", path: "?limit=ten", status: 400, param: "limit"},
		{name: "limit twice", path: "?limit=1&limit=2", status: 400, param: "limit"},
		{name: "time text", path: "?effective_at[gte]=today", status: 400, param: "effective_at"},
		{name: "time fraction", path: "?effective_at[gte]=1.5", status: 400, param: "effective_at"},
		{name: "tenant_only text", path: "?tenant_only=yes", status: 400, param: "tenant_only"},
		{name: "empty cursor", path: "?after=", status: 400, param: "after"},
		{name: "broken escape", path: "?after=%25zz;", status: 400},
		{name: "type that is not the tenant's", path: "?tenant_only=true&event_types[]=tenant.user.added&event_types[]=user.added", status: 400, param: "event_types"},
		{name: "unknown parameter", cfg: Config{RejectUnknown: true}, path: "?event_types=a", status: 400, param: "event_types"},
		{name: "order is unknown", cfg: Config{RejectUnknown: true}, path: "?order=asc", status: 400, param: "order"},
		{name: "order is neither", cfg: Config{Order: OrderHonoured}, path: "?order=up", status: 400, param: "order"},
		{name: "unknown cursor", path: "?after=audit_log-none", status: 400, param: "after"},
		{name: "unknown before", path: "?before=audit_log-none", status: 400, param: "before"},
		{name: "unknown cursor 404", cfg: Config{UnknownCursor: CursorNotFound}, path: "?after=audit_log-none", status: 404},
		{name: "logging off", cfg: Config{Logging: LoggingOffError}, status: 403},
		{name: "revoked", cfg: Config{Refuse: RefuseKey}, status: 401, code: "invalid_api_key"},
		{name: "not a member", cfg: Config{Refuse: RefuseMember}, status: 401},
		{name: "another organization", cfg: Config{Refuse: RefuseMismatch}, status: 401, code: "mismatched_organization"},
		{name: "address", cfg: Config{Refuse: RefuseIP}, status: 401, message: "IP not authorized"},
		{name: "scope", cfg: Config{Refuse: RefuseScope}, status: 401, bare: true},
		{name: "scope as 403", cfg: Config{Refuse: RefuseScope403}, status: 403, message: "Missing scopes"},
		{name: "country", cfg: Config{Refuse: RefuseCountry}, status: 403},
		{name: "quota", cfg: Config{Refuse: RefuseQuota}, status: 429, code: "insufficient_quota", header: "Retry-After"},
		{name: "tenant refused", cfg: Config{RefuseTenant: RefuseScope403}, path: "?tenant_only=true", status: 403},
		{name: "tenant 401", cfg: Config{RefuseTenant: RefuseScope}, path: "?tenant_only=true", status: 401, bare: true},
		{name: "tenant 400", cfg: Config{RefuseTenant: RefuseBadRequest}, path: "?tenant_only=true", status: 400},
		{name: "tenant 404", cfg: Config{RefuseTenant: RefuseNotFound}, path: "?tenant_only=true", status: 404},
		{name: "users, unknown", path: "/v1/organization/users", status: 404},
		{name: "users, not allowed", cfg: Config{KeyRights: RightsAuditLogs}, path: "/v1/organization/users", status: 403, message: "Missing scopes"},
		{name: "keys, not allowed", cfg: Config{KeyRights: RightsAuditLogs}, path: "/v1/organization/admin_api_keys", status: 403, message: "Missing scopes"},
		{name: "users, wrong key", cfg: Config{KeyRights: RightsAll}, key: "sk-admin-other", path: "/v1/organization/users", status: 401, code: "invalid_api_key"},
		{name: "organization refused", cfg: Config{RefuseOrganization: RefuseScope403}, status: 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := plain(t, c.cfg)
			method, path, key := c.method, c.path, c.key
			if method == "" {
				method = http.MethodGet
			}
			if path == "" || path[0] == '?' {
				path = Path + path
			}
			switch key {
			case "":
				key = DefaultAdminKey
			case "-":
				key = ""
			}
			r := request(t, s, method, path, key)
			if r.status != c.status || r.header.Get("Content-Type") != "application/json" {
				t.Fatalf("got %d %s: %s, want %d", r.status, r.header.Get("Content-Type"), r.body, c.status)
			}
			message := r.err.Error.Message
			if c.bare {
				var bare struct{ Error string }
				if err := json.Unmarshal(r.body, &bare); err != nil {
					t.Fatalf("not a bare string: %s", r.body)
				}
				message = bare.Error
			} else if r.err.Error.Type == "" {
				t.Errorf("no type: %s", r.body)
			}
			if !strings.Contains(message, c.message) {
				t.Errorf("got message %q, want %q in it", message, c.message)
			}
			if !c.cfg.EchoKey && key != "" && strings.Contains(string(r.body), key) {
				t.Errorf("the key is in the body: %s", r.body)
			}
			for _, f := range []struct {
				got  *string
				want string
			}{{r.err.Error.Code, c.code}, {r.err.Error.Param, c.param}} {
				if f.want != "" && (f.got == nil || *f.got != f.want) {
					t.Errorf("got %s, want %q in it", r.body, f.want)
				}
			}
			if c.header != "" && r.header.Get(c.header) != c.value {
				t.Errorf("got %s: %q, want %q", c.header, r.header.Get(c.header), c.value)
			}
		})
	}
}

func TestToleratedRequests(t *testing.T) {
	s, _ := plain(t, Config{})
	ids := publish(t, s, 1, 2, 3)
	for _, query := range []string{"", "event_types=none&order=asc&effective_at[foo]=x", "tenant_only=false", "limit=100"} {
		sameSet(t, get(t, s, query).ids(t), ids)
	}
	if err := s.Update(func(c *Config) { c.TenantIgnored = true }); err != nil {
		t.Fatal(err)
	}
	sameSet(t, get(t, s, "tenant_only=true").ids(t), ids)
	if err := s.Update(func(c *Config) { c.UnknownCursor = CursorEmpty }); err != nil {
		t.Fatal(err)
	}
	if r := get(t, s, "after=none"); len(r.ids(t)) != 0 || *r.page.HasMore {
		t.Errorf("got %s, want an empty page", r.body)
	}
	if err := s.Update(func(c *Config) { c.Logging = LoggingOffEmpty }); err != nil {
		t.Fatal(err)
	}
	if r := get(t, s, ""); len(r.ids(t)) != 0 {
		t.Errorf("got %s, want an empty page", r.body)
	}
}

func TestEnvelope(t *testing.T) {
	s, _ := plain(t, Config{})
	if got, want := string(get(t, s, "").body), `{"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	e, err := s.Publish(Event{ID: "a", Body: []byte(`{"id": "a" }`)}, Event{ID: "b", EffectiveAt: noon.Add(-time.Second), Body: []byte(`{"id":"b"}`)})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(get(t, s, "limit=1").body), `{"object":"list","data":[`+string(e[0].Body)+`],"first_id":"a","last_id":"a","has_more":true}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := len(get(t, s, "").ids(t)); got != 2 {
		t.Errorf("got %d entries, want 2", got)
	}
	if err := s.Update(func(c *Config) { c.BareEnvelope = true }); err != nil {
		t.Fatal(err)
	}
	if got, want := string(get(t, s, "effective_at[gt]=9999999999").body), `{"data":[],"has_more":false}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDefaultLimit(t *testing.T) {
	s, _ := plain(t, Config{Events: 200})
	if got := len(get(t, s, "").ids(t)); got != 20 {
		t.Errorf("got %d entries, want 20", got)
	}
}

func TestFilters(t *testing.T) {
	s, _ := plain(t, Config{Events: 3000})
	type wanted struct {
		pass  func(e *Event, p *parts) bool
		query string
	}
	var project, user, key, account, email, resource string
	parse := func(e *Event) *parts {
		var p parts
		_ = json.Unmarshal(e.Body, &p)
		return &p
	}
	for e := range s.Events() {
		if e.Organization.IsZero() {
			continue
		}
		p := parse(&e)
		if p.Project.ID != "" {
			project = p.Project.ID
		}
		if u := p.Actor.Session.User; u.ID != "" {
			user, email = u.ID, u.Email
		}
		if k := p.Actor.APIKey; k.ID != "" {
			key = k.ID
			if k.ServiceAccount.ID != "" {
				account = k.ServiceAccount.ID
			}
		}
		if ids := resources(e.Body, e.Type); len(ids) > 1 {
			resource = ids[len(ids)-1]
		}
	}
	for name, c := range map[string]wanted{
		"project": {func(_ *Event, p *parts) bool { return p.Project.ID == project }, "project_ids[]=" + project + "&project_ids[]=proj_other"},
		"user": {func(_ *Event, p *parts) bool {
			return p.Actor.Session.User.ID == user || p.Actor.APIKey.User.ID == user
		}, "actor_ids[]=" + user},
		"key":     {func(_ *Event, p *parts) bool { return p.Actor.APIKey.ID == key }, "actor_ids[]=" + key},
		"account": {func(_ *Event, p *parts) bool { return p.Actor.APIKey.ServiceAccount.ID == account }, "actor_ids[]=" + account},
		"email": {func(_ *Event, p *parts) bool {
			return p.Actor.Session.User.Email == email || p.Actor.APIKey.User.Email == email
		}, "actor_emails[]=" + email},
		"resource": {func(e *Event, _ *parts) bool {
			return slices.Contains(resources(e.Body, e.Type), resource)
		}, "resource_ids[]=" + resource},
		"two filters": {func(e *Event, p *parts) bool {
			return e.Type == "login.succeeded" && p.Actor.Session.User.ID == user
		}, "event_types[]=login.succeeded&actor_ids[]=" + user},
		"unknown type": {func(*Event, *parts) bool { return false }, "event_types[]=never.seen"},
	} {
		t.Run(name, func(t *testing.T) {
			want := truth(s, func(e *Event) bool { return !e.Organization.IsZero() && c.pass(e, parse(e)) })
			if len(want) == 0 && name != "unknown type" {
				t.Fatal("nothing to find")
			}
			r := all(t, s, "limit=100&"+c.query, nil)
			sameSet(t, idsOf(r), want)
		})
	}
	t.Run("escaped body", func(t *testing.T) {
		if _, err := s.Publish(Event{ID: "esc", Body: []byte(`{"id":"esc","type":"x","project":{"id":"proj\u005fesc"},"x":{"id":"r\u0031"}}`)}); err != nil {
			t.Fatal(err)
		}
		sameSet(t, get(t, s, "project_ids[]=proj_esc&resource_ids[]=r1").ids(t), []string{"esc"})
	})
}

func TestHeaders(t *testing.T) {
	s, _ := plain(t, Config{DateSkew: -2 * time.Hour})
	r := get(t, s, "")
	if got, want := r.header.Get("Date"), noon.Add(-2*time.Hour).Format(http.TimeFormat); got != want {
		t.Errorf("got date %s, want %s", got, want)
	}
	for _, name := range []string{"X-Request-Id", "Openai-Version", "Openai-Processing-Ms", "Openai-Organization"} {
		if r.header.Get(name) == "" {
			t.Errorf("no %s", name)
		}
	}
	if r.header.Get("X-Request-Id") == get(t, s, "").header.Get("X-Request-Id") {
		t.Error("two requests have one id")
	}
	if err := s.Update(func(c *Config) { c.NoDate = true }); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "").header.Get("Date"); got != "" {
		t.Errorf("got date %s, want none", got)
	}
}

func TestRateLimit(t *testing.T) {
	s, c := plain(t, Config{RateLimit: 3})
	for _, step := range []struct {
		wait time.Duration
		want int
	}{{0, 200}, {0, 200}, {0, 200}, {0, 429}, {400 * time.Millisecond, 200}, {0, 429}, {time.Hour, 200}} {
		c.Add(step.wait)
		if r := get(t, s, ""); r.status != step.want || r.status == 429 && r.header.Get("Retry-After") != "1" {
			t.Errorf("after %v: got %d, want %d", step.wait, r.status, step.want)
		}
	}
}

func TestHooksSeeEveryRequest(t *testing.T) {
	var before, after atomic.Int64
	var s *Server
	cfg := Config{Seed: 1, Faults: Faults{Script: map[int]Fault{2: FaultReset, 3: FaultResetBody}}}
	cfg.OnRequest = func(n int, _ *http.Request) {
		before.Add(int64(n))
		if n == 4 { // a hook may change the world for its own request
			if err := s.Update(func(c *Config) { c.Refuse = RefuseKey }); err != nil {
				t.Error(err)
			}
		}
	}
	cfg.OnAnswer = func(n int, _ *http.Request) { after.Add(int64(n)) }
	s = newServer(t, cfg)
	statuses := make([]int, 0, 4)
	for range 4 {
		statuses = append(statuses, get(t, s, "").status)
	}
	if before.Load() != 10 || after.Load() != 10 {
		t.Errorf("got sums %d and %d, want 10", before.Load(), after.Load())
	}
	if want := []int{200, 0, 200, 401}; !slices.Equal(statuses, want) {
		t.Errorf("got %v, want %v", statuses, want)
	}
}

func TestKeyWithAllRightsListsTheAdministration(t *testing.T) {
	s, _ := plain(t, Config{KeyRights: RightsAll})
	for _, path := range []string{"/v1/organization/users", "/v1/organization/admin_api_keys"} {
		r := request(t, s, http.MethodGet, path+"?limit=1", DefaultAdminKey)
		var list struct{ Data []struct{ Object string } }
		if err := json.Unmarshal(r.body, &list); err != nil || r.status != 200 || len(list.Data) != 1 || list.Data[0].Object == "" {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
}

func TestConfigIsValidated(t *testing.T) {
	for name, cfg := range map[string]Config{
		"events":    {Events: -1},
		"share":     {Late: 1.1},
		"rate":      {Rate: -1},
		"duration":  {Latency: -1},
		"times":     {From: noon, To: noon.Add(-1)},
		"from only": {From: time.Now().Add(time.Hour)},
		"years":     {From: time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), To: noon},
		"order":     {Order: "sideways"},
		"refusal":   {RefuseTenant: "mood"},
		"rights":    {KeyRights: "some"},
		"fault":     {Faults: Faults{Rates: map[Fault]float64{"nonsense": 0.1}}},
		"sum":       {Faults: Faults{ErrorRate: 0.6, Rates: map[Fault]float64{FaultReset: 0.6}}},
		"script":    {Faults: Faults{Script: map[int]Fault{1: "nonsense"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if s, err := New(cfg); err == nil || s != nil {
				t.Error("was taken")
			}
		})
	}
	s, _ := plain(t, Config{})
	if err := s.Update(func(c *Config) { c.TieOrder = TieChanging }); err == nil {
		t.Error("an order that is fixed was changed")
	}
	if err := s.Update(func(c *Config) { c.Late = 2; c.Refuse = RefuseKey }); err == nil || get(t, s, "").status != 200 {
		t.Error("a bad change was made")
	}
}

func TestKeysRotate(t *testing.T) {
	s, _ := plain(t, Config{AdminKey: "sk-admin-old"})
	status := func(key string) int { return request(t, s, http.MethodGet, Path, key).status }
	if status("sk-admin-old") != 200 || status(DefaultAdminKey) != 401 {
		t.Error("the configured key is not the only one")
	}
	if err := s.Update(func(c *Config) { c.AdminKey = "sk-admin-new" }); err != nil {
		t.Fatal(err)
	}
	if status("sk-admin-old") != 401 || status("sk-admin-new") != 200 {
		t.Error("the new key is not the only one")
	}
}
