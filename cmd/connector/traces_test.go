package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/internal/tracing/tracingtest"
)

const tracedConfig = `
sources:
  - name: acme
    type: openai
    config: { admin_key: "${env:OPENAI_ADMIN_KEY}", base_url: "${env:OPENAI_BASE_URL}", requests_per_second: 1000 }
http: { listen: "" }
log: { level: debug }
sinks:
  - { name: db, type: sqlite, config: { path: audit.db } }
  - { name: lines, type: file, config: { path: audit.jsonl } }
`

// tracedProgram is the program as another process, in a folder of its own.
type tracedProgram struct {
	cmd *exec.Cmd
	log syncBuffer
}

// startTraced starts the program with env and with no other variable that concerns traces.
func startTraced(t *testing.T, env map[string]string, args ...string) *tracedProgram {
	t.Helper()
	p := &tracedProgram{cmd: exec.CommandContext(t.Context(), os.Args[0], append([]string{"run"}, args...)...)}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = t.TempDir(), &p.log, &p.log
	if err := os.WriteFile(p.file("connector.yaml"), []byte(tracedConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	p.cmd.Env = []string{runMain + "=1", "HOME=" + p.cmd.Dir}
	for name, value := range env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *tracedProgram) file(name string) string { return filepath.Join(p.cmd.Dir, name) }

// lines returns what the destination "lines" holds.
func (p *tracedProgram) lines() []byte {
	text, _ := os.ReadFile(p.file("audit.jsonl")) // it may not be there yet
	return text
}

// ends waits for the end and checks that it is a good one.
func (p *tracedProgram) ends(t *testing.T) {
	t.Helper()
	done := make(chan int, 1)
	go func() { done <- exit(t, p.cmd) }()
	select {
	case code := <-done:
		if code != exitOK {
			t.Fatalf("exit %d: %s", code, p.log.String())
		}
	case <-time.After(time.Minute):
		t.Fatalf("it does not end: %s", p.log.String())
	}
}

func TestTraceGoesFromThePageToTheDelivery(t *testing.T) {
	const events = 1500
	sim, env := simulator(t, openaisim.Config{Seed: 5, Events: events, Faults: openaisim.Faults{ErrorRate: 0.1}})
	c := tracingtest.Start(t, nil)
	env["OTEL_TRACES_EXPORTER"], env["OTEL_EXPORTER_OTLP_ENDPOINT"], env["OTEL_EXPORTER_OTLP_HEADERS"] = "otlp", c.URL, "x-token="+hidden
	p := startTraced(t, env, "--once")
	p.ends(t)

	pages, batches := make(map[string]tracingtest.Span), make(map[string]tracingtest.Span)
	failed, delivered := 0, make(map[any]int64)
	for _, s := range c.Spans() {
		switch s.Name {
		case "page":
			pages[s.ID] = s
			if s.Failed {
				failed++
			} else if s.Attrs["http.response.status_code"] != int64(200) || s.Attrs["connector.page.bytes"] == int64(0) {
				t.Errorf("page: %v", s.Attrs)
			}
		case "batch":
			batches[s.ID] = s
			delivered[s.Attrs["connector.lane"]] += s.Attrs["connector.batch.events"].(int64)
		}
	}
	if delivered["acme/db"] != events || delivered["acme/lines"] != events || len(delivered) != 2 {
		t.Errorf("events in batches: %v, want %d for each lane", delivered, events)
	}
	if failed == 0 || len(pages) < events/100 {
		t.Errorf("%d pages, %d failed: too few", len(pages), failed)
	}
	links := 0
	for _, b := range batches {
		first, ok := pages[b.Parent]
		if !ok || first.Trace != b.Trace {
			t.Errorf("the batch is not in the trace of a page: %+v", b)
		}
		for _, l := range b.Links {
			if links++; pages[l].ID == "" {
				t.Errorf("the batch links to %s, which is no page", l)
			}
		}
	}
	if links == 0 {
		t.Error("no batch has links")
	}
	deliveries := 0
	for _, s := range c.Spans() {
		if s.Name != "delivery" {
			continue
		}
		deliveries++
		b, ok := batches[s.Parent]
		kind := map[any]string{"acme/db": "sqlite", "acme/lines": "file"}[s.Attrs["connector.lane"]]
		if !ok || b.Trace != s.Trace || s.Attrs["connector.sink.type"] != kind || s.Attrs["connector.delivery.outcome"] != "delivered" {
			t.Errorf("delivery: %+v", s)
		}
	}
	if deliveries != len(batches) {
		t.Errorf("%d deliveries of %d batches", deliveries, len(batches))
	}
	noContents(t, sim, env, p, c.Bodies())
}

// noContents checks that nothing of an entry, and no credential or address, is in what
// was exported or logged.
func noContents(t *testing.T, sim *openaisim.Server, env map[string]string, p *tracedProgram, exported []byte) {
	t.Helper()
	lines := p.lines()
	if len(exported) < 10_000 || !bytes.Contains(exported, []byte("acme/db/")) {
		t.Errorf("%d bytes are exported, without a batch: this proves nothing", len(exported))
	}
	words := []string{"@example.", "Mozilla/5.0", "203.0.113.", "api_key.", "login."}
	for e := range sim.Events() {
		words = append(words, e.ID)
	}
	for _, w := range words {
		if !bytes.Contains(lines, []byte(w)) {
			t.Errorf("the destination has no %s: this proves nothing", w)
		}
		if bytes.Contains(exported, []byte(w)) {
			t.Fatalf("%s is in what was exported", w)
		}
	}
	for _, w := range []string{env["OPENAI_ADMIN_KEY"], strings.TrimPrefix(env["OPENAI_BASE_URL"], "http://"), hidden} {
		if bytes.Contains(exported, []byte(w)) {
			t.Errorf("%s is in what was exported", w)
		}
	}
	if strings.Contains(p.log.String(), hidden) {
		t.Error("a header of the exporter is in the log")
	}
}

func TestNoTracesUnlessAskedFor(t *testing.T) {
	c := tracingtest.Start(t, nil)
	for name, vars := range map[string]map[string]string{
		"nothing is set": nil,
		"disabled":       {"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_SDK_DISABLED": "true"},
		"no exporter":    {"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_TRACES_EXPORTER": "none"},
		"for metrics":    {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": c.URL},
	} {
		t.Run(name, func(t *testing.T) {
			_, env := simulator(t, openaisim.Config{Seed: 5, Events: 10})
			for k, v := range vars {
				env[k] = v
			}
			p := startTraced(t, env, "--once")
			p.ends(t)
			if n := c.Asked(); n > 0 {
				t.Errorf("%d requests to a collector", n)
			}
			if log := p.log.String(); strings.Contains(log, "trac") || strings.Contains(log, "OTEL_") || !strings.Contains(log, `"msg":"finished"`) {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// Whatever is wrong with traces, events are delivered and the end comes.
func TestTracesThatCannotBeSentDelayNothing(t *testing.T) {
	const events = 500
	release := make(chan struct{})
	hanging := tracingtest.Start(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(sync.OnceFunc(func() { close(release) })) // before the server is closed, which waits
	away := httptest.NewServer(nil)
	away.Close()
	for name, tt := range map[string]struct {
		vars map[string]string
		want string
	}{
		"the collector hangs":   {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": hanging.URL}, `"level":"WARN","msg":"traces not exported before the end"`},
		"the collector is away": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": away.URL}, `"level":"WARN","msg":"traces not exported"`},
		"a protocol that is not there": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": hanging.URL, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
			`"level":"WARN","msg":"environment variable not usable","variable":"OTEL_EXPORTER_OTLP_PROTOCOL"`},
		"no address": {map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": hidden},
			`"level":"WARN","msg":"environment variable not usable","variable":"OTEL_EXPORTER_OTLP_ENDPOINT"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, env := simulator(t, openaisim.Config{Seed: 5, Events: events})
			for k, v := range tt.vars {
				env[k] = v
			}
			// An hour is longer than any test: only our own bound ends a request.
			env["OTEL_EXPORTER_OTLP_TIMEOUT"], env["OTEL_BSP_EXPORT_TIMEOUT"] = "3600000", "3600000"
			env["OTEL_BSP_MAX_QUEUE_SIZE"], env["OTEL_BSP_SCHEDULE_DELAY"] = "4", "1"
			p := startTraced(t, env)
			eventually(t, "all is delivered", p.log.String, func() bool { return bytes.Count(p.lines(), []byte("\n")) == events })
			if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			p.ends(t)
			if log := p.log.String(); !strings.Contains(log, tt.want) || strings.Contains(log, hidden) || !strings.Contains(log, `"msg":"stopped"`) {
				t.Errorf("want %s in the log: %s", tt.want, log)
			}
		})
	}
	if hanging.Asked() == 0 {
		t.Error("nobody asked the collector that hangs: this proves nothing")
	}
}
