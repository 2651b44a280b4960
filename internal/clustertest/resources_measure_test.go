//go:build measure && linux

package clustertest

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/internal/testserver"
)

var (
	resourceEvents = flag.Int("resources.events", 100_000, "events of the backfill")
	resourceTime   = flag.Duration("resources.time", time.Minute, "how long it is idle, and follows")
)

// usage is what a process has used so far.
type usage struct {
	peak, now int64 // resident memory, MiB
	cpu       time.Duration
}

// TestResources measures what the chart's requests and limits rest on: the real binary
// with the two lanes of a pod.
func TestResources(t *testing.T) {
	program := filepath.Join(t.TempDir(), "connector")
	if err := testserver.Run(exec.Command("go", "build", "-o", program, "auditlog-connector/cmd/connector")); err != nil {
		t.Fatal(err)
	}
	idle := beginMeasured(t, program, 1000, 0)
	idle.awaitDelivered(t, 1000)
	from := idle.usage(t)
	time.Sleep(*resourceTime)
	to := idle.usage(t)
	t.Logf("idle: %d MiB, %.1f ms of CPU a second", to.now, perSecond(from, to))

	busy := beginMeasured(t, program, *resourceEvents, 100)
	busy.awaitDelivered(t, *resourceEvents)
	backfilled := busy.usage(t)
	t.Logf("backfill of %d events: %d MiB at most, %s of CPU", *resourceEvents, backfilled.peak, backfilled.cpu)
	time.Sleep(*resourceTime)
	followed := busy.usage(t)
	t.Logf("then 100 events a second: %d MiB, %.1f ms of CPU a second", followed.now, perSecond(backfilled, followed))
}

func perSecond(from, to usage) float64 {
	return float64((to.cpu - from.cpu).Microseconds()) / 1000 / resourceTime.Seconds()
}

// measured is a connector that runs.
type measured struct {
	*testserver.Process
	web string
}

func beginMeasured(t *testing.T, program string, events int, rate float64) measured {
	t.Helper()
	sim, err := openaisim.New(openaisim.Config{Seed: 1, Events: events, Rate: rate})
	if err != nil {
		t.Fatal(err)
	}
	addr, stop, err := sim.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	dir, web := t.TempDir(), fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t))
	config := fmt.Sprintf(`
sources:
  - { name: acme, type: openai, config: { admin_key: %s, base_url: "http://%s/v1", requests_per_second: 100 } }
http: { listen: %q }
log: { level: warn }
sinks:
  - { name: db, type: sqlite, start: earliest, config: { path: audit.db } }
  - { name: lines, type: file, start: earliest, config: { path: audit.jsonl } }
`, openaisim.DefaultAdminKey, addr, web)
	if err := os.WriteFile(filepath.Join(dir, "connector.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	m := measured{web: web}
	m.Process = testserver.Start(t, testserver.Command{
		Path: program, Args: []string{"run", "--config", "connector.yaml"}, Dir: dir,
		Ready: func(ctx context.Context) error { _, err := m.metrics(ctx); return err },
	})
	return m
}

func (m measured) metrics(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.web+"/metrics", nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

var deliveredEvents = regexp.MustCompile(`(?m)^connector_lane_events_total\{[^}]*result="delivered"[^}]*\} (\S+)$`)

// awaitDelivered waits until both lanes have delivered n events.
func (m measured) awaitDelivered(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Minute); ; time.Sleep(time.Second) {
		text, err := m.metrics(t.Context())
		there := 0
		for _, c := range deliveredEvents.FindAllStringSubmatch(text, -1) {
			if v, numErr := strconv.ParseFloat(c[1], 64); numErr == nil && int(v) >= n {
				there++
			}
		}
		if there == 2 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not delivered: %v\n%s", err, m.Tail())
		}
	}
}

// usage asks the kernel.
func (m measured) usage(t *testing.T) usage {
	t.Helper()
	read := func(name string) string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", m.Pid(), name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	number := func(text string) int64 {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	var u usage
	for line := range strings.Lines(read("status")) {
		switch fields := strings.Fields(line); fields[0] {
		case "VmHWM:":
			u.peak = number(fields[1]) / 1024
		case "VmRSS:":
			u.now = number(fields[1]) / 1024
		}
	}
	stat := read("stat")
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const tick = 10 * time.Millisecond // of Linux on every platform that Go runs on
	u.cpu = time.Duration(number(fields[11])+number(fields[12])) * tick
	return u
}
