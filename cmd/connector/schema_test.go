package main

import (
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"auditlog-connector/schemas"
	"auditlog-connector/schemas/cim"
	"auditlog-connector/schemas/ecs"
	"auditlog-connector/schemas/ocsf"
)

func TestSchemaPrintsEveryRowInEveryForm(t *testing.T) {
	for _, c := range []struct {
		name   string
		rows   int
		header string
		some   []string // a row
	}{
		{"types", len(schemas.Catalogue().Types()), "type,stream,action,outcome,severity,object_type,documented", []string{"api_key.created", "organization", "create", "success", "medium", "api_key", "true"}},
		{"ecs", len(ecs.Table()), "field,type,list,from", []string{"event.category", "keyword", "true", "catalogue: ecs_category"}},
		{"ocsf", len(ocsf.Table()), "attribute,classes,from,rule", []string{"metadata.version", "", "", ocsf.Version}},
		{"cim", len(cim.Table()), "field,model,from", []string{"event_id", "", "event_id"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if code := w.exec(t.Context(), "schema", c.name); code != exitOK || strings.Count(w.out.String(), "\n") != c.rows+1 || !strings.HasPrefix(w.out.String(), strings.ToUpper(c.header[:4])) {
				t.Errorf("table: exit %d, %s%s", code, &w.out, &w.err)
			}
			if code := w.exec(t.Context(), "schema", c.name, "-o", "csv"); code != exitOK {
				t.Errorf("csv: exit %d, %s", code, &w.err)
			}
			records, err := csv.NewReader(&w.out).ReadAll()
			if err != nil || len(records) != c.rows+1 || strings.Join(records[0], ",") != c.header {
				t.Fatalf("csv: %v, %d records, first %v", err, len(records), records[0])
			}
			if !slices.ContainsFunc(records, func(r []string) bool { return slices.Equal(r, c.some) }) {
				t.Errorf("csv has no %v", c.some)
			}
			if code := w.exec(t.Context(), "schema", c.name, "-o", "json"); code != exitOK {
				t.Errorf("json: exit %d, %s", code, &w.err)
			}
			var entries []map[string]any
			if err := json.Unmarshal(w.out.Bytes(), &entries); err != nil || len(entries) != c.rows {
				t.Fatalf("json: %v, %d entries", err, len(entries))
			}
			for _, name := range records[0] {
				if v, ok := entries[0][name]; !ok || v == nil {
					t.Errorf("json has no %s: %v", name, entries[0])
				}
			}
		})
	}
}
