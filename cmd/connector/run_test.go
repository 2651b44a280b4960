package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint"
)

const runConfig = `
sources:
  - { name: a, type: fake, config: { key: "${env:KEY}", count: 25 } }
  - { name: unused, type: fake, config: { key: "${env:KEY}" } }
sinks:
  - { name: all, type: memory, sources: [a], config: { path: all } }
  - { name: logins, type: memory, sources: [a], config: { path: logins }, filter: { types: ["login.*"] } }
`

func runWorld(t *testing.T, config string) *world {
	t.Helper()
	inFolder(t, map[string]string{"c.yaml": config})
	w := newWorld(t)
	w.env["KEY"] = hidden
	return w
}

func TestRunOnceDeliversEverythingOnce(t *testing.T) {
	w := runWorld(t, runConfig)
	for range 2 {
		if code := w.exec(t.Context(), "run", "-c", "c.yaml", "--once"); code != exitOK {
			t.Fatalf("exit %d, %s", code, &w.err)
		}
	}
	if got := len(w.delivered["all"]); got != 25 {
		t.Errorf("%d events delivered, want 25", got)
	}
	logins := w.delivered["logins"]
	slices.Sort(logins)
	if want := []string{"event-0003", "event-0013", "event-0023"}; !slices.Equal(logins, want) {
		t.Errorf("logins = %v, want %v", logins, want)
	}
	if want := []string{"lane a/logins", "lane a/all", "source a"}; !slices.Equal(w.closed[:3], want) {
		t.Errorf("closed %v, want %v", w.closed[:3], want)
	}
	if !strings.Contains(w.err.String(), `"msg":"finished"`) {
		t.Errorf("log without a terminal is not JSON: %s", &w.err)
	}
	if !strings.Contains(w.err.String(), `"path":"sources[1].name","problem":"source \"unused\" feeds no sink`) {
		t.Errorf("the warning is not in the log: %s", &w.err)
	}
	if w.out.Len() > 0 {
		t.Errorf("standard output: %s", &w.out)
	}
	for _, path := range []string{"connector-data/checkpoint.db", "connector-data"} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm() &^ 0o700; got != 0 {
			t.Errorf("%s: others may use it: %v", path, info.Mode())
		}
	}
}

func TestRunStopsOnRequest(t *testing.T) {
	w := runWorld(t, runConfig)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	w.deliver = func(pipeline.Batch) error { cancel(stopped{syscall.SIGTERM}); return nil }
	if code := w.exec(ctx, "run", "-c", "c.yaml"); code != exitOK {
		t.Errorf("exit %d, %s", code, &w.err)
	}
	if !strings.Contains(w.err.String(), "stopped by terminated") {
		t.Errorf("the log does not say why: %s", &w.err)
	}
}

func TestRunExitCodes(t *testing.T) {
	inDoubt := func(pipeline.Batch) error { return errors.New("connection reset") }
	one := func(source, sink string) string {
		return "sources: [{name: a, type: fake, config: {key: '${env:KEY}'" + source + "}}]\nsinks: [{name: b, type: memory" + sink + "}]\n"
	}
	for name, tt := range map[string]struct {
		config  string
		prepare func(t *testing.T, w *world)
		code    int
		want    string
	}{
		"in doubt, halt": {one("", ", in_doubt: halt"), func(_ *testing.T, w *world) { w.deliver = inDoubt }, exitOperator, "a/b: "},
		"key refused":    {one(", fail: refuse", ""), nil, exitFailure, "an admin key is needed"},
		"foreign epoch":  {one("", ", config: {fail: epoch}"), nil, exitOperator, "belongs to another checkpoint"},
		"refused for good": {one("", ""), func(_ *testing.T, w *world) {
			w.deliver = func(pipeline.Batch) error { return pipeline.Permanent(errors.New("no such table")) }
		}, exitFailure, "no such table"},
		"source does not open": {one(", fail: open", ""), nil, exitFailure, "open source a: cannot open"},
		"sink does not open":   {one("", ", config: {fail: open}"), nil, exitFailure, "open lane a/b: cannot open"},
		"checkpoint in use": {one("", ""), func(t *testing.T, _ *world) {
			f, err := checkpoint.Open("connector-data/checkpoint.db")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = f.Close() })
		}, exitFailure, "is another connector running with it?"},
		"checkpoint not readable": {one("", ""), func(t *testing.T, _ *world) {
			if err := errors.Join(os.Mkdir("connector-data", 0o700), os.WriteFile("connector-data/checkpoint.db", make([]byte, 1<<16), 0o600)); err != nil {
				t.Fatal(err)
			}
		}, exitOperator, "checkpoint.db"},
	} {
		t.Run(name, func(t *testing.T) {
			w := runWorld(t, tt.config)
			if tt.prepare != nil {
				tt.prepare(t, w)
			}
			code := w.exec(t.Context(), "run", "-c", "c.yaml", "--once", "--log-level", "error")
			if code != tt.code || !strings.Contains(w.err.String(), tt.want) {
				t.Errorf("exit %d, want %d and %q:\n%s", code, tt.code, tt.want, &w.err)
			}
			opened := len(w.closed)
			if tt.want != "open source a: cannot open" && opened == 0 {
				t.Error("nothing was closed")
			}
		})
	}
}

func TestRunNeverShowsASecret(t *testing.T) {
	w := runWorld(t, runConfig+"log: { level: debug }\n")
	if code := w.exec(t.Context(), "run", "-c", "c.yaml", "--once"); code != exitOK {
		t.Fatalf("exit %d", code)
	}
	if strings.Contains(w.err.String()+w.out.String(), hidden) {
		t.Errorf("the secret is in the output:\n%s", &w.err)
	}
}

func TestLogLevelOnTheCommandLineWins(t *testing.T) {
	w := runWorld(t, runConfig+"log: { level: debug }\n")
	if code := w.exec(t.Context(), "run", "-c", "c.yaml", "--once", "--log-level", "error"); code != exitOK || strings.Contains(w.err.String(), `"level"`) {
		t.Errorf("exit %d, %s", code, &w.err)
	}
	if code := w.exec(t.Context(), "run", "-c", "c.yaml", "--log-level", "loud"); code != exitUsage || !strings.Contains(w.err.String(), "--log-level") {
		t.Errorf("exit %d, %s", code, &w.err)
	}
}

func TestValidateWarnsOfForgottenLanes(t *testing.T) {
	w := runWorld(t, runConfig)
	if code := w.exec(t.Context(), "run", "-c", "c.yaml", "--once"); code != exitOK {
		t.Fatalf("exit %d, %s", code, &w.err)
	}
	renamed := strings.ReplaceAll(runConfig, "name: logins", "name: logons")
	if err := os.WriteFile("c.yaml", []byte(renamed), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := w.exec(t.Context(), "validate", "-c", "c.yaml"); code != exitOK {
		t.Fatalf("exit %d, %s", code, &w.err)
	}
	if !strings.Contains(w.err.String(), "has lane a/logins, which the configuration has not any more") || strings.Contains(w.err.String(), "a/all") {
		t.Errorf("warnings: %s", &w.err)
	}
}

func TestQuarantineLiesBesideTheCheckpoint(t *testing.T) {
	w := runWorld(t, strings.Replace(runConfig, "path: all }", "path: all }, on_reject: quarantine", 1)+"checkpoint: { path: state/c.db }\n")
	w.deliver = func(b pipeline.Batch) error {
		if strings.HasSuffix(b.ID.Lane, "/all") {
			return &pipeline.RejectedError{Records: map[int]error{0: errors.New("too long")}}
		}
		return nil
	}
	if code := w.exec(t.Context(), "run", "-c", "c.yaml", "--once"); code != exitOK {
		t.Fatalf("exit %d, %s", code, &w.err)
	}
	files, err := filepath.Glob("state/quarantine/a/all/*.avro")
	if err != nil || len(files) != 1 {
		t.Errorf("quarantine: %v, %v", files, err)
	}
}

func TestProgress(t *testing.T) {
	began := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	at := func(d time.Duration) *time.Time { x := began.Add(d); return &x }
	lanes := func(l ...pipeline.LaneStatus) pipeline.Status { return pipeline.Status{Lanes: l} }
	p := progress{once: true}
	empty := pipeline.LaneStatus{State: "catching_up", Reached: at(-2000 * time.Hour)}
	if got, want := p.text(lanes(empty), began.Add(-time.Minute)), "no events yet, at 2026-08-30 16:00"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	resumed := pipeline.LaneStatus{Read: 200, State: "in_doubt"}
	if got, want := p.text(lanes(resumed), began.Add(-10*time.Second)), "200 read, 0 delivered"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	first := pipeline.LaneStatus{Read: 1500, Delivered: 1000, State: "catching_up", Reached: at(-100 * time.Hour)}
	if got, want := p.text(lanes(first), began), "1,500 read, 1,000 delivered, at 2026-11-17 20:00"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	later := pipeline.LaneStatus{Read: 1234567, Delivered: 1001000, State: "catching_up", Reached: at(-50 * time.Hour)}
	ahead := pipeline.LaneStatus{State: "halted", Reached: at(-time.Hour)}
	st := lanes(later, ahead)
	st.Sources = []pipeline.SourceStatus{{Name: "a", State: "ok"}, {Name: "b", State: "failing"}}
	want := "1,234,567 read, 1,001,000 delivered, 100,000/s, at 2026-11-19 22:00, about 10s left, 1 of 2 lanes halted, source b failing"
	if got := p.text(st, began.Add(10*time.Second)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestProgressOfALongRunIsShownWhileLanesAreBehind(t *testing.T) {
	began := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	reached := began.Add(-time.Hour)
	behind := pipeline.Status{Lanes: []pipeline.LaneStatus{{State: "following"}, {State: "catching_up", Read: 10, Reached: &reached}}}
	following := pipeline.Status{Lanes: []pipeline.LaneStatus{{State: "following"}, {State: "following", Read: 10}}}
	var p progress
	for i, step := range []struct {
		at    time.Duration
		st    pipeline.Status
		shown bool
	}{{0, behind, false}, {time.Second, behind, false}, {3 * time.Second, behind, true}, {4 * time.Second, following, false}, {5 * time.Second, behind, false}, {8 * time.Second, behind, true}} {
		if got := p.text(step.st, began.Add(step.at)); (got != "") != step.shown {
			t.Errorf("step %d: %q, shown %v", i, got, step.shown)
		}
	}
}

func TestStatusLineStaysBelowTheLog(t *testing.T) {
	var out strings.Builder
	l := &statusLine{w: &out}
	l.draw("one")
	l.draw("two")
	if _, err := l.Write([]byte("log\n")); err != nil {
		t.Fatal(err)
	}
	l.draw("three")
	l.draw("")
	l.draw("")
	if got, want := out.String(), "one\r\x1b[Ktwo\r\x1b[Klog\nthree\r\x1b[K"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
