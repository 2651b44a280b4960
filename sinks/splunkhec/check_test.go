package splunkhec

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/secret"
	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/splunkhec/hectest"
)

func TestCheck(t *testing.T) {
	audit := func(c *Config) { c.Index = "main" }
	for _, tt := range []struct {
		name   string
		server hectest.Config
		change func(c *Config)
		want   string // name status, in order
	}{
		{"everything is right", hectest.Config{}, func(c *Config) { withAcks(c); withSearch(c); audit(c) },
			"reachable ok, clock ok, health ok, token ok, acknowledgement ok, search ok, version ok, index ok"},
		{"no acknowledgement, no search", hectest.Config{}, nil, "reachable ok, clock ok, health ok, token ok, acknowledgement warn, search warn"},
		{"an index that nobody can look up", hectest.Config{}, audit, "reachable ok, clock ok, health ok, token ok, acknowledgement warn, search warn, index warn"},
		{"ack off", hectest.Config{}, func(c *Config) { c.Ack = AckOff; withSearch(c) },
			"reachable ok, clock ok, health ok, token ok, acknowledgement ok, search ok, version ok"},
		{"ack on without", hectest.Config{}, func(c *Config) { c.Ack = AckOn }, "reachable ok, clock ok, health ok, token ok, acknowledgement fail, search warn"},
		{"ack off, and the token has it", hectest.Config{}, func(c *Config) { withAcks(c); c.Ack = AckOff }, "reachable ok, clock ok, health ok, token ok, acknowledgement ok, search warn"},
		{"unknown token", hectest.Config{}, func(c *Config) { c.Token = secret.Literal("99999999-1111-2222-3333-444444444444") },
			"reachable ok, clock ok, health fail, token fail, search warn"},
		{"disabled token", hectest.Config{Tokens: map[string]hectest.Token{hectest.DefaultToken: {Disabled: true}}}, nil, "reachable ok, clock ok, health fail, token fail, search warn"},
		{"unhealthy", hectest.Config{Health: 18}, nil, "reachable ok, clock ok, health fail, token ok, acknowledgement warn, search warn"},
		{"near capacity", hectest.Config{Health: 24}, nil, "reachable ok, clock ok, health warn, token ok, acknowledgement warn, search warn"},
		{"clocks an hour apart", hectest.Config{Now: func() time.Time { return time.Now().Add(-time.Hour) }}, nil,
			"reachable ok, clock warn, health ok, token ok, acknowledgement warn, search warn"},
		{"an index that is not there", hectest.Config{}, func(c *Config) { withSearch(c); c.Index = "nowhere" },
			"reachable ok, clock ok, health ok, token ok, acknowledgement warn, search ok, version ok, index fail"},
		{"a search token that is not let in", hectest.Config{SearchToken: "another"}, withSearch, "reachable ok, clock ok, health ok, token ok, acknowledgement warn, search fail"},
	} {
		server := newServer(tt.server)
		s := open(t, server, testConfig(tt.change))
		var got []string
		for _, f := range s.Check(t.Context()) {
			got = append(got, f.Name+" "+f.Status)
			if strings.Contains(fmt.Sprint(f), hectest.DefaultToken) || f.Detail == "" || f.Status != good && f.Hint == "" && !strings.Contains(f.Detail, ";") && !strings.Contains(f.Detail, "HTTP") {
				t.Errorf("%s: %+v", tt.name, f)
			}
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s: %s\nwant %s", tt.name, strings.Join(got, ", "), tt.want)
		}
		if len(server.Events()) > 0 {
			t.Errorf("%s: it wrote events", tt.name)
		}
		s.Close()
	}
	s := open(t, hosts{}, testConfig(nil))
	defer s.Close()
	if f := s.Check(t.Context()); len(f) != 2 || f[0].Name != "reachable" || f[0].Status != fail {
		t.Errorf("nobody there: %+v", f)
	}
	several := open(t, hosts{"a": newServer(hectest.Config{})}, testConfig(func(c *Config) { c.URL, c.URLs = "", []string{"http://a", "http://b"} }))
	defer several.Close()
	if f := fmt.Sprint(several.Check(t.Context())); !strings.Contains(f, "{reachable [0] ok") || !strings.Contains(f, "{reachable [1] fail") {
		t.Errorf("several: %s", f)
	}
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(c *Config)
		want   string // "": nothing
	}{
		{"as it should be", func(c *Config) { c.URL = "https://hec:8088" }, ""},
		{"with a search", func(c *Config) { c.URL = "https://hec:8088"; withSearch(c); c.Search.URL = "https://s:8089" }, ""},
		{"local and plain", func(c *Config) { c.URL = "http://127.0.0.1:8088" }, ""},
		{"plain", func(c *Config) { c.URL = "http://hec:8088" }, "url: events and the token cross the network in the clear"},
		{"no url", func(c *Config) { c.URL = "" }, "url: is missing"},
		{"both", func(c *Config) { c.URLs = []string{"https://a"} }, "urls: is set beside url"},
		{"a bad one of several", func(c *Config) { c.URL, c.URLs = "", []string{"https://a", "b"} }, `urls[1]: "b" is not an address`},
		{"a password", func(c *Config) { c.URL = "https://u:p@hec" }, "url: must not contain a user or password"},
		{"too far", func(c *Config) { c.URL = "https://hec:8088/services/collector" }, `url: "https://hec:8088/services/collector" goes too far`},
		{"a query", func(c *Config) { c.URL = "https://hec:8088?token=x" }, "url: must not contain a query or fragment"},
		{"no token", func(c *Config) { c.URL = "https://hec"; c.Token = secret.String{} }, "token: is missing"},
		{"index", func(c *Config) { c.URL = "https://hec"; c.Index = `a" OR index="*` }, `index: "a\" OR index=\"*" is no name of an index`},
		{"schema", func(c *Config) { c.URL = "https://hec"; c.Schema = "xml" }, `schema: unknown schema "xml"`},
		{"another schema", func(c *Config) { c.URL = "https://hec"; c.Schema = "ecs" }, "schema: the app does not know what ecs looks like"},
		{"ack_timeout", func(c *Config) { c.URL = "https://hec"; c.AckTimeout = 0 }, "ack_timeout: 0s is too short"},
		{"small", func(c *Config) { c.URL = "https://hec"; c.MaxContentLength = 1000 }, "max_content_length: 1KB"},
		{"large", func(c *Config) { c.URL = "https://hec"; c.MaxContentLength = 10e6 }, "max_content_length: Splunk Cloud refuses"},
		{"search without a token", func(c *Config) { c.URL = "https://hec"; c.Search.URL = "https://s:8089" }, "search.token: is missing"},
		{"search without a url", func(c *Config) { c.URL = "https://hec"; c.Search.Token = secret.Literal("x") }, "search.url: is missing"},
		{"settle", func(c *Config) { c.URL = "https://hec"; withSearch(c); c.Search.URL = "https://s"; c.Search.Settle = 0 }, "search.settle: 0s is too short"},
		{"tls", func(c *Config) { c.URL = "https://hec"; c.TLS.CertFile = "a" }, "tls: tls: cert_file and key_file belong together"},
	} {
		var got []string
		for _, err := range validate(testConfig(tt.change)) {
			got = append(got, err.Error())
		}
		text := strings.Join(got, "; ")
		if len(got) > 1 || tt.want == "" && text != "" || !strings.HasPrefix(text, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, text, tt.want)
		}
	}
}

func TestAckIsReadAsOtherSwitchesAre(t *testing.T) {
	for text, want := range map[string]Ack{"auto": AckAuto, "on": AckOn, "true": AckOn, "off": AckOff, "false": AckOff} {
		var a Ack
		if err := a.UnmarshalScalar(text); err != nil || a != want {
			t.Errorf("%s: %s, %v", text, a, err)
		}
	}
	if err := new(Ack).UnmarshalScalar("maybe"); err == nil {
		t.Error("maybe: accepted")
	}
}

func TestGuaranteeSaysWhatItDependsOn(t *testing.T) {
	for _, tt := range []struct {
		change func(c *Config)
		words  []string
	}{
		{nil, []string{"dedup event_id", "may be there twice", "if the token has indexer acknowledgement"}},
		{withSearch, []string{"repeated only if it can be found later than 5m0s"}},
		{func(c *Config) { c.Ack = AckOff }, []string{"taken, not indexed", "ack: off"}},
		{func(c *Config) { c.Ack = AckOn }, []string{"events count when they are indexed"}},
	} {
		g, conditions := guarantee(testConfig(tt.change))
		for _, w := range tt.words {
			if g != pipeline.AtLeastOnce || !strings.Contains(strings.Join(conditions, "\n"), w) {
				t.Errorf("%s, %q: want %q", g, conditions, w)
			}
		}
	}
}
