package elasticsearch

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"auditlog-connector/internal/testserver"
	"auditlog-connector/schemas/ecs"
)

var update = flag.Bool("update", false, "rewrite the generated files of integrations/elastic")

const assets = "../../integrations/elastic"

// generated are the assets that follow from the mapping and from panels.
func generated(t *testing.T) map[string][]byte {
	t.Helper()
	object := func(v any) []byte {
		text, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		return append(text, '\n')
	}
	meta := map[string]any{"description": "OpenAI audit log, ECS " + ecs.Version}
	template := func(pattern string, stream bool) map[string]any {
		m := map[string]any{
			"index_patterns": []string{pattern}, "priority": templatePriority + 100, "version": templateVersion, "_meta": meta,
			"composed_of": []string{"openai-audit-mappings", "openai-audit-settings"},
		}
		if stream {
			m["data_stream"] = map[string]any{}
		}
		return m
	}
	return map[string][]byte{
		"component-mappings.json": object(map[string]any{"version": templateVersion, "_meta": meta, "template": map[string]any{"mappings": mappings("ecs", true)}}),
		"component-settings.json": object(map[string]any{"version": templateVersion, "_meta": meta, "template": map[string]any{
			"settings": map[string]any{"index.number_of_shards": 1, "index.codec": "best_compression", "index.translog.durability": "request"}}}),
		"index-template.json":  object(template("audit-openai-*", false)),
		"stream-template.json": object(template("logs-openai.audit-*", true)),
		"dashboard.ndjson":     dashboard(t),
	}
}

func TestAssetsFollowFromTheMapping(t *testing.T) {
	for name, want := range generated(t) {
		path := filepath.Join(assets, name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not up to date (%v): go test ./sinks/elasticsearch -run TestAssets -update", path, err)
		}
	}
}

// panel is one visualization: documents that query finds, counted by field.
type panel struct {
	id, title, kind, query, field string
	split                         string // of a histogram
	x, y, w, h                    int
}

var panels = []panel{
	{"events", "Events", "metric", "", "", "", 0, 0, 10, 8},
	{"failures", "Failures", "metric", "event.outcome: failure", "", "", 10, 0, 10, 8},
	{"over-time", "Events by severity", "histogram", "", "@timestamp", "openai.audit.severity", 20, 0, 28, 16},
	{"actions", "Actions", "table", "", "event.action", "", 0, 8, 20, 16},
	{"actors", "Actors", "table", "", "user.name", "", 0, 24, 16, 14},
	{"addresses", "Addresses", "table", "", "source.ip", "", 16, 24, 16, 14},
	{"failed-logins", "Failed sign-ins by user", "table", "event.action: login.failed", "user.name", "", 32, 24, 16, 14},
	{"projects", "Projects", "table", "", "cloud.project.name", "", 20, 16, 14, 8},
	{"countries", "Countries", "table", "", "source.geo.country_iso_code", "", 34, 16, 14, 8},
}

const latest = "openai-audit-high"

// columns of the list of events that matter.
var columns = []string{"event.action", "user.name", "source.ip", "openai.audit.severity_reason", "message"}

// dashboard makes the saved objects, which Kibana and OpenSearch Dashboards import.
func dashboard(t *testing.T) []byte {
	t.Helper()
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	const index = "kibanaSavedObjectMeta.searchSourceJSON.index"
	reference := []any{map[string]any{"id": "openai-audit", "name": index, "type": "index-pattern"}}
	source := func(query string) map[string]any {
		return map[string]any{"searchSourceJSON": text(map[string]any{"query": map[string]any{"query": query, "language": "kuery"}, "filter": []any{}, "indexRefName": index})}
	}
	objects := []any{
		map[string]any{"id": "openai-audit", "type": "index-pattern", "references": []any{},
			"attributes": map[string]any{"title": "audit-openai-*,logs-openai.audit-*", "timeFieldName": "@timestamp"}},
		map[string]any{"id": latest, "type": "search", "references": reference, "attributes": map[string]any{
			"title": "OpenAI audit log: high severity", "columns": columns, "sort": []any{[]string{"@timestamp", "desc"}},
			"kibanaSavedObjectMeta": source("openai.audit.severity: high")}},
	}
	var layout []any
	var references []any
	add := func(n int, kind, id string, x, y, w, h int) {
		ref := fmt.Sprintf("panel_%d", n)
		layout = append(layout, map[string]any{"panelIndex": fmt.Sprint(n), "panelRefName": ref, "embeddableConfig": map[string]any{},
			"gridData": map[string]any{"i": fmt.Sprint(n), "x": x, "y": y, "w": w, "h": h}})
		references = append(references, map[string]any{"id": id, "name": ref, "type": kind})
	}
	for n, p := range panels {
		id := "openai-audit-" + p.id
		objects = append(objects, map[string]any{"id": id, "type": "visualization", "references": reference, "attributes": map[string]any{
			"title": "OpenAI audit log: " + p.title, "visState": text(p.state()), "uiStateJSON": "{}", "kibanaSavedObjectMeta": source(p.query)}})
		add(n, "visualization", id, p.x, p.y, p.w, p.h)
	}
	add(len(panels), "search", latest, 0, 38, 48, 18)
	objects = append(objects, map[string]any{"id": "openai-audit", "type": "dashboard", "references": references, "attributes": map[string]any{
		"title": "OpenAI audit log", "timeRestore": true, "timeFrom": "now-30d", "timeTo": "now", "panelsJSON": text(layout), "optionsJSON": `{"useMargins":true}`,
		"kibanaSavedObjectMeta": map[string]any{"searchSourceJSON": `{"query":{"query":"","language":"kuery"},"filter":[]}`}}})
	var out bytes.Buffer
	for _, o := range objects {
		out.WriteString(text(o) + "\n")
	}
	return out.Bytes()
}

// state is what a visualization shows.
func (p panel) state() map[string]any {
	aggs := []any{map[string]any{"id": "1", "enabled": true, "type": "count", "schema": "metric", "params": map[string]any{}}}
	terms := func(id, schema, field string) map[string]any {
		return map[string]any{"id": id, "enabled": true, "type": "terms", "schema": schema, "params": map[string]any{"field": field, "size": 20, "order": "desc", "orderBy": "1"}}
	}
	params := map[string]any{}
	switch p.kind {
	case "table":
		aggs = append(aggs, terms("2", "bucket", p.field))
		params["perPage"] = 20
	case "histogram":
		aggs = append(aggs,
			map[string]any{"id": "2", "enabled": true, "type": "date_histogram", "schema": "segment", "params": map[string]any{"field": p.field, "interval": "auto", "min_doc_count": 1}},
			terms("3", "group", p.split))
	}
	return map[string]any{"title": p.title, "type": p.kind, "aggs": aggs, "params": params}
}

func TestDashboardAsksForFieldsThatThereAre(t *testing.T) {
	fields := make(map[string]bool)
	for _, row := range ecs.Table() {
		fields[row.Field] = true
	}
	asked := append(slices.Clone(columns), "openai.audit.severity")
	for _, p := range panels {
		asked = append(asked, p.field, p.split)
		if name, _, ok := strings.Cut(p.query, ":"); ok {
			asked = append(asked, name)
		}
	}
	for _, name := range asked {
		if name != "" && !fields[name] {
			t.Errorf("%s is no field", name)
		}
	}
}

// testAssets installs the component templates and delivers under them.
func testAssets(t *testing.T, s *testserver.OpenSearch) {
	files := generated(t)
	for _, name := range []string{"mappings", "settings"} {
		s.Must(t, "PUT", "/_component_template/openai-audit-"+name, string(files["component-"+name+".json"]))
	}
	names := map[string]string{"index-template.json": "openai-audit-index", "stream-template.json": "openai-audit-stream"}
	for _, file := range slices.Sorted(maps.Keys(names)) {
		s.Must(t, "PUT", "/_index_template/"+names[file], string(files[file]))
	}
	t.Cleanup(func() { // the streams first: they hold their template, those of other tests too
		s.Must(t, "DELETE", "/_data_stream/logs-openai.audit-*", "")
		for _, name := range names {
			s.Must(t, "DELETE", "/_index_template/"+name, "")
		}
	})
	for place, change := range map[string]func(c *Config){
		"audit-openai-2026.12":       func(c *Config) { c.InstallTemplate = false },
		"logs-openai.audit-composed": func(c *Config) { c.InstallTemplate, c.DataStream = false, "logs-openai.audit-composed" },
	} {
		k := openReal(t, s, change)
		b := batch(k, 77, 5, day.AddDate(0, 1, 0), 0)
		if err := k.Deliver(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		there(t, s, place, b)
		// Every panel's aggregation is one that the mapping allows.
		for _, p := range panels {
			for _, field := range []string{p.field, p.split} {
				if field == "" || field == "@timestamp" {
					continue
				}
				s.Must(t, "POST", "/"+place+"/_search", fmt.Sprintf(`{"size":0,"query":{"query_string":{"query":%q}},"aggs":{"a":{"terms":{"field":%q}}}}`,
					max(strings.ReplaceAll(p.query, ": ", ":"), "*"), field))
			}
		}
	}
}
