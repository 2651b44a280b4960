package main

import (
	"net"
	"os"
	"strings"
	"testing"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/pipeline/checkpoint"
)

// TestWhollyDamagedCheckpoint does what the message says, until the lanes go on.
func TestWhollyDamagedCheckpoint(t *testing.T) {
	inFolder(t, map[string]string{"connector.yaml": badConfig})
	_, env := simulator(t, openaisim.Config{Seed: 1, Events: 200})
	must := func(want int, args ...string) (stdout, stderr string) {
		t.Helper()
		code, stdout, stderr := real(t, env, args...)
		if code != want {
			t.Fatalf("%v: exit %d, want %d: %s%s", args, code, want, stdout, stderr)
		}
		return stdout, stderr
	}
	must(exitOK, "run", "--once")
	info, err := os.Stat("state/checkpoint.db")
	if err != nil {
		t.Fatal(err)
	}
	write(t, "state/checkpoint.db", strings.Repeat("damage. ", int(info.Size()/8)))

	const hint = "restore it and state/checkpoint.db.generation from one backup; or move both aside and start with an empty one: the destinations then refuse their lanes"
	for _, args := range [][]string{{"run", "--once"}, {"checkpoint", "show"}, {"checkpoint", "reset", "--lane", "acme/db", "--start", "earliest", "--yes"}} {
		code := exitFailure
		if args[0] == "run" {
			code = exitOperator
		}
		if _, stderr := must(code, args...); !strings.Contains(stderr, hint) {
			t.Errorf("%v says %s", args, stderr)
		}
	}
	stdout, _ := must(exitOK, "status")
	if !strings.Contains(stdout, "nothing can be told: checkpoint state/checkpoint.db: ") || strings.Contains(stdout, "nothing was exported") ||
		!strings.Contains(stdout, "acme/db  unknown") || strings.Count(stdout, "move both aside") != 1 {
		t.Errorf("status: %s", stdout)
	}
	if stdout, _ := must(exitOK, "status", "-o", "json"); !strings.Contains(stdout, `"problem": "checkpoint state/checkpoint.db: `) || strings.Contains(stdout, "nothing was exported") {
		t.Errorf("status: %s", stdout)
	}

	for _, name := range []string{"state/checkpoint.db", "state/checkpoint.db.generation"} {
		if err := os.Rename(name, name+".damaged"); err != nil {
			t.Fatal(err)
		}
	}
	_, stderr := must(exitOperator, "run", "--once")
	_, command, ok := strings.Cut(stderr, "connector checkpoint reset ")
	command, _, _ = strings.Cut(command, ";")
	if !ok || command != "--lane acme/db --start earliest --takeover" {
		t.Fatalf("the hint is no command: %q in %s", command, stderr)
	}
	must(exitOK, append(strings.Fields("checkpoint reset --yes"), strings.Fields(command)...)...)
	must(exitOK, "run", "--once")
	if stdout, _ := must(exitOK, "query", "-o", "csv", "SELECT count(*), count(DISTINCT id) FROM audit_logs"); stdout != "count(*),count(DISTINCT id)\n200,200\n" {
		t.Errorf("rows: %s", stdout)
	}
}

func TestSecondProcessIsToldOfTheLockNotOfTheAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w := runWorld(t, runConfig+"http: { listen: \""+l.Addr().String()+"\" }\n")
	held, err := checkpoint.Open("connector-data/checkpoint.db")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	for _, args := range [][]string{{"run", "-c", "c.yaml"}, {"run", "-c", "c.yaml", "--once"}} {
		if code := w.exec(t.Context(), args...); code != exitFailure || !strings.Contains(w.err.String(), "the file is locked") || strings.Contains(w.err.String(), "http.listen") {
			t.Errorf("%v: exit %d, %s", args, code, &w.err)
		}
	}
}
