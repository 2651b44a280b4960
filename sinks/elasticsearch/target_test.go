package elasticsearch

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/strictyaml"
)

func TestIndexFollowsFromTheEventsDate(t *testing.T) {
	for _, tc := range []struct{ place, at, want string }{
		{"audit-openai-%{month}", "2026-11-30T23:59:59Z", "audit-openai-2026.11"},
		{"audit-openai-%{month}", "2026-11-30T23:59:59-01:00", "audit-openai-2026.12"},
		{"audit-%{date}-x", "2026-02-01T00:00:00Z", "audit-2026.02.01-x"},
		{"%{date}", "1969-12-31T23:59:59Z", "1969.12.31"},
		{"a%{month}", "0001-01-01T00:00:00Z", "a0001.01"},
		{"a%{month}", "9999-12-31T23:59:59Z", "a9999.12"},
		{"one", "2026-02-01T00:00:00Z", "one"},
		{"data_stream:logs-openai.audit-default", "2026-02-01T00:00:00Z", "logs-openai.audit-default"},
	} {
		target, err := parseTarget(tc.place)
		if err != nil {
			t.Errorf("%s: %v", tc.place, err)
			continue
		}
		at, err := time.Parse(time.RFC3339, tc.at)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second is remembered
			if got := target.index(at); got != tc.want {
				t.Errorf("%s of %s: %s, want %s", tc.place, tc.at, got, tc.want)
			}
		}
		if got := target.index(at.AddDate(0, 0, 1)); strings.Contains(tc.place, "date}") && got == tc.want {
			t.Errorf("%s: a day later the same index", tc.place)
		}
	}
}

func TestPlacesThatAreNone(t *testing.T) {
	for _, place := range []string{
		"", "Upper", "-a", "_a", "+a", ".a", "a b", "a,b", "a/b", "a*", "a:b", "ä", "a%{month", "%{year}", "a#b", "data_stream:", "data_stream:a*",
		strings.Repeat("a", 256), "%{month}" + strings.Repeat("a", 250),
	} {
		if _, err := parseTarget(place); err == nil {
			t.Errorf("%q: no error", place)
		}
	}
}

func TestWhichIndexHoldsADocument(t *testing.T) {
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		place, index string
		want         bool
	}{
		{"a-%{month}", "a-2026.11", true},
		{"a-%{month}", "a-2026.12", false},
		{"a-%{month}", "", false},
		{"data_stream:logs-a-b", ".ds-logs-a-b-000001", true},
		{"data_stream:logs-a-b", ".ds-logs-a-b-2026.11.22-000001", true},
		{"data_stream:logs-a-b", ".ds-logs-a-b-c-000001", false},
		{"data_stream:logs-a-b", ".fs-logs-a-b-2026.11.22-000001", false},
		{"data_stream:logs-a-b", "logs-a-b", false},
	} {
		target, err := parseTarget(tc.place)
		if err != nil {
			t.Fatal(err)
		}
		if got := target.holds(tc.index, at); got != tc.want {
			t.Errorf("%s holds %s: %t", tc.place, tc.index, got)
		}
	}
}

func TestTemplateNamesAndPatterns(t *testing.T) {
	for place, want := range map[string][2]string{
		"audit-openai-%{month}":                 {"connector-audit-openai", "audit-openai-*"},
		"audit.%{date}":                         {"connector-audit", "audit.*"},
		"one":                                   {"connector-one", "one"},
		"data_stream:logs-openai.audit-default": {"connector-logs-openai.audit-default", "logs-openai.audit-default"},
	} {
		target, err := parseTarget(place)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]string{target.templateName(), target.pattern()}; got != want {
			t.Errorf("%s: %q, want %q", place, got, want)
		}
		if !glob(target.pattern(), target.index(time.Now())) {
			t.Errorf("%s: its pattern does not match its index", place)
		}
	}
}

func TestTemplateMapsEveryFieldOnce(t *testing.T) {
	for _, schema := range []string{"ecs", "normalized", "ocsf", "cim", "raw"} {
		target, err := parseTarget("a-%{month}")
		if err != nil {
			t.Fatal(err)
		}
		var body struct {
			Version  int
			Priority int
			Template struct {
				Mappings struct {
					DateDetection *bool `json:"date_detection"`
					Properties    map[string]any
				}
			}
		}
		if err := json.Unmarshal(templateBody(target, schema), &body); err != nil {
			t.Fatal(err)
		}
		m := body.Template.Mappings
		if body.Version != templateVersion || m.DateDetection == nil || *m.DateDetection || len(m.Properties) == 0 {
			t.Errorf("%s: %+v", schema, body)
		}
	}
}

func TestCloudID(t *testing.T) {
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for id, want := range map[string]string{
		"prod:" + encode("eu.example.com$abc$def"):           "https://abc.eu.example.com:443",
		"prod:" + encode("eu.example.com:9243$abc$def"):      "https://abc.eu.example.com:9243",
		"prod:" + encode("eu.example.com:9243$abc:9244$def"): "https://abc.eu.example.com:9244",
		encode("eu.example.com$abc"):                         "https://abc.eu.example.com:443",
		"prod:" + encode("eu.example.com"):                   "",
		"prod:" + encode("eu.example.com/x$abc$"):            "",
		"prod:!": "",
		"":       "",
	} {
		got, err := cloudURL(id)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v; want %q", id, got, err, want)
		}
	}
}

func TestConfigurationIsRead(t *testing.T) {
	for name, tc := range map[string]struct{ yaml, problem string }{
		"least":                   {"{urls: ['https://a:9200']}", ""},
		"nothing":                 {"{}", "urls: is missing"},
		"both addresses":          {"{urls: ['https://a'], cloud_id: 'x:ZXUuZXhhbXBsZS5jb20kYWJjJGRlZg=='}", "cloud_id: is set beside urls"},
		"cloud":                   {"{cloud_id: 'x:ZXUuZXhhbXBsZS5jb20kYWJjJGRlZg=='}", ""},
		"bad cloud":               {"{cloud_id: 'x:y'}", "cloud_id: is not a cloud id"},
		"password in the address": {"{urls: ['https://u:secret@a:9200']}", "urls[0]: must not contain a user or password"},
		"too far":                 {"{urls: ['https://a/_bulk']}", "goes too far"},
		"two targets":             {"{urls: ['https://a'], index: a, data_stream: logs-a-b}", "is set beside index"},
		"bad index":               {"{urls: ['https://a'], index: 'A-%{month}'}", "must be lower case"},
		"bad placeholder":         {"{urls: ['https://a'], index: 'a-%{year}'}", "%{year} is unknown"},
		"stream of another kind":  {"{urls: ['https://a'], data_stream: logs-openai.audit-x, schema: ocsf}", "needs @timestamp"},
		"unknown schema":          {"{urls: ['https://a'], schema: xml}", "unknown schema"},
		"key and password":        {"{urls: ['https://a'], api_key: '${env:K}', username: u, password: '${env:P}'}", "api_key: is set beside"},
		"no password":             {"{urls: ['https://a'], username: u}", "password: is missing"},
		"no user":                 {"{urls: ['https://a'], password: '${env:P}'}", "username: is missing"},
		"colon":                   {"{urls: ['https://a'], username: 'u:v', password: '${env:P}'}", "cannot be sent"},
		"clear":                   {"{urls: ['http://a']}", "in the clear"},
		"no convention":           {"{urls: ['https://a'], data_stream: audit}", "not named as"},
	} {
		n, problems := strictyaml.Parse([]byte(tc.yaml))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		_, problems = Type.Decode(n, "", nil)
		var text strings.Builder
		for _, p := range problems {
			text.WriteString(p.String() + "\n")
		}
		if tc.problem == "" && text.Len() > 0 || !strings.Contains(text.String(), tc.problem) || strings.Contains(text.String(), "secret@") {
			t.Errorf("%s: %q, want %q", name, text.String(), tc.problem)
		}
	}
}
