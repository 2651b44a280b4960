package format

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"auditlog-connector/internal/testserver"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
	"auditlog-connector/schemas/document"
)

func python(t *testing.T) string {
	t.Helper()
	testserver.Require(t)
	return testserver.Python(t, "fastavro==1.13.1", "pyarrow==26.0.1", "duckdb==2.0.0")
}

// rows reads a file with a foreign library.
func rows(t *testing.T, python, reader, file string) []any {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(python, filepath.Join("testdata", "readers.py"), reader, file)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", reader, err, stderr.String())
	}
	var all []any
	for line := range bytes.Lines(out) {
		var v any
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

// expected is a record as the script prints it, made of the source and by hand.
func expected(e *schemas.AuditEvent) any {
	text := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	a := e.Actor
	actor := map[string]any{
		"kind": a.Kind, "id": text(a.ID), "email": text(a.Email), "name": text(a.Name), "api_key_id": text(a.APIKeyID),
		"service_account_id": text(a.ServiceAccountID), "ip": text(a.IP), "user_agent": text(a.UserAgent), "ja3": text(a.JA3), "ja4": text(a.JA4), "geo": nil,
	}
	if g := a.Geo; g != nil {
		actor["geo"] = map[string]any{
			"country": text(g.Country), "region": text(g.Region), "region_code": text(g.RegionCode), "city": text(g.City),
			"latitude": text(g.Latitude), "longitude": text(g.Longitude), "asn": text(g.ASN),
		}
	}
	row := map[string]any{
		"event_id": e.EventID, "event_type": e.EventType, "effective_at": float64(e.EffectiveAt.UnixMilli()), "stream": e.Stream, "source": e.Source,
		"organization_id": text(e.OrganizationID), "action": e.Action, "outcome": e.Outcome, "severity": e.Severity, "severity_reason": text(e.SeverityReason),
		"actor": actor, "known_type": e.KnownType, "details": text(string(e.Details)), "project": nil, "error": nil, "changes": nil,
		"raw": map[string]any{"base64": base64.StdEncoding.EncodeToString(e.Raw)}, "targets": []any{}, "problems": []any{},
	}
	for _, t := range e.Targets {
		row["targets"] = append(row["targets"].([]any), map[string]any{"type": t.Type, "id": text(t.ID), "name": text(t.Name)})
	}
	for _, p := range e.Problems {
		row["problems"] = append(row["problems"].([]any), p)
	}
	if p := e.Project; p != nil {
		row["project"] = map[string]any{"id": p.ID, "name": text(p.Name)}
	}
	if f := e.Error; f != nil {
		row["error"] = map[string]any{"code": text(f.Code), "message": text(f.Message)}
	}
	if len(e.Changes) > 0 {
		changes := make(map[string]any)
		for k, v := range e.Changes {
			changes[k] = v
		}
		row["changes"] = changes
	}
	return row
}

func TestForeignReadersReadEveryFieldOfRecords(t *testing.T) {
	py := python(t)
	b := batch(300)
	for _, c := range []struct {
		f       Format
		readers []string
	}{
		{Format{Avro, "normalized", "deflate"}, []string{"fastavro"}},
		{Format{Avro, "normalized", "none"}, []string{"fastavro"}},
		{Format{Parquet, "normalized", "zstd"}, []string{"pyarrow", "duckdb"}},
		{Format{Parquet, "normalized", "snappy"}, []string{"pyarrow", "duckdb"}},
	} {
		file := filepath.Join(t.TempDir(), "x"+c.f.Extension())
		if err := os.WriteFile(file, encode(t, c.f, b), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, reader := range c.readers {
			t.Run(c.f.name()+" by "+reader, func(t *testing.T) {
				got := byID(t, rows(t, py, reader, file))
				if len(got) != len(b.Records) {
					t.Errorf("%d rows, want %d", len(got), len(b.Records))
				}
				for i := range b.Records {
					want := expected(&b.Records[i].Audit)
					if g := got[b.Records[i].ID]; !reflect.DeepEqual(g, want) {
						t.Fatalf("event %d is\n%v\nwant\n%v", i, g, want)
					}
				}
			})
		}
	}
}

func byID(t *testing.T, all []any) map[string]any {
	t.Helper()
	m := make(map[string]any)
	for _, row := range all {
		m[row.(map[string]any)["event_id"].(string)] = row
	}
	return m
}

func TestForeignReadersReadLines(t *testing.T) {
	py := python(t)
	b := batch(200)
	for _, c := range []struct{ schema, compression, reader string }{
		{"normalized", "none", "json"}, {"normalized", "gzip", "json"}, {"normalized", "zstd", "duckdb-json"},
		{"ecs", "gzip", "duckdb-json"}, {"ocsf", "gzip", "json"}, {"cim", "none", "duckdb-json"}, {"raw", "gzip", "duckdb-json"},
	} {
		f := Format{JSONL, c.schema, c.compression}
		t.Run(f.name()+" by "+c.reader, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "x"+f.Extension())
			if err := os.WriteFile(file, encode(t, f, b), 0o600); err != nil {
				t.Fatal(err)
			}
			got := rows(t, py, c.reader, file)
			if len(got) != len(b.Records) {
				t.Fatalf("%d rows, want %d", len(got), len(b.Records))
			}
			for i := range got {
				var want any
				if err := json.Unmarshal(line(c.schema, &b.Records[i]), &want); err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got[i], want) {
					t.Fatalf("line %d is\n%v\nwant\n%v", i, got[i], want)
				}
			}
		})
	}
}

func TestForeignReadersReadDocuments(t *testing.T) {
	py := python(t)
	b := batch(60)
	for _, c := range []struct{ schema, reader, id, time string }{{"ecs", "pyarrow", "event_id", "timestamp"}, {"ocsf", "pyarrow", "metadata_uid", "time_dt"}} {
		t.Run(c.schema, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "x.parquet")
			if err := os.WriteFile(file, encode(t, Format{Parquet, c.schema, "zstd"}, b), 0o600); err != nil {
				t.Fatal(err)
			}
			got := make(map[string]map[string]any)
			for _, row := range rows(t, py, c.reader, file) {
				m := row.(map[string]any)
				got[m[c.id].(string)] = m
			}
			for i := range b.Records {
				r := &b.Records[i]
				m := got[r.ID]
				if m["document"] != string(line(c.schema, r)) || m[c.time] != float64(r.Audit.EffectiveAt.UnixMilli()) {
					t.Errorf("event %d is %v", i, m)
				}
				var d map[string]any
				if err := json.Unmarshal(line(c.schema, r), &d); err != nil {
					t.Fatal(err)
				}
				for column, value := range m {
					if want, ok := at(d, column); ok && !reflect.DeepEqual(value, want) {
						t.Errorf("event %d: %s is %v, want %v", i, column, value, want)
					}
				}
			}
		})
	}
}

// at is the value of the field whose name is column with _ for the dots.
func at(d map[string]any, column string) (any, bool) {
	if v, ok := d[column]; ok {
		return v, true
	}
	for i := range column {
		if inner, ok := d[column[:i]].(map[string]any); ok && column[i] == '_' {
			return at(inner, column[i+1:])
		}
	}
	return nil, false
}

// TestTypesOfParquet are those that a table is declared with.
func TestTypesOfParquet(t *testing.T) {
	py := python(t)
	file := filepath.Join(t.TempDir(), "x.parquet")
	if err := os.WriteFile(file, encode(t, Format{Parquet, "normalized", "zstd"}, batch(3)), 0o600); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"effective_at": "timestamp[ms, tz=UTC]", "event_id": "string", "known_type": "bool", "raw": "binary",
		"changes": "map<string, string", "targets": "list<", "actor": "struct<kind: string", "problems": "list<",
	}
	for _, row := range rows(t, py, "types", file) {
		m := row.(map[string]any)
		name, typ := m["name"].(string), m["type"].(string)
		if w, ok := want[name]; ok && !strings.HasPrefix(typ, w) {
			t.Errorf("%s is %s, want %s", name, typ, w)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("there is no %v", want)
	}
}

// line is a record as a document of the schema.
func line(schema string, r *pipeline.Record) []byte { return document.Lookup(schema)(nil, &r.Audit) }
