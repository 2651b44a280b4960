package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"testing"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks"
	"auditlog-connector/sinks/sinktest"
)

func TestSuite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new folder", "a?b#c%20.db")
	var armed func(step string) error
	open := func(_ *testing.T, lane string) pipeline.Sink {
		s := openSink(t, path, lane)
		s.step = func(step string) error {
			if armed == nil {
				return nil
			}
			return armed(step)
		}
		return s
	}
	at := map[sinktest.Fault]string{sinktest.Lost: "begin", sinktest.Unanswered: "committed", sinktest.Cancelled: "inserted"}
	sinktest.Run(t, sinktest.Harness{
		Open: open,
		Kill: kill,
		Contents: func(t *testing.T) map[string]int {
			return count(t, path)
		},
		Raw: func(t *testing.T, source, id string) []byte {
			var raw []byte
			if err := reader(t, path).QueryRow("SELECT raw FROM audit_events WHERE source = ? AND event_id = ?", source, id).Scan(&raw); err != nil {
				t.Error(err)
			}
			return raw
		},
		Inject: func(_ *testing.T, f sinktest.Fault, cancel func()) (func(), bool) {
			where, ok := at[f]
			if !ok {
				return nil, false
			}
			armed = func(step string) error {
				if step != where {
					return nil
				}
				armed = nil
				if f == sinktest.Cancelled {
					cancel()
					return nil
				}
				return errors.New("injected")
			}
			return nil, true
		},
		Break:     func(t *testing.T) func() { return breakDatabase(t, path) },
		Large:     1500,
		Guarantee: pipeline.ExactlyOnce,
		Resolves:  true,
		Members:   true,
		Claims:    true,
	})
}

func openSink(t testing.TB, path, lane string) *sink {
	t.Helper()
	c := &Config{Path: path}
	return newSink(c.Path, env(lane))
}

func env(lane string) sinks.Env {
	return sinks.Env{Lane: lane, Logger: discard}
}

// kill closes the connections, as the end of a process does: SQLite then finds a
// transaction that nobody ends, and rolls it back.
func kill(t *testing.T, s pipeline.Sink) {
	for _, d := range s.(*sink).open {
		_ = d.conn.Close()
		_ = d.pool.Close()
	}
}

// breakDatabase writes what a newer program would, so that the sink has to refuse.
func breakDatabase(t *testing.T, path string) (repair func()) {
	set := func(v string) {
		db := writer(t, path)
		if _, err := db.Exec("PRAGMA user_version = " + v); err != nil {
			t.Error(err)
		}
	}
	set("99")
	return func() { set("1") }
}

func dsn(path, mode string) string {
	u := url.URL{Scheme: "file", Path: path, RawQuery: "mode=" + mode}
	return u.String()
}

func connect(t testing.TB, path, mode string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(path, mode))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func reader(t testing.TB, path string) *sql.DB { return connect(t, path, "ro") }
func writer(t testing.TB, path string) *sql.DB { return connect(t, path, "rw") }

// count reads the database as any other program would.
func count(t testing.TB, path string) map[string]int {
	t.Helper()
	db := reader(t, path)
	defer db.Close()
	rows, err := db.QueryContext(context.Background(), "SELECT event_id, count(*) FROM audit_events GROUP BY event_id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	got := make(map[string]int)
	for rows.Next() {
		var id string
		var n int
		if err := rows.Scan(&id, &n); err != nil {
			t.Fatal(err)
		}
		got[id] = n
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return got
}
