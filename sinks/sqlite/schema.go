package sqlite

import (
	"fmt"
	"strings"

	"auditlog-connector/schemas"
)

const (
	// applicationID marks a database as ours ("ALC1"), in the header of the file.
	applicationID = 0x414c4331
	// version is that of the tables below, in PRAGMA user_version. Views are not
	// part of it: they are made again whenever they differ.
	version = 1
)

// columns are those of audit_events, in the order in which row binds them.
var columns = []struct{ name, kind string }{
	{"source", "TEXT NOT NULL"},
	{"event_id", "TEXT NOT NULL"},
	{"event_type", "TEXT NOT NULL"},
	{"effective_at", "INTEGER NOT NULL"},
	{"stream", "TEXT NOT NULL"},
	{"organization_id", "TEXT"},
	{"action", "TEXT NOT NULL"},
	{"outcome", "TEXT NOT NULL"},
	{"severity", "TEXT NOT NULL"},
	{"severity_reason", "TEXT"},
	{"actor_kind", "TEXT NOT NULL"},
	{"actor_id", "TEXT"},
	{"actor_email", "TEXT"},
	{"actor_name", "TEXT"},
	{"actor_api_key_id", "TEXT"},
	{"actor_service_account_id", "TEXT"},
	{"actor_ip", "TEXT"},
	{"actor_user_agent", "TEXT"},
	{"actor_ja3", "TEXT"},
	{"actor_ja4", "TEXT"},
	{"actor_geo_country", "TEXT"},
	{"actor_geo_region", "TEXT"},
	{"actor_geo_region_code", "TEXT"},
	{"actor_geo_city", "TEXT"},
	{"actor_geo_latitude", "TEXT"},
	{"actor_geo_longitude", "TEXT"},
	{"actor_geo_asn", "TEXT"},
	{"targets", "TEXT NOT NULL"},
	{"project_id", "TEXT"},
	{"project_name", "TEXT"},
	{"error_code", "TEXT"},
	{"error_message", "TEXT"},
	{"changes", "TEXT"},
	{"known_type", "INTEGER NOT NULL"},
	{"problems", "TEXT NOT NULL"},
	{"details", "TEXT"},
	{"raw", "BLOB NOT NULL"},
}

// tables returns the statements that make an empty database ours.
func tables() []string {
	var defs []string
	for _, c := range columns {
		defs = append(defs, c.name+" "+c.kind)
	}
	return []string{
		"CREATE TABLE audit_events (\n  " + strings.Join(defs, ",\n  ") + ",\n  PRIMARY KEY (source, event_id)\n) STRICT",
		"CREATE INDEX audit_events_effective_at ON audit_events (effective_at)",
		`CREATE TABLE lanes (
  lane TEXT NOT NULL PRIMARY KEY,
  epoch TEXT NOT NULL,
  seq INTEGER NOT NULL,
  digest TEXT NOT NULL,
  watermarks TEXT NOT NULL,
  rejected TEXT NOT NULL,
  taken_over INTEGER NOT NULL,
  skipped INTEGER NOT NULL
) STRICT`,
		fmt.Sprintf("PRAGMA application_id = %d", applicationID),
		fmt.Sprintf("PRAGMA user_version = %d", version),
	}
}

// views returns the definition of each view by name.
func views() map[string]string {
	return map[string]string{"audit_logs": auditLogs(), "events": events}
}

// seconds is effective_at in whole Unix seconds, rounded down before 1970 as well.
const seconds = "(effective_at - (effective_at % 1000 + 1000) % 1000) / 1000"

// auditLogs is the log as the API has it. An entry that is no JSON has its id,
// time and type, and nothing else. A blob that begins like JSON could be taken for
// SQLite's binary form, hence the cast. An entry has the member named like its
// type; asking for the other 148 as well takes forty times as long.
func auditLogs() string {
	var b strings.Builder
	b.WriteString("CREATE VIEW audit_logs AS SELECT\n  event_id AS id,\n  " + member("actor") + " AS actor,\n" +
		"  " + seconds + " AS effective_at,\n  " +
		member("project") + " AS project,\n  event_type AS type")
	for _, t := range schemas.Catalogue().Types() {
		b.WriteString(",\n  CASE event_type WHEN " + quote(t.Type) + " THEN " + member(t.Type) + ` END AS "` + strings.ReplaceAll(t.Type, `"`, `""`) + `"`)
	}
	b.WriteString("\nFROM (SELECT event_id, effective_at, event_type,\n" +
		"  CASE WHEN json_valid(CAST(raw AS TEXT)) THEN CAST(raw AS TEXT) END AS body FROM audit_events)")
	return b.String()
}

// member is the JSON text of one of the entry's members; NULL if it is missing or null.
func member(name string) string {
	return "NULLIF(body -> " + quote(`$."`+name+`"`) + ", 'null')"
}

// quote makes text a literal.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// events is what an analyst wants to see of an event on one line, what is wanted
// most in front. Columns are only ever added, at the end.
const events = `CREATE VIEW events AS SELECT
  strftime('%Y-%m-%dT%H:%M:%SZ', ` + seconds + `, 'unixepoch') AS time,
  event_type AS type,
  action,
  outcome,
  severity,
  actor_email,
  actor_ip,
  targets ->> '$[0].type' AS target_type,
  targets ->> '$[0].id' AS target_id,
  coalesce(project_name, project_id) AS project,
  targets ->> '$[0].name' AS target_name,
  actor_kind,
  actor_id,
  actor_name,
  actor_api_key_id,
  actor_service_account_id,
  actor_user_agent,
  actor_geo_country AS actor_country,
  actor_geo_city AS actor_city,
  actor_geo_asn AS actor_asn,
  severity_reason,
  coalesce(error_message, error_code) AS error,
  changes,
  project_id,
  organization_id,
  stream,
  source,
  event_id AS id
FROM audit_events`
