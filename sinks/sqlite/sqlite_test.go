package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
	"auditlog-connector/sinks/sinktest"
)

func TestFileThatIsNotOursIsRefusedAndLeftAlone(t *testing.T) {
	foreign := func(statements ...string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			db := connect(t, path, "rwc")
			for _, s := range statements {
				if _, err := db.Exec(s); err != nil {
					t.Fatal(err)
				}
			}
			_ = db.Close()
		}
	}
	for _, tc := range []struct {
		name string
		make func(t *testing.T, path string)
		want string
	}{
		{"not a database", func(t *testing.T, path string) {
			write(t, path, strings.Repeat("this is a text file\n", 100))
		}, "is not a SQLite database"},
		{"another program's", foreign("CREATE TABLE users (id)"), "database of another program"},
		{"another program's, with an identity", foreign("PRAGMA application_id = 7"), "database of another program"},
		{"a newer connector's", foreign("CREATE TABLE lanes (lane)", "PRAGMA application_id = 1095516977", "PRAGMA user_version = 2"), "newer connector"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.db")
			tc.make(t, path)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s := openSink(t, path, lane)
			defer s.Close()
			err = s.Claim(t.Context(), pipeline.Checkpoint{Epoch: "e1", Next: 1}, true)
			if !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("claim: %v, want a permanent error with %q and the path", err, tc.want)
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("the file was changed")
			}
			if f := s.Check(t.Context()); f[0].Status != "fail" {
				t.Errorf("check: %+v, want a failure", f)
			}
		})
	}
}

func TestDamagedDatabaseIsCorrupt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	s := openSink(t, path, lane)
	claim(t, s, "e1", 1)
	if err := s.Deliver(t.Context(), batch(1, 200)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096; i < len(content); i++ {
		content[i] = 0xa5
	}
	write(t, path, string(content))
	s = openSink(t, path, lane)
	defer s.Close()
	_, err = s.Resolve(t.Context(), batch(1, 200).Manifest)
	if !errors.Is(err, pipeline.ErrCorrupt) || !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), path) {
		t.Errorf("resolve: %v, want ErrCorrupt, permanent, with the path", err)
	}
}

func TestLockedDatabaseIsTriedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	s := openSink(t, path, lane)
	defer s.Close()
	claim(t, s, "e1", 1)
	other := writer(t, path)
	other.SetMaxOpenConns(1)
	if _, err := other.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if err := s.Deliver(ctx, batch(1, 1)); err == nil || time.Since(begun) > time.Second {
		t.Errorf("deliver under a short deadline: %v after %s", err, time.Since(begun))
	}
	err := s.Deliver(t.Context(), batch(1, 1))
	if err == nil || pipeline.IsPermanent(err) || errors.Is(err, pipeline.ErrFenced) || !strings.Contains(err.Error(), path+" is locked by another process") {
		t.Errorf("deliver: %v, want a transient error that names the file", err)
	}
	if _, err := other.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	sinktest.Settle(t, s, batch(1, 1))
	exactly(t, path, batch(1, 1))
}

func TestConflictIsFencedUnlessTheLaneWasTakenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	s := openSink(t, path, lane)
	defer s.Close()
	claim(t, s, "e1", 1)
	first := batchOf("e1", 1, "event", 3)
	if err := s.Deliver(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	again := batchOf("e1", 1, "event", 5)
	again.ID.Seq = 2
	if err := s.Deliver(t.Context(), again); !errors.Is(err, pipeline.ErrFenced) || !strings.Contains(err.Error(), "event-1-0") {
		t.Fatalf("deliver: %v, want ErrFenced that names the event", err)
	}
	exactly(t, path, first)

	if err := s.Claim(t.Context(), pipeline.Checkpoint{Epoch: "e2", Next: 1}, true); err != nil {
		t.Fatal(err)
	}
	over := batchOf("e2", 1, "event", 5) // three of them are there
	if err := s.Deliver(t.Context(), over); err != nil {
		t.Fatal(err)
	}
	exactly(t, path, over)
	// Later processes of the new owner still meet the old one's events.
	claim(t, s, "e2", 2)
	over.ID.Seq = 2
	over.Records = over.Records[:4]
	over.Members = over.Members[:4]
	if err := s.Deliver(t.Context(), over); err != nil {
		t.Fatal(err)
	}
	var skipped int
	if err := reader(t, path).QueryRow("SELECT skipped FROM lanes").Scan(&skipped); err != nil || skipped != 7 {
		t.Errorf("%d skipped (%v), want 7", skipped, err)
	}
}

func TestBatchInDoubtIsSettledWhereItWasPrepared(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "old.db"), filepath.Join(dir, "new.db")
	s := openSink(t, from, lane)
	claim(t, s, "e1", 1)
	b := batch(1, 4)
	b.Place = s.Place(b.Manifest)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = openSink(t, to, lane)
	defer s.Close()
	claim(t, s, "e1", 2)
	sinktest.Settle(t, s, b)
	exactly(t, from, b)
	exactly(t, to)

	b.Place = filepath.Join(dir, "gone.db")
	if _, err := s.Resolve(t.Context(), b.Manifest); !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), b.Place) {
		t.Errorf("resolve at a place that is gone: %v, want a permanent error that names it", err)
	}
	if _, err := os.Stat(b.Place); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a database was made there")
	}
}

func TestViewAuditLogsIsTheLogAsTheAPIHasIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	s := openSink(t, path, lane)
	defer s.Close()
	claim(t, s, "e1", 1)
	bad := sinktest.Record("acme", "no json", time.Unix(-1, 0))
	bad.Audit.Raw = []byte("\x7b\x00")
	null := sinktest.Record("acme", "null", time.Unix(0, 0))
	null.Audit.Raw = []byte(`{"id":"null","project":null,"api_key.created":null}`)
	null.Audit.Targets, null.Audit.Project, null.Audit.Changes = nil, nil, nil
	b := sinktest.Batch(pipeline.BatchID{Lane: lane, Epoch: "e1", Seq: 1}, []pipeline.Record{
		sinktest.Record("acme", "good", time.Unix(1795166939, 0)), null, bad,
	})
	if err := s.Deliver(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	db := reader(t, path)
	rows, err := db.Query("SELECT * FROM audit_logs")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	got, err := rows.Columns()
	if err := errors.Join(err, rows.Err()); err != nil {
		t.Fatal(err)
	}
	want := []string{"id", "actor", "effective_at", "project", "type"}
	for _, typ := range schemas.Catalogue().Types() {
		want = append(want, typ.Type)
	}
	if len(want) != 5+149 || !slices.Equal(got, want) {
		t.Errorf("%d columns %v, want %d", len(got), got, len(want))
	}

	type row struct {
		actor, project, payload *string
		at                      int64
		typ                     string
	}
	for id, want := range map[string]row{
		"good": {
			ptr(`{"type":"session","session":{"user":{"id":"user-1","email":"ana@example.com"},"ip_address":"203.0.113.24"}}`),
			ptr(`{"id":"proj_1","name":"Forschung & Größe"}`),
			ptr(`{"id":"key_1","data":{"scopes":["api.model.read","api.model.request"]}}`), 1795166939, "api_key.created",
		},
		"null":    {nil, nil, nil, 0, "api_key.created"},
		"no json": {nil, nil, nil, -1, "api_key.created"},
	} {
		var r row
		var other *string
		if err := db.QueryRow(`SELECT actor, project, "api_key.created", effective_at, type, "user.added" FROM audit_logs WHERE id = ?`, id).
			Scan(&r.actor, &r.project, &r.payload, &r.at, &r.typ, &other); err != nil {
			t.Fatal(err)
		}
		if text(r.actor) != text(want.actor) || text(r.project) != text(want.project) || text(r.payload) != text(want.payload) ||
			r.at != want.at || r.typ != want.typ || other != nil {
			t.Errorf("%s: %s %s %s %d %s %s", id, text(r.actor), text(r.project), text(r.payload), r.at, r.typ, text(other))
		}
	}
}

func TestViewEventsAndColumns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	s := openSink(t, path, lane)
	defer s.Close()
	claim(t, s, "e1", 1)
	b := sinktest.Batch(pipeline.BatchID{Lane: lane, Epoch: "e1", Seq: 1}, []pipeline.Record{sinktest.Record("acme", "good", time.Unix(1795166939, 0))})
	if err := s.Deliver(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	db := reader(t, path)
	for query, want := range map[string]string{
		`SELECT concat_ws('|', time, type, action, outcome, severity, actor_email, actor_ip, target_type, target_id, project) FROM events`:                                                        "2026-11-20T09:28:59Z|api_key.created|create|success|medium|ana@example.com|203.0.113.24|api_key|key_1|Forschung & Größe",
		`SELECT concat_ws('|', target_name, actor_kind, actor_id, actor_api_key_id, actor_country, severity_reason, error, changes, project_id, organization_id, stream, source, id) FROM events`: `user|user-1|US|a credential|{"name":"\"x\"","scopes":"[\"api.model.read\"]"}|proj_1|org-1|organization|acme|good`,
		`SELECT group_concat(name, ' ') FROM (SELECT name FROM pragma_table_info('events') LIMIT 10)`:                                                                                             "time type action outcome severity actor_email actor_ip target_type target_id project",

		`SELECT effective_at FROM audit_events`:            "1795166939000",
		`SELECT targets ->> '$[1].name' FROM audit_events`: "Forschung & Größe",
		`SELECT changes FROM audit_events`:                 `{"name":"\"x\"","scopes":"[\"api.model.read\"]"}`,
		`SELECT problems FROM audit_events`:                `["actor.session.user: no name"]`,
		`SELECT details FROM audit_events`:                 string(b.Records[0].Audit.Details),
		`SELECT concat_ws('|', source, event_id, stream, actor_geo_latitude, known_type) FROM audit_events`:       "acme|good|organization|45.52345|1",
		`SELECT count(*) FROM audit_events WHERE actor_name IS NULL AND error_code IS NULL AND actor_ja3 IS NULL`: "1",
	} {
		var got string
		if err := db.QueryRow(query).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %q (%v), want %q", query, got, err, want)
		}
	}
}

func TestViewsOfAnotherVersionAreMadeAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	s := openSink(t, path, lane)
	claim(t, s, "e1", 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db := writer(t, path)
	for _, q := range []string{"DROP VIEW events", "CREATE VIEW events AS SELECT 1 AS time", "DROP VIEW audit_logs", "CREATE VIEW audit_logs AS SELECT 1 AS id"} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	s = openSink(t, path, lane)
	defer s.Close()
	claim(t, s, "e1", 1)
	if _, err := db.Exec(`SELECT "api_key.created" FROM audit_logs`); err != nil {
		t.Error(err)
	}
	if _, err := db.Exec(`SELECT time, target_name, error FROM events`); err != nil {
		t.Error(err)
	}
}

// TestViewsOfARedactedRecord has a record that the entry was taken out of.
func TestViewsOfARedactedRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	s := openSink(t, path, lane)
	defer s.Close()
	claim(t, s, "e1", 1)
	r := sinktest.Record("acme", "good", time.Unix(1795166939, 0))
	r.Audit.Raw, r.Audit.Details, r.Audit.Changes, r.Audit.Actor.Email, r.Body = nil, nil, nil, "", nil
	if err := s.Deliver(t.Context(), sinktest.Batch(pipeline.BatchID{Lane: lane, Epoch: "e1", Seq: 1}, []pipeline.Record{r})); err != nil {
		t.Fatal(err)
	}
	db := reader(t, path)
	for query, want := range map[string]string{
		`SELECT concat_ws('|', id, effective_at, type, actor, project, "api_key.created") FROM audit_logs`:        "good|1795166939|api_key.created",
		`SELECT concat_ws('|', time, type, actor_email, actor_ip, target_id, project, changes) FROM events`:       "2026-11-20T09:28:59Z|api_key.created|203.0.113.24|key_1|Forschung & Größe",
		`SELECT concat_ws('|', length(raw), typeof(raw), typeof(details), typeof(actor_email)) FROM audit_events`: "0|blob|null|null",
	} {
		var got string
		if err := db.QueryRow(query).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %q (%v), want %q", query, got, err, want)
		}
	}
}

func ptr(s string) *string { return &s }

func text(s *string) string {
	if s == nil {
		return "NULL"
	}
	return *s
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
