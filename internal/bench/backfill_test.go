//go:build measure

package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"auditlog-connector/internal/openaisim"
)

var (
	events      = flag.Int("bench.events", 100_000, "events in the log")
	latency     = flag.Duration("bench.latency", 50*time.Millisecond, "time before each page")
	concurrency = flag.Int("bench.concurrency", 32, "spans the connector reads at the same time")
	rps         = flag.Int("bench.rps", 10_000, "requests per second the connector allows itself")
	sequential  = flag.Int("bench.sequential", 0, "events the sequential pager reads at most, its time scaled up; 0: all")
	rounds      = flag.Int("bench.rounds", 1, "how often TestCompare measures each program")
	sinkType    = flag.String("bench.sink", "file", "destination: file, raw or sqlite")
)

// measured is what one process took.
type measured struct {
	name   string
	events int
	wall   time.Duration
	cpu    time.Duration
	rss    int64 // KiB, peak
	pages  int
	served int // entries in those pages
}

func (m measured) String() string {
	return fmt.Sprintf("%-28s %9d events %9.2fs wall %8.2fs CPU %9.0f events/s %9.0f events/CPU s %6d MiB peak %7d pages, %.1f%% of their entries new",
		m.name, m.events, m.wall.Seconds(), m.cpu.Seconds(), float64(m.events)/m.wall.Seconds(),
		float64(m.events)/max(m.cpu.Seconds(), 1e-9), m.rss/1024, m.pages, 100*float64(m.events)/float64(max(m.served, 1)))
}

// simulate starts a simulator, in this process.
func simulate(t *testing.T, c openaisim.Config) (*openaisim.Server, string) {
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
	return sim, "http://" + addr + "/v1"
}

// TestBackfill reads a whole log with the connector and with a plain sequential
// pager, at the same latency.
func TestBackfill(t *testing.T) {
	sim, base := simulate(t, openaisim.Config{Seed: 1, Events: *events, Both: -1, Latency: *latency})
	t.Logf("%s/%s, %d CPUs, %s; %d events, %s before each page, concurrency %d", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(),
		*events, *latency, *concurrency)
	ours := connector(t, sim, base)
	t.Log(ours)
	plain := pager(t, sim, base)
	t.Log(plain)
	t.Logf("the connector is %.1f times as fast", float64(plain.wall)/float64(ours.wall))
}

// build builds the binary.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "connector")
	if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/connector").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return bin
}

// connector runs the real binary once and returns what it took.
func connector(t *testing.T, sim *openaisim.Server, base string) measured {
	t.Helper()
	dir := t.TempDir()
	bin := build(t)
	sink := "type: sqlite\n    config: { path: " + filepath.Join(dir, "out.db") + " }"
	switch *sinkType {
	case "file":
		sink = "type: file\n    config: { path: " + filepath.Join(dir, "out.jsonl") + " }"
	case "raw":
		sink = "type: file\n    config: { schema: raw, path: " + filepath.Join(dir, "out.jsonl") + " }"
	}
	config := filepath.Join(dir, "connector.yaml")
	text := fmt.Sprintf(`sources:
  - name: acme
    type: openai
    config: { admin_key: "${env:OPENAI_ADMIN_KEY}", base_url: %q, requests_per_second: %d, concurrency: %d }
checkpoint: { path: %q }
http: { listen: "" }
sinks:
  - name: out
    start: earliest
    batch: { max_events: 5000 }
    %s
`, base, *rps, *concurrency, filepath.Join(dir, "checkpoint.db"), sink)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	before := sim.Stats()
	cmd := exec.Command(bin, "run", "--once", "--config", config, "--log-level", "warn")
	cmd.Env = append(os.Environ(), "OPENAI_ADMIN_KEY="+openaisim.DefaultAdminKey)
	began := time.Now()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	peak := watchPeak(cmd.Process.Pid)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("run: %v\n%s", err, out.Bytes())
	}
	after := sim.Stats()
	return measured{
		name: "connector → " + *sinkType, events: *events, wall: time.Since(began),
		cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), rss: peak(),
		pages: after.Pages - before.Pages, served: after.Entries - before.Entries,
	}
}

// watchPeak follows the high-water mark of a process's memory, in KiB. The rusage of
// a child would count this process's memory too, which it shared until it called exec.
func watchPeak(pid int) (peak func() int64) {
	var high int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			_, rest, ok := bytes.Cut(b, []byte("VmHWM:"))
			if err != nil || !ok {
				return
			}
			var kib int64
			if _, err := fmt.Sscan(string(rest), &kib); err == nil {
				high = max(high, kib)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	return func() int64 { <-done; return high }
}

// pager is the plain program: one page after the other, both listings, each entry
// on a line of a file.
func pager(t *testing.T, sim *openaisim.Server, base string) measured {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "out.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	before := sim.Stats()
	began, n := time.Now(), 0
	for _, tenant := range []string{"false", "true"} {
		for after := ""; ; {
			page, err := getPage(base, url.Values{"limit": {"100"}, "tenant_only": {tenant}, "after": {after}})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Data {
				w.Write(e)
				w.WriteByte('\n')
			}
			n += len(page.Data)
			if !page.HasMore || *sequential > 0 && n >= *sequential {
				break
			}
			after = page.LastID
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	stats := sim.Stats()
	wall := time.Since(began)
	if n < *events {
		wall = time.Duration(float64(wall) * float64(*events) / float64(n))
	}
	return measured{name: "sequential pager → file", events: *events, wall: wall,
		pages: stats.Pages - before.Pages, served: stats.Entries - before.Entries}
}

type page struct {
	Data    []json.RawMessage `json:"data"`
	HasMore bool              `json:"has_more"`
	LastID  string            `json:"last_id"`
}

func getPage(base string, q url.Values) (p page, err error) {
	if q.Get("after") == "" {
		q.Del("after")
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, base+"/organization/audit_logs?"+q.Encode(), nil)
	if err != nil {
		return p, err
	}
	req.Header.Set("Authorization", "Bearer "+openaisim.DefaultAdminKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return p, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return p, err
	}
	if resp.StatusCode != http.StatusOK {
		return p, fmt.Errorf("%s: %s", resp.Status, body)
	}
	return p, json.Unmarshal(body, &p)
}
