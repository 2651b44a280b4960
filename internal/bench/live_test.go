//go:build measure

package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"auditlog-connector/internal/openaisim"
)

// start runs the binary on a configuration of one file sink until the test ends.
func start(t *testing.T, bin, base, pipeline string) (file string, began time.Time) {
	t.Helper()
	dir := t.TempDir()
	file = filepath.Join(dir, "out.jsonl")
	config := filepath.Join(dir, "connector.yaml")
	text := fmt.Sprintf(`sources:
  - name: acme
    type: openai
    config: { admin_key: "${env:OPENAI_ADMIN_KEY}", base_url: %q }
pipeline: %s
checkpoint: { path: %q }
http: { listen: "" }
sinks:
  - { name: out, type: file, start: earliest, config: { path: %q } }
`, base, pipeline, filepath.Join(dir, "checkpoint.db"), file)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "run", "--config", config, "--log-level", "warn")
	cmd.Env = append(os.Environ(), "OPENAI_ADMIN_KEY="+openaisim.DefaultAdminKey)
	cmd.Stderr = os.Stderr
	began = time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return file, began
}

// TestStartup measures from starting the process to its first request.
func TestStartup(t *testing.T) {
	bin := build(t)
	var took []time.Duration
	for range 10 {
		t.Run("", func(t *testing.T) {
			first := make(chan time.Time, 1)
			var once sync.Once
			_, base := simulate(t, openaisim.Config{Seed: 1, OnRequest: func(int, *http.Request) {
				once.Do(func() { first <- time.Now() })
			}})
			_, began := start(t, bin, base, "{}")
			took = append(took, (<-first).Sub(began))
		})
	}
	slices.Sort(took)
	t.Logf("start to first request: median %s, longest %s of %d", took[len(took)/2], took[len(took)-1], len(took))
}

// TestFreshness measures from an event's becoming visible to its being in the file.
func TestFreshness(t *testing.T) {
	const poll, long = 5 * time.Second, time.Minute
	sim, base := simulate(t, openaisim.Config{Seed: 1, Rate: 20})
	file, _ := start(t, build(t), base, fmt.Sprintf("{ poll_interval: %s }", poll))
	seen := make(map[string]time.Time)
	var r *bufio.Reader
	var half []byte // of the line that is being written
	for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if r == nil {
			f, err := os.Open(file)
			if err != nil {
				continue
			}
			defer f.Close()
			r = bufio.NewReader(f)
		}
		for {
			line, err := r.ReadBytes('\n')
			half = append(half, line...)
			if err == io.EOF {
				break
			}
			var e struct {
				ID string `json:"event_id"`
			}
			if err := json.Unmarshal(half, &e); err != nil {
				t.Fatal(err)
			}
			seen[e.ID], half = time.Now(), half[:0]
		}
	}
	var fresh []time.Duration
	for e := range sim.Events() {
		at, ok := seen[e.ID]
		if !ok {
			continue
		}
		first := e.Organization
		if first.IsZero() || !e.Tenant.IsZero() && e.Tenant.Before(first) {
			first = e.Tenant
		}
		fresh = append(fresh, at.Sub(first))
	}
	if len(fresh) < 500 {
		t.Fatalf("only %d events arrived", len(fresh))
	}
	slices.Sort(fresh)
	t.Logf("visible to delivered, polled every %s: p50 %s, p99 %s of %d events", poll,
		fresh[len(fresh)/2].Round(time.Millisecond), fresh[len(fresh)*99/100].Round(time.Millisecond), len(fresh))
}
