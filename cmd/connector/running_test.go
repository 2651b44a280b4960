package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/pipeline"
)

// syncBuffer is a buffer for a program that runs beside the test.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// exporter is a "run" in a goroutine.
type exporter struct {
	log  *syncBuffer
	stop func() int // stops it and returns the exit code; may be called again
}

// startRun starts "run" with what a has, and stops it when the test ends.
func startRun(t *testing.T, a *app, args ...string) *exporter {
	t.Helper()
	e := &exporter{log: &syncBuffer{}}
	running := *a
	running.stdout, running.stderr = io.Discard, e.log
	ctx, cancel := context.WithCancelCause(context.Background())
	code := make(chan int, 1)
	go func() { code <- running.run(ctx, append([]string{"run"}, args...)) }()
	e.stop = sync.OnceValue(func() int {
		cancel(stopped{syscall.SIGTERM})
		return <-code
	})
	t.Cleanup(func() { e.stop() })
	return e
}

// eventually waits until f is true.
func eventually(t *testing.T, what string, log func() string, f func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline.C:
			t.Fatalf("not in 20 s: %s\n%s", what, log())
		case <-tick.C:
		}
	}
}

var servedAt = regexp.MustCompile(`"url":"(http://[^"]+)/"`)

// url returns where the exporter serves.
func (e *exporter) url(t *testing.T) string {
	t.Helper()
	eventually(t, "the endpoint is served", e.log.String, func() bool { return servedAt.MatchString(e.log.String()) })
	return servedAt.FindStringSubmatch(e.log.String())[1]
}

func fetchText(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

var sample1 = regexp.MustCompile(`(?m)^connector_lane_events_(total|in_flight)\{lane="([^"]+)"(?:,result="([^"]+)")?\} (\S+)$`)

// conserved checks one scrape and returns how many entries each lane delivered.
func conserved(t *testing.T, metrics string) map[string]float64 {
	t.Helper()
	read, rest, delivered := map[string]float64{}, map[string]float64{}, map[string]float64{}
	for _, m := range sample1.FindAllStringSubmatch(metrics, -1) {
		n, err := strconv.ParseFloat(m[4], 64)
		if err != nil {
			t.Fatal(err)
		}
		switch m[3] {
		case "read":
			read[m[2]] = n
			continue
		case "delivered":
			delivered[m[2]] = n
		}
		rest[m[2]] += n
	}
	for lane, n := range read {
		if rest[lane] != n {
			t.Errorf("lane %s: read %v, and the others are %v", lane, n, rest[lane])
		}
	}
	return delivered
}

const scrapedConfig = `
sources:
  - name: acme
    type: openai
    config: { admin_key: "${env:OPENAI_ADMIN_KEY}", base_url: "${env:OPENAI_BASE_URL}", requests_per_second: 200 }
pipeline: { poll_interval: 1s, sweep_interval: 2s }
http: { listen: "127.0.0.1:0" }
sinks:
  - { name: db, type: sqlite, config: { path: audit.db }, batch: { max_events: 50, max_age: 100ms } }
  - { name: lines, type: file, config: { path: audit.jsonl }, batch: { max_events: 70, max_age: 100ms }, buffer: 80 }
  - { name: logins, type: file, config: { path: logins.jsonl }, filter: { types: ["login.*"] } }
`

func TestNothingDisappearsBetweenTwoScrapes(t *testing.T) {
	inFolder(t, map[string]string{"connector.yaml": scrapedConfig})
	const events = 1500
	_, env := simulator(t, openaisim.Config{
		Seed: 3, Events: events, Rate: 40, Backfill: 0.1, BackfillWithin: 3 * time.Second, Faults: openaisim.Faults{ErrorRate: 0.05},
	})
	a := &app{
		stdin: strings.NewReader(""), now: time.Now, sources: sourceTypes(), sinks: sinkTypes(),
		lookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	}
	e := startRun(t, a)
	url := e.url(t)
	scrapes := 0
	eventually(t, "all that was there is delivered", e.log.String, func() bool {
		code, metrics := fetchText(t, url+"/metrics")
		if code != http.StatusOK {
			t.Fatalf("metrics: %d", code)
		}
		scrapes++
		delivered := conserved(t, metrics)
		return t.Failed() || delivered["acme/db"] > events && delivered["acme/lines"] > events && delivered["acme/logins"] > 0
	})
	if scrapes < 10 {
		t.Errorf("%d scrapes are too few to prove anything", scrapes)
	}
	if code, body := fetchText(t, url+"/readyz"); code != http.StatusOK {
		t.Errorf("readyz: %d %s", code, body)
	}
	if code := e.stop(); code != exitOK {
		t.Errorf("exit %d: %s", code, e.log)
	}
}

const operatedConfig = `
sources: [{ name: a, type: fake, config: { key: "${env:KEY}", count: 25 } }]
pipeline: { drain_timeout: 1s }
http: { listen: "" }
sinks:
  - { name: b, type: memory, in_doubt: halt, on_reject: quarantine, config: { path: b, marker: false } }
  - { name: c, type: memory, config: { path: c } }
`

// status asks "status -o json".
func (w *world) statusOf(t *testing.T, lane string) (operatorStatus, pipeline.LaneStatus) {
	t.Helper()
	if code := w.exec(t.Context(), "status", "-c", "c.yaml", "-o", "json"); code != exitOK {
		t.Fatalf("status: exit %d, %s", code, &w.err)
	}
	var st operatorStatus
	if err := json.Unmarshal(w.out.Bytes(), &st); err != nil {
		t.Fatalf("status: %v: %s", err, &w.out)
	}
	for _, l := range st.Lanes {
		if l.Lane == lane {
			return st, l
		}
	}
	t.Fatalf("status: no lane %s: %s", lane, &w.out)
	return st, pipeline.LaneStatus{}
}

// failFor makes deliveries to the lane fail until the returned function is called.
func (w *world) failFor(lane string, err error) (mend func()) {
	var mu sync.Mutex
	broken := true
	w.deliver = func(b pipeline.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		if broken && b.ID.Lane == lane {
			return err
		}
		return nil
	}
	return func() { mu.Lock(); defer mu.Unlock(); broken = false }
}

func TestOperatorRepairsARunningConnector(t *testing.T) {
	for as, want := range map[string]int{"absent": 25, "committed": 0} {
		t.Run(as, func(t *testing.T) {
			w := runWorld(t, operatedConfig)
			mend := w.failFor("a/b", io.ErrUnexpectedEOF)
			e := startRun(t, w.app, "-c", "c.yaml")
			eventually(t, "the lane is halted", e.log.String, func() bool { _, l := w.statusOf(t, "a/b"); return l.State == "halted" })
			st, l := w.statusOf(t, "a/b")
			if !st.Running || l.Reason == "" || !strings.Contains(l.Hint, "checkpoint resolve") {
				t.Errorf("status: %+v", l)
			}
			if code := w.exec(t.Context(), "status", "-c", "c.yaml"); code != exitOK || !strings.Contains(w.out.String(), "a/b   halted") {
				t.Errorf("exit %d, %s", code, &w.out)
			}
			if code := w.exec(t.Context(), "checkpoint", "show", "-c", "c.yaml", "--lane", "a/b"); code != exitOK || !strings.Contains(w.out.String(), "25 events of ") {
				t.Errorf("show: exit %d, %s%s", code, &w.out, &w.err)
			}
			mend()
			if code := w.exec(t.Context(), "checkpoint", "resolve", "-c", "c.yaml", "--lane", "a/b", "--as", as); code != exitOK || !strings.Contains(w.out.String(), "25 events of ") {
				t.Errorf("resolve: exit %d, %s%s", code, &w.out, &w.err)
			}
			eventually(t, "the lane follows", e.log.String, func() bool { _, l := w.statusOf(t, "a/b"); return l.State == "following" && l.InFlight == 0 })
			if code := e.stop(); code != exitOK {
				t.Errorf("exit %d", code)
			}
			if got := len(w.delivered["b"]); got != want {
				t.Errorf("%d events delivered, want %d", got, want)
			}
			if !strings.Contains(e.log.String(), "operator resolved a batch") {
				t.Error("the log does not say what was done")
			}
		})
	}
}

func TestOperatorResetsARunningLane(t *testing.T) {
	w := runWorld(t, operatedConfig)
	e := startRun(t, w.app, "-c", "c.yaml")
	eventually(t, "all is delivered", e.log.String, func() bool { _, l := w.statusOf(t, "a/b"); return l.Delivered == 25 })
	_, before := w.statusOf(t, "a/b")
	if code := w.exec(t.Context(), "checkpoint", "reset", "-c", "c.yaml", "--lane", "a/b", "--start", "earliest"); code != exitUsage || !strings.Contains(w.err.String(), "--yes") ||
		!strings.Contains(w.err.String(), "repeated: every event between then and ") {
		t.Errorf("without --yes: exit %d, %s", code, &w.err)
	}
	if code := w.exec(t.Context(), "checkpoint", "reset", "-c", "c.yaml", "--lane", "a/x", "--start", "earliest", "--yes"); code != exitUsage || !strings.Contains(w.err.String(), `there is no lane "a/x"; there are: a/b, a/c`) {
		t.Errorf("an unknown lane: exit %d, %s", code, &w.err)
	}
	if _, l := w.statusOf(t, "a/b"); l.Batch != before.Batch {
		t.Errorf("something was done: %s, %s", l.Batch, before.Batch)
	}
	if code := w.exec(t.Context(), "checkpoint", "reset", "-c", "c.yaml", "--lane", "a/b", "--start", "earliest", "--yes", "-o", "json"); code != exitOK {
		t.Errorf("reset: exit %d, %s", code, &w.err)
	}
	var after laneCheckpoint
	if err := json.Unmarshal(w.out.Bytes(), &after); err != nil || !after.Start.Equal(pipeline.Earliest) || strings.Contains(before.Batch, after.Epoch) {
		t.Errorf("%v, %+v", err, after)
	}
	eventually(t, "all is delivered again", e.log.String, func() bool { _, l := w.statusOf(t, "a/b"); return l.Delivered == 50 })
	if _, l := w.statusOf(t, "a/c"); l.Delivered != 25 {
		t.Errorf("the other lane delivered %d", l.Delivered)
	}
	if code := w.exec(t.Context(), "checkpoint", "reset", "-c", "c.yaml", "--lane", "a/b", "--start", "now", "--yes"); code != exitOK || !strings.Contains(w.err.String(), "missed: ") {
		t.Errorf("reset to now: exit %d, %s", code, &w.err)
	}
	e.stop()
	if got := len(w.delivered["b"]); got != 50 {
		t.Errorf("%d events delivered, want 50", got)
	}
}

func TestOperatorWorksOnWhatAStoppedConnectorLeft(t *testing.T) {
	w := runWorld(t, operatedConfig)
	if st, l := w.statusOf(t, "a/b"); st.Running || l.State != "stopped" {
		t.Errorf("before the first run: %+v", l)
	}
	if code := w.exec(t.Context(), "checkpoint", "show", "-c", "c.yaml"); code != exitFailure || !strings.Contains(w.err.String(), "there is no checkpoint at ./connector-data/checkpoint.db") {
		t.Errorf("show before the first run: exit %d, %s", code, &w.err)
	}
	mend := w.failFor("a/b", io.ErrUnexpectedEOF)
	if code := w.exec(t.Context(), "run", "-c", "c.yaml", "--once"); code != exitOperator {
		t.Fatalf("exit %d, %s", code, &w.err)
	}
	mend()
	st, l := w.statusOf(t, "a/b")
	if st.Running || l.State != "in_doubt" || l.InFlight != 25 || l.Batch == "" || l.LagSeconds <= 0 {
		t.Errorf("status: %+v", l)
	}
	if _, l := w.statusOf(t, "a/c"); l.State != "stopped" || len(l.Watermarks) != 1 || l.Batch == "" {
		t.Errorf("status of the other: %+v", l)
	}
	resolve := func(as string) int {
		return w.exec(t.Context(), "checkpoint", "resolve", "-c", "c.yaml", "--lane", "a/b", "--as", as, "-o", "json")
	}
	if code := resolve("gone"); code != exitUsage {
		t.Errorf("exit %d, %s", code, &w.err)
	}
	if code := resolve("absent"); code != exitOK {
		t.Errorf("exit %d, %s", code, &w.err)
	}
	var b preparedBatch
	if err := json.Unmarshal(w.out.Bytes(), &b); err != nil || b.Events != 25 || b.Batch == "" || b.Digest == "" || !b.First.Before(b.Last) {
		t.Errorf("%v, %+v", err, b)
	}
	if code := resolve("absent"); code != exitFailure || !strings.Contains(w.err.String(), "nothing to resolve") {
		t.Errorf("again: exit %d, %s", code, &w.err)
	}
	if code := w.exec(t.Context(), "run", "-c", "c.yaml", "--once"); code != exitOK || len(w.delivered["b"]) != 25 {
		t.Errorf("exit %d, %d delivered, %s", code, len(w.delivered["b"]), &w.err)
	}
	var all []laneCheckpoint
	if code := w.exec(t.Context(), "checkpoint", "show", "-c", "c.yaml", "-o", "json"); code != exitOK || json.Unmarshal(w.out.Bytes(), &all) != nil || len(all) != 2 {
		t.Fatalf("show: exit %d, %s", code, &w.out)
	}
	if c := all[0]; c.Lane != "a/b" || c.Next != 3 || c.Prepared != nil || c.Delivered != 25 || len(c.Streams) != 1 || len(c.Epoch) != 8 {
		t.Errorf("show: %+v", c)
	}
	if code := w.exec(t.Context(), "checkpoint", "reset", "-c", "c.yaml", "--lane", "a/b", "--start", "now", "--yes"); code != exitOK {
		t.Errorf("reset: exit %d, %s", code, &w.err)
	}
	if code := w.exec(t.Context(), "run", "-c", "c.yaml", "--once"); code != exitOK || len(w.delivered["b"]) != 25 {
		t.Errorf("exit %d, %d delivered, %s", code, len(w.delivered["b"]), &w.err)
	}
}

func TestStatusIsAnAnswerWhateverIsWrong(t *testing.T) {
	w := runWorld(t, operatedConfig+"checkpoint: { path: damaged }\n")
	damaged(t, "damaged")
	if code := w.exec(t.Context(), "status", "-c", "c.yaml"); code != exitOK || !strings.Contains(w.out.String(), "nothing can be told: ") || !strings.Contains(w.out.String(), "unknown") {
		t.Errorf("exit %d, %s%s", code, &w.out, &w.err)
	}
	if code := w.exec(t.Context(), "checkpoint", "show", "-c", "c.yaml"); code != exitFailure {
		t.Errorf("exit %d", code)
	}
	if code := w.exec(t.Context(), "status", "-c", "missing.yaml"); code != exitUsage {
		t.Errorf("exit %d", code)
	}
}
