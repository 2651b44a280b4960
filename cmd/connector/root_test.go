package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"auditlog-connector/pipeline"
)

func TestUsageErrors(t *testing.T) {
	for line, want := range map[string]string{
		"rnu":                     `unknown command "rnu"`,
		"run --onec":              "unknown flag: --onec",
		"run now":                 `unknown command "now" for "connector run"`,
		"validate -o xml":         "unknown format",
		"version --output jso":    "did you mean json?",
		"simulate --events x":     "invalid argument",
		"simulate --late 2":       "late 2: want a share",
		"simulate --events -1":    "events -1",
		"run --config":            "flag needs an argument",
		"query --log-level x sql": "--log-level",

		"checkpoint resolve --as absent":            `required flag(s) "lane" not set`,
		"checkpoint resolve --lane a/b --as maybe":  "want committed or absent",
		"checkpoint reset --lane a/b":               "--start",
		"checkpoint reset --lane a/b --start later": "want earliest, now, or a time",
		"checkpoint shwo":                           `unknown command "shwo" for "connector checkpoint"`,
		"quarantine retry":                          "name batches, or a lane",
	} {
		t.Run(line, func(t *testing.T) {
			w := newWorld(t)
			if code := w.exec(t.Context(), strings.Fields(line)...); code != exitUsage || !strings.Contains(w.err.String(), want) || w.out.Len() > 0 {
				t.Errorf("exit %d, want 2 and %q:\n%s%s", code, want, &w.err, &w.out)
			}
		})
	}
}

func TestEveryVerbHasHelpWithAnExample(t *testing.T) {
	w := newWorld(t)
	var verbs []string
	var add func(prefix string, c *cobra.Command)
	add = func(prefix string, c *cobra.Command) {
		for _, c := range c.Commands() {
			if c.Name() == "completion" || c.Name() == "help" {
				continue // cobra's own
			}
			verbs = append(verbs, prefix+c.Name())
			add(prefix+c.Name()+" ", c)
		}
	}
	add("", w.command())
	if !slices.Contains(verbs, "checkpoint reset") {
		t.Errorf("verbs: %v", verbs)
	}
	for _, verb := range append(verbs, "") {
		args := append(strings.Fields(verb), "--help")
		if code := w.exec(t.Context(), args...); code != exitOK || !strings.Contains(w.out.String(), "Examples:\n  ") {
			t.Errorf("%v: exit %d, %s%s", args, code, &w.out, &w.err)
		}
	}
	golden(t, "testdata/help.txt", w.out.String())
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		w := newWorld(t)
		if code := w.exec(t.Context(), "completion", shell); code != exitOK || w.out.Len() < 100 {
			t.Errorf("%s: exit %d, %d bytes, %s", shell, code, w.out.Len(), &w.err)
		}
	}
	w := newWorld(t)
	if code := w.exec(t.Context(), cobra.ShellCompRequestCmd, "query", "-o", ""); code != exitOK || !strings.HasPrefix(w.out.String(), "table\njson\ncsv\n") {
		t.Errorf("formats: exit %d, %s", code, &w.out)
	}
}

func TestVersion(t *testing.T) {
	w := newWorld(t)
	if code := w.exec(t.Context(), "version"); code != exitOK || !strings.HasPrefix(w.out.String(), "connector ") {
		t.Errorf("exit %d, %s", code, &w.out)
	}
	var v versionInfo
	if code := w.exec(t.Context(), "version", "-o", "json"); code != exitOK {
		t.Errorf("exit %d", code)
	}
	if err := json.Unmarshal(w.out.Bytes(), &v); err != nil || v.Version == "" || v.Go == "" {
		t.Errorf("%v, %+v", err, v)
	}
}

func TestExitCode(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped{syscall.SIGTERM})
	for name, tt := range map[string]struct {
		ctx   context.Context
		err   error
		begun bool
		want  int
	}{
		"done":                  {t.Context(), nil, true, 0},
		"failed":                {t.Context(), errors.New("x"), true, 1},
		"command line":          {t.Context(), errors.New("x"), false, 2},
		"configuration":         {t.Context(), fmt.Errorf("x: %w", usage(errors.New("y"))), true, 2},
		"interrupted":           {ctx, fmt.Errorf("query: %w", context.Canceled), true, 143},
		"cancelled, no signal":  {t.Context(), context.Canceled, true, 1},
		"failed while stopping": {ctx, errors.New("x"), true, 1},
	} {
		if got := exitCode(tt.ctx, tt.err, tt.begun); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
	for err, want := range map[error]int{
		pipeline.ErrInDoubt: 3, pipeline.ErrHistoryLost: 3, pipeline.ErrCorrupt: 3, pipeline.ErrForeignEpoch: 3,
		pipeline.ErrFenced: 1, pipeline.ErrRefused: 1,
	} {
		if got := onceCode(errors.Join(errors.New("x"), fmt.Errorf("lane: %w", err))); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}

func TestSimulateServesUntilItIsStopped(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	w := newWorld(t)
	out := make(lineWriter, 1)
	w.stdout = out
	code := make(chan int)
	go func() {
		code <- w.exec(ctx, "simulate", "--listen", "127.0.0.1:0", "--events", "5", "--admin-key", "sk-admin-test")
	}()
	var line string
	select {
	case line = <-out:
	case c := <-code:
		t.Fatalf("exit %d, %s", c, &w.err)
	case <-time.After(10 * time.Second):
		t.Fatal("it does not say where it serves")
	}
	m := regexp.MustCompile(`^export OPENAI_BASE_URL=(http://\S+/v1) OPENAI_ADMIN_KEY=sk-admin-test\n$`).FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("it says %q", line)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, m[1]+"/organization/audit_logs", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer sk-admin-test")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %s", resp.Status)
	}
	cancel(stopped{syscall.SIGINT})
	if got := <-code; got != exitOK {
		t.Errorf("exit %d, %s", got, &w.err)
	}
}

// lineWriter sends what is written to a channel.
type lineWriter chan string

func (w lineWriter) Write(p []byte) (int, error) { w <- string(p); return len(p), nil }
