package elasticsearch

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"auditlog-connector/internal/secret"
	"auditlog-connector/pipeline"
)

// answers is a server with one answer per method and path.
func answers(a map[string]string) roundTrip {
	return func(r *http.Request) *http.Response {
		w := httptest.NewRecorder()
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		body, ok := a[r.Method+" "+r.URL.Path]
		if status := 0; ok && len(body) == 3 {
			fmt.Sscan(body, &status)
			failWith(w, status, "security_exception")
		} else if ok {
			fmt.Fprint(w, body)
		} else {
			failWith(w, http.StatusNotFound, "resource_not_found_exception")
		}
		return w.Result()
	}
}

func TestCheckFindings(t *testing.T) {
	const (
		root     = "GET /"
		asked    = "POST /_security/user/_has_privileges"
		ours     = "GET /_index_template/connector-audit-openai"
		all      = "GET /_index_template"
		settings = "GET /audit-openai-*/_settings/index.translog.durability"
	)
	healthy := map[string]string{
		root:  `{"version":{"number":"9.5.3"}}`,
		asked: `{"cluster":{"manage_index_templates":true},"index":{"audit-openai-*":{"create_doc":true,"auto_configure":true}}}`,
		ours:  `{"index_templates":[{"name":"connector-audit-openai","index_template":{"version":1,"_meta":{"managed_by":"auditlog-connector","schema":"ecs"}}}]}`,
	}
	with := func(more map[string]string) map[string]string {
		a := make(map[string]string)
		for _, m := range []map[string]string{healthy, more} {
			for k, v := range m {
				a[k] = v
			}
		}
		return a
	}
	for name, tc := range map[string]struct {
		more                map[string]string
		change              func(c *Config)
		name, status, words string
	}{
		"elasticsearch":         {nil, nil, "version", good, "Elasticsearch 9.5.3"},
		"opensearch":            {map[string]string{root: `{"version":{"distribution":"opensearch","number":"3.4.0"}}`}, nil, "version", good, "OpenSearch 3.4.0"},
		"old":                   {map[string]string{root: `{"version":{"number":"7.10.2"}}`}, nil, "version", warn, "7.10.2"},
		"something else":        {map[string]string{root: `<html>`}, nil, "version", fail, "not an answer"},
		"version not shown":     {map[string]string{root: "403"}, nil, "version", warn, "403"},
		"wrong key":             {map[string]string{root: "401"}, nil, "credentials", fail, "401"},
		"privileges":            {nil, nil, "privileges", good, "all"},
		"privilege missing":     {map[string]string{asked: `{"cluster":{"manage_index_templates":false},"index":{"audit-openai-*":{"create_doc":true,"auto_configure":false}}}`}, nil, "privileges", fail, "auto_configure, manage_index_templates"},
		"nobody":                {nil, func(c *Config) { c.APIKey = secret.String{} }, "privileges", warn, "everybody"},
		"template":              {nil, nil, "index template", good, "version 1"},
		"template of others":    {map[string]string{ours: `{"index_templates":[{"index_template":{"version":9}}]}`}, nil, "index template", warn, "somebody else's"},
		"template refused":      {map[string]string{ours: "403"}, nil, "index template", fail, "cannot be looked at"},
		"no template wanted":    {map[string]string{ours: `{"index_templates":[]}`}, func(c *Config) { c.InstallTemplate = false }, "index template", warn, "is not there"},
		"template conflict":     {map[string]string{all: `{"index_templates":[{"name":"big","index_template":{"index_patterns":["audit-*"],"priority":500}}]}`}, nil, "template conflict", warn, "big"},
		"durability":            {nil, nil, "durability", good, ""},
		"durability async":      {map[string]string{settings: `{"audit-openai-2026.11":{"settings":{"index.translog.durability":"async"}}}`}, nil, "durability", warn, "audit-openai-2026.11"},
		"durability not shown":  {map[string]string{settings: "403"}, nil, "durability", warn, "cannot be looked at"},
		"stream":                {nil, withStream, "data stream", good, "not there yet"},
		"stream cannot be read": {map[string]string{"GET /_data_stream/" + testStream: "403"}, withStream, "data stream", fail, "cannot be looked at"},
	} {
		k := open(t, answers(with(tc.more)), func(c *Config) {
			c.APIKey = secret.Literal("c2VjcmV0")
			if tc.change != nil {
				tc.change(c)
			}
		})
		findings := k.Check(t.Context())
		i := slices.IndexFunc(findings, func(f pipeline.Finding) bool { return f.Name == tc.name })
		if i < 0 || findings[i].Status != tc.status || !strings.Contains(findings[i].Detail, tc.words) {
			t.Errorf("%s: want %s %s %q in %+v", name, tc.name, tc.status, tc.words, findings)
		}
		for _, f := range findings {
			if strings.Contains(f.Detail+f.Hint, "secret words") || strings.Contains(f.Detail, "c2VjcmV0") {
				t.Errorf("%s: %+v shows too much", name, f)
			}
			if tc.name != f.Name && f.Status == fail {
				t.Errorf("%s: %+v fails as well", name, f)
			}
		}
	}
}
