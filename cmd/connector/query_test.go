package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sample makes a database like the one that the sqlite sink writes, open in WAL
// mode until the test ends.
func sample(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(wal)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	_, err = db.ExecContext(t.Context(), `
		CREATE TABLE audit_logs (id TEXT, type TEXT, effective_at INTEGER, "api_key.created" TEXT, raw BLOB, ratio REAL);
		INSERT INTO audit_logs VALUES
			('a', 'api_key.created', 1700000000, '{"id":"k<1>"}', CAST('{}' AS BLOB), 0.5),
			('b', 'login.failed', 1700000060, NULL, x'ff00', 1e300),
			('c,"d"', 'login' || char(27, 91, 50, 74) || char(10) || 'x', NULL, NULL, NULL, NULL)`)
	if err != nil {
		t.Fatal(err)
	}
}

func TestQueryPrintsRows(t *testing.T) {
	inFolder(t, nil)
	sample(t, "audit.db")
	for output, want := range map[string]string{
		"table": `id     type             effective_at  api_key.created  raw      ratio
a      api_key.created  1700000000    {"id":"k<1>"}    {}       0.5
b      login.failed     1700000060    NULL             x'ff00'  1e+300
c,"d"  login\x1b[2J\nx  NULL          NULL             NULL     NULL
`,
		"csv": `id,type,effective_at,api_key.created,raw,ratio
a,api_key.created,1700000000,"{""id"":""k<1>""}",{},0.5
b,login.failed,1700000060,,/wA=,1e+300
"c,""d""",` + "\"login\x1b[2J\nx\"" + `,,,,
`,
		"json": `[
  {"id": "a", "type": "api_key.created", "effective_at": 1700000000, "api_key.created": "{\"id\":\"k<1>\"}", "raw": "{}", "ratio": 0.5},
  {"id": "b", "type": "login.failed", "effective_at": 1700000060, "api_key.created": null, "raw": "/wA=", "ratio": 1e+300},
  {"id": "c,\"d\"", "type": "login\u001b[2J\nx", "effective_at": null, "api_key.created": null, "raw": null, "ratio": null}
]
`,
	} {
		w := newWorld(t)
		code := w.exec(t.Context(), "query", "--db", "audit.db", "-o", output, "SELECT * FROM audit_logs ORDER BY id")
		if code != exitOK || w.out.String() != want {
			t.Errorf("%s: exit %d, %s, got\n%s\nwant\n%s", output, code, &w.err, &w.out, want)
		}
	}
}

func TestQueryPrintsTablesOfAnyLength(t *testing.T) {
	inFolder(t, nil)
	sample(t, "audit.db")
	const numbers = "WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM n WHERE x < 2500) SELECT x, x AS x FROM n"
	for output, lines := range map[string]int{"table": 2501, "csv": 2501, "json": 2502} {
		w := newWorld(t)
		if code := w.exec(t.Context(), "query", "--db", "audit.db", "-o", output, numbers); code != exitOK {
			t.Fatalf("%s: exit %d, %s", output, code, &w.err)
		}
		if got := strings.Count(w.out.String(), "\n"); got != lines {
			t.Errorf("%s: %d lines, want %d", output, got, lines)
		}
		if output != "json" {
			continue
		}
		var rows []map[string]int
		if err := json.Unmarshal(w.out.Bytes(), &rows); err != nil || len(rows) != 2500 || rows[2499]["x_2"] != 2500 {
			t.Errorf("json: %v, %d rows", err, len(rows))
		}
	}
	w := newWorld(t)
	if code := w.exec(t.Context(), "query", "--db", "audit.db", "-o", "json", "SELECT 1 WHERE 0"); code != exitOK || w.out.String() != "[]\n" {
		t.Errorf("no rows: exit %d, %q", code, &w.out)
	}
}

func TestQueryErrorsHelp(t *testing.T) {
	inFolder(t, map[string]string{"text.db": "this is not a database, not at all", "short.db": "SQL", "empty.db": ""})
	sample(t, "audit.db")
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"missing file":           {[]string{"--db", "nope.db", "SELECT 1"}, 1, `there is no database nope.db (has "connector run" written it?`},
		"not a database":         {[]string{"--db", "text.db", "SELECT 1"}, 1, "text.db is not an SQLite database"},
		"too short":              {[]string{"--db", "short.db", "SELECT 1"}, 1, "short.db is not an SQLite database"},
		"nothing delivered":      {[]string{"--db", "empty.db", "SELECT 1"}, 1, "nothing was delivered yet"},
		"a folder":               {[]string{"--db", ".", "SELECT 1"}, 1, "is a directory"},
		"column mistyped":        {[]string{"--db", "audit.db", "SELECT tpye FROM audit_logs"}, 1, "no such column: tpye (did you mean type?)"},
		"column unknown":         {[]string{"--db", "audit.db", "SELECT colour FROM audit_logs"}, 1, "(known: id, type, effective_at, api_key.created, raw, ratio)"},
		"dot without quotes":     {[]string{"--db", "audit.db", "SELECT api_key.created FROM audit_logs"}, 1, `write it in double quotes: "api_key.created"`},
		"text in double quotes":  {[]string{"--db", "audit.db", `SELECT id FROM audit_logs WHERE type = "login.failed"`}, 1, "text goes in single quotes: 'login.failed'"},
		"table mistyped":         {[]string{"--db", "audit.db", "SELECT * FROM audit_log"}, 1, "did you mean audit_logs?"},
		"syntax":                 {[]string{"--db", "audit.db", "SELECT FROM WHERE"}, 1, "syntax error"},
		"write":                  {[]string{"--db", "audit.db", "delete from audit_logs"}, 2, "DELETE is not allowed"},
		"write behind a comment": {[]string{"--db", "audit.db", "/* SELECT */ -- x\nDROP TABLE audit_logs"}, 2, "DROP is not allowed"},
		"write behind WITH":      {[]string{"--db", "audit.db", "WITH x AS (SELECT 1) DELETE FROM audit_logs"}, 1, "the statement writes"},
		"second statement":       {[]string{"--db", "audit.db", "SELECT 1; DELETE FROM audit_logs"}, 2, "one statement at a time"},
		"other file":             {[]string{"--db", "audit.db", "ATTACH 'new.db' AS n"}, 2, "ATTACH is not allowed"},
		"copy":                   {[]string{"--db", "audit.db", "VACUUM INTO 'new.db'"}, 2, "VACUUM is not allowed"},
		"pragma":                 {[]string{"--db", "audit.db", "PRAGMA query_only = 0"}, 2, "PRAGMA is not allowed"},
		"nothing":                {[]string{"--db", "audit.db", " ; -- x"}, 2, "there is no statement"},
		"no argument":            {[]string{"--db", "audit.db"}, 2, "there is no statement"},
		"not quoted":             {[]string{"--db", "audit.db", "SELECT", "1"}, 2, "put the statement in quotes"},
		"format":                 {[]string{"--db", "audit.db", "-o", "jsn", "SELECT 1"}, 2, "did you mean json?"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			code := w.exec(t.Context(), append([]string{"query"}, tt.args...)...)
			if code != tt.code || !strings.Contains(w.err.String(), tt.want) || w.out.Len() > 0 {
				t.Errorf("exit %d, %q %q, want exit %d, %q", code, &w.err, &w.out, tt.code, tt.want)
			}
		})
	}
	if _, err := os.Stat("new.db"); err == nil {
		t.Error("query wrote a file")
	}
}

func TestQueryTakesStatementsThatLookOdd(t *testing.T) {
	inFolder(t, nil)
	sample(t, "audit.db")
	for sql, want := range map[string]string{
		"SELECT ';' AS x;": "x\n;\n",
		"SELECT 'it''s; DELETE' AS \"a;b\" -- ; SELECT 2":          "a;b\nit's; DELETE\n",
		"/* ; */ values (1) ; ; ":                                  "column1\n1\n",
		"WITH x AS (SELECT 5 AS [a;b]) SELECT * FROM x":            "a;b\n5\n",
		"SELECT name FROM pragma_table_info('audit_logs') LIMIT 1": "name\nid\n",
	} {
		w := newWorld(t)
		if code := w.exec(t.Context(), "query", "--db", "audit.db", sql); code != exitOK || w.out.String() != want {
			t.Errorf("%s: exit %d, %s, got %q, want %q", sql, code, &w.err, &w.out, want)
		}
	}
	w := newWorld(t)
	w.stdin = strings.NewReader("SELECT 1 AS one")
	if code := w.exec(t.Context(), "query", "--db", "audit.db", "-"); code != exitOK || w.out.String() != "one\n1\n" {
		t.Errorf("from standard input: exit %d, %q %q", code, &w.err, &w.out)
	}
}

func TestQueryFindsTheDatabase(t *testing.T) {
	const config = `
sources: [{name: a, type: fake, config: {key: "${env:UNSET}"}}]
sinks:
  - { name: m, type: memory }
  - { name: s, type: sqlite, config: { path: "${env:DIR}/a b#?.db", unknown: 1 } }
`
	inFolder(t, map[string]string{"c.yaml": config, "none.yaml": "sinks: [{name: m, type: memory}]", "broken.yaml": "a: b: c"})
	if err := os.MkdirAll("connector-data", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("data", 0o700); err != nil {
		t.Fatal(err)
	}
	sample(t, "connector-data/audit.db")
	sample(t, "other.db")
	w := newWorld(t)
	w.env["DIR"] = "data"

	if code := w.exec(t.Context(), "query", "SELECT 1"); code != exitOK {
		t.Errorf("built in: exit %d, %s", code, &w.err)
	}
	if err := os.Rename("other.db", filepath.Join("data", "a b#?.db")); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		_ = os.Rename("other.db"+suffix, filepath.Join("data", "a b#?.db"+suffix))
	}
	if code := w.exec(t.Context(), "query", "-c", "c.yaml", "SELECT count(*) FROM audit_logs"); code != exitOK || !strings.Contains(w.out.String(), "3") {
		t.Errorf("from the configuration: exit %d, %s %s", code, &w.out, &w.err)
	}
	for file, want := range map[string]string{"none.yaml": "has no sqlite sink", "broken.yaml": "not valid YAML", "missing.yaml": "no such file"} {
		if code := w.exec(t.Context(), "query", "-c", file, "SELECT 1"); code != exitUsage || !strings.Contains(w.err.String(), want) {
			t.Errorf("%s: exit %d, %s, want %q", file, code, &w.err, want)
		}
	}
}

func TestQueryReadsWhatCannotBeWritten(t *testing.T) {
	inFolder(t, nil)
	asNobody(t)
	if err := os.Mkdir("d", 0o700); err != nil {
		t.Fatal(err)
	}
	sample(t, "d/audit.db")
	data, err := os.ReadFile("d/audit.db")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir("ro", 0o700), os.WriteFile("ro/audit.db", data, 0o400), os.Chmod("ro", 0o500)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod("ro", 0o700) })
	w := newWorld(t)
	if code := w.exec(t.Context(), "query", "--db", "ro/audit.db", "SELECT 1"); code != exitOK {
		t.Errorf("exit %d, %s", code, &w.err)
	}
}
