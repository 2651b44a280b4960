package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/openaisim"
)

func TestQueryLive(t *testing.T) {
	inFolder(t, map[string]string{"connector.yaml": `
sources:
  - name: acme
    type: openai
    config: { admin_key: "${env:OPENAI_ADMIN_KEY}", base_url: "${env:OPENAI_BASE_URL}", requests_per_second: 1000 }
  - name: twin
    type: openai
    config: { admin_key: "${env:OPENAI_ADMIN_KEY}", base_url: "${env:OPENAI_BASE_URL}", requests_per_second: 1000 }
sinks:
  - { name: lines, type: file, config: { path: "${env:NOT_SET}/{source}.jsonl" } }
`})
	_, env := simulator(t, openaisim.Config{Seed: 5, Events: 600, Faults: openaisim.Faults{ErrorRate: 0.05}})
	query := func(since, sql string) []map[string]any {
		t.Helper()
		code, stdout, stderr := real(t, env, "query", "--live", "--since", since, "-o", "json", sql)
		var rows []map[string]any
		if err := json.Unmarshal([]byte(stdout), &rows); code != exitOK || err != nil {
			t.Fatalf("exit %d, %v: %s%s", code, err, stdout, stderr)
		}
		return rows
	}
	for _, row := range query("1000h", "SELECT source, count(*) AS n, count(DISTINCT event_id) AS ids, count(DISTINCT stream) AS streams FROM audit_events GROUP BY 1 ORDER BY 1") {
		if row["n"] != 600.0 || row["ids"] != 600.0 || row["streams"] != 2.0 {
			t.Errorf("everything: %v", row)
		}
	}
	// The log covers 30 days.
	begin := time.Now().Add(-240 * time.Hour)
	rows := query("240h", "SELECT count(*) AS n, min(effective_at) AS first FROM audit_logs")
	if n := rows[0]["n"].(float64); n == 0 || n >= 1200 || rows[0]["first"].(float64) < float64(begin.Unix()-1) {
		t.Errorf("ten days: %v, want nothing before %d", rows, begin.Unix())
	}
	if rows := query("240h", `SELECT json_valid("api_key.created") AS ok FROM audit_logs WHERE type = 'api_key.created' LIMIT 1`); len(rows) != 1 || rows[0]["ok"] != 1.0 {
		t.Errorf("a column of a type: %v", rows)
	}
	entries, err := os.ReadDir(".")
	if err != nil || len(entries) != 1 {
		t.Errorf("left on disk: %v, %v", entries, err)
	}
}

func TestQueryLiveErrors(t *testing.T) {
	inFolder(t, nil)
	_, env := simulator(t, openaisim.Config{Seed: 5, Events: 10})
	refused := map[string]string{"OPENAI_BASE_URL": env["OPENAI_BASE_URL"], "OPENAI_ADMIN_KEY": "sk-admin-" + hidden}
	for name, tt := range map[string]struct {
		env  map[string]string
		args []string
		code int
		want string
	}{
		"no key":          {nil, []string{"SELECT 1"}, 2, "OPENAI_ADMIN_KEY is not set"},
		"key refused":     {refused, []string{"SELECT 1"}, 1, "query: "},
		"column mistyped": {env, []string{"SELECT tpye FROM events"}, 1, "did you mean type?"},
		"text in quotes":  {env, []string{`SELECT id FROM audit_logs WHERE type = "x"`}, 1, "text goes in single quotes"},
		"writes":          {env, []string{"DELETE FROM audit_events"}, 2, "DELETE is not allowed"},
		"writes, hidden":  {env, []string{"WITH x AS (SELECT 1) DELETE FROM audit_events"}, 1, "the statement writes"},
		"two databases":   {env, []string{"--db", "x.db", "SELECT 1"}, 2, "choose one"},
		"no time":         {env, []string{"--since", "0s", "SELECT 1"}, 2, "want more than nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := real(t, tt.env, append([]string{"query", "--live"}, tt.args...)...)
			if code != tt.code || !strings.Contains(stderr, tt.want) || stdout != "" || strings.Contains(stderr, hidden) {
				t.Errorf("exit %d, want %d and %q: %s%s", code, tt.code, tt.want, stdout, stderr)
			}
		})
	}
	if code, _, stderr := real(t, env, "query", "--since", "2h", "SELECT 1"); code != exitUsage || !strings.Contains(stderr, "--since is for --live") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

// TestBuiltinConfigurationRunsUntilItIsStopped is the shortest way to an export:
// a key in the environment and nothing else.
func TestBuiltinConfigurationRunsUntilItIsStopped(t *testing.T) {
	inFolder(t, nil)
	asShipped := builtinText
	t.Cleanup(func() { builtinText = asShipped })
	builtinText = strings.Replace(builtinText, "config:\n", "config:\n      requests_per_second: 1000\n", 1) + "http: { listen: \"\" }\n" // to save time; to be alone
	_, env := simulator(t, openaisim.Config{Seed: 1, Events: 200})
	a := &app{
		stdin: strings.NewReader(""), now: time.Now, sources: sourceTypes(), sinks: sinkTypes(),
		lookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	}
	e := startRun(t, a)
	want := fmt.Sprintf("count(*)\n%d\n", 200)
	eventually(t, "all is in the database", e.log.String, func() bool {
		code, stdout, _ := real(t, env, "query", "-o", "csv", "SELECT count(*) FROM audit_logs")
		return code == exitOK && stdout == want
	})
	if code, stdout, stderr := real(t, env, "status"); code != exitOK || !strings.Contains(stdout, "openai/sqlite  ") || strings.Contains(stdout, "no connector is running") {
		t.Errorf("status: exit %d, %s%s", code, stdout, stderr)
	}
	if code := e.stop(); code != exitOK {
		t.Errorf("exit %d, %s", code, e.log)
	}
}
