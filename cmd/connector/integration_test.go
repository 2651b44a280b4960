package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"auditlog-connector/internal/openaisim"
)

// real executes one command line with the real components and returns its exit
// code and what it wrote.
func real(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	code = run(t.Context(), args, strings.NewReader(""), &out, &errs, lookup)
	return code, out.String(), errs.String()
}

// simulator starts the audit-log API and returns what the environment names it by.
func simulator(t *testing.T, c openaisim.Config) (*openaisim.Server, map[string]string) {
	t.Helper()
	sim, err := openaisim.New(c)
	if err != nil {
		t.Fatal(err)
	}
	addr, stop, err := sim.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return sim, map[string]string{"OPENAI_BASE_URL": "http://" + addr + "/v1", "OPENAI_ADMIN_KEY": openaisim.DefaultAdminKey}
}

func TestBuiltinConfigurationExportsIntoSQLite(t *testing.T) {
	inFolder(t, nil)
	asShipped := builtinText
	t.Cleanup(func() { builtinText = asShipped })
	builtinText = strings.Replace(builtinText, "config:\n", "config:\n      requests_per_second: 1000\n", 1) // only to save time
	_, env := simulator(t, openaisim.Config{Seed: 1, Events: 300})
	if code, _, stderr := real(t, env, "run", "--once"); code != exitOK {
		t.Fatalf("run: exit %d, %s", code, stderr)
	}
	code, stdout, stderr := real(t, env, "query", "-o", "csv", "SELECT count(*), count(DISTINCT id) FROM audit_logs")
	if want := "count(*),count(DISTINCT id)\n300,300\n"; code != exitOK || stdout != want {
		t.Errorf("query: exit %d, %q, want %q, %s", code, stdout, want, stderr)
	}
	code, stdout, stderr = real(t, env, "query", "-o", "json", `SELECT "api_key.created" FROM audit_logs WHERE type = 'api_key.created' LIMIT 1`)
	var rows []map[string]string
	if err := json.Unmarshal([]byte(stdout), &rows); code != exitOK || err != nil || len(rows) != 1 || !json.Valid([]byte(rows[0]["api_key.created"])) {
		t.Errorf("query: exit %d, %v, %s%s", code, err, stdout, stderr)
	}
	if code, stdout, stderr := real(t, env, "query", "SELECT time, type, actor_email FROM events ORDER BY time DESC LIMIT 3"); code != exitOK || strings.Count(stdout, "\n") != 4 {
		t.Errorf("query: exit %d, %s%s", code, stdout, stderr)
	}
	if code, stdout, stderr := real(t, env, "validate"); code != exitOK || !strings.Contains(stdout, "openai/sqlite  sqlite  exactly once") {
		t.Errorf("validate: exit %d, %s%s", code, stdout, stderr)
	}
}

func TestBuiltinConfigurationNeedsAKey(t *testing.T) {
	inFolder(t, nil)
	for _, verb := range []string{"run", "check"} {
		code, _, stderr := real(t, nil, verb)
		if code != exitUsage || !strings.Contains(stderr, "environment variable OPENAI_ADMIN_KEY is not set (there is no connector.yaml here: set OPENAI_ADMIN_KEY") {
			t.Errorf("%s: exit %d, %s", verb, code, stderr)
		}
	}
}

func TestSQLiteAndFileFromOneConfiguration(t *testing.T) {
	inFolder(t, map[string]string{"connector.yaml": `
sources:
  - name: acme
    type: openai
    config: { admin_key: "${env:OPENAI_ADMIN_KEY}", base_url: "${env:OPENAI_BASE_URL}", requests_per_second: 100 }
sinks:
  - { name: db, type: sqlite, config: { path: audit.db } }
  - { name: lines, type: file, config: { path: audit.jsonl } }
  - { name: logins, type: file, config: { path: logins.jsonl }, filter: { types: ["login.*"] } }
`})
	_, env := simulator(t, openaisim.Config{Seed: 2, Events: 2000, Faults: openaisim.Faults{ErrorRate: 0.02}})
	for range 2 {
		if code, _, stderr := real(t, env, "run", "--once", "--log-level", "error"); code != exitOK {
			t.Fatalf("run: exit %d, %s", code, stderr)
		}
	}
	lines := func(name string) int {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Count(data, []byte("\n"))
	}
	if got := lines("audit.jsonl"); got != 2000 {
		t.Errorf("%d lines, want 2000", got)
	}
	if got := lines("logins.jsonl"); got == 0 || got >= 2000 {
		t.Errorf("%d logins", got)
	}
	if code, stdout, stderr := real(t, env, "query", "-o", "csv", "SELECT count(*) FROM audit_logs"); code != exitOK || stdout != "count(*)\n2000\n" {
		t.Errorf("query: exit %d, %s%s", code, stdout, stderr)
	}
}

func TestRefusedKeyEndsRunOnce(t *testing.T) {
	inFolder(t, nil)
	_, env := simulator(t, openaisim.Config{Events: 5, EchoKey: true})
	env["OPENAI_ADMIN_KEY"] = "sk-proj-" + hidden
	code, stdout, stderr := real(t, env, "run", "--once", "--log-level", "debug")
	if code != exitFailure || strings.Contains(stdout+stderr, hidden) {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
}

func TestNoAuditDataRestsOutsideTheDestinations(t *testing.T) {
	inFolder(t, map[string]string{"connector.yaml": `
sources:
  - name: acme
    type: openai
    config: { admin_key: "${env:OPENAI_ADMIN_KEY}", base_url: "${env:OPENAI_BASE_URL}", requests_per_second: 1000 }
checkpoint: { path: state/checkpoint.db }
log: { level: debug }
sinks:
  - { name: lines, type: file, config: { path: out/audit.jsonl } }
`})
	_, env := simulator(t, openaisim.Config{Seed: 1, Events: 500})
	code, stdout, stderr := real(t, env, "run", "--once")
	if code != exitOK {
		t.Fatalf("run: exit %d, %s", code, stderr)
	}
	told := stdout + stderr
	entries, err := os.ReadDir("state")
	if err != nil || len(entries) == 0 {
		t.Fatal("no checkpoint", err)
	}
	for _, e := range entries {
		if b, err := os.ReadFile("state/" + e.Name()); err == nil {
			told += string(b)
		}
	}
	exported, err := os.ReadFile("out/audit.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for _, personal := range []string{"@example.", "Mozilla/5.0", "203.0.113."} {
		if !bytes.Contains(exported, []byte(personal)) {
			t.Errorf("the destination has no %s: this test proves nothing", personal)
		}
		if strings.Contains(told, personal) {
			t.Errorf("%s is in the checkpoint or the log", personal)
		}
	}
}
