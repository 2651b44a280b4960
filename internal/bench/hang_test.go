//go:build measure

package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"auditlog-connector/internal/openaisim"
)

// TestHangingSink reads a whole log into a file while a second sink, a standard
// output that nobody reads, takes nothing at all.
func TestHangingSink(t *testing.T) {
	_, base := simulate(t, openaisim.Config{Seed: 1, Events: *events, Both: -1})
	dir := t.TempDir()
	file, config := filepath.Join(dir, "out.jsonl"), filepath.Join(dir, "connector.yaml")
	text := fmt.Sprintf(`sources:
  - name: acme
    type: openai
    config: { admin_key: "${env:OPENAI_ADMIN_KEY}", base_url: %q, requests_per_second: %d, concurrency: %d }
checkpoint: { path: %q }
http: { listen: "" }
sinks:
  - { name: out, type: file, start: earliest, config: { path: %q } }
  - { name: hangs, type: file, start: earliest, config: { path: "-" } }
`, base, *rps, *concurrency, filepath.Join(dir, "checkpoint.db"), file)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	unread, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer unread.Close()
	cmd := exec.Command(build(t), "run", "--config", config, "--log-level", "warn")
	cmd.Env = append(os.Environ(), "OPENAI_ADMIN_KEY="+openaisim.DefaultAdminKey)
	cmd.Stdout, cmd.Stderr = stdout, os.Stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stdout.Close()
	peak := watchPeak(cmd.Process.Pid)
	for n, at := 0, int64(0); n < *events; {
		if time.Since(began) > 10*time.Minute {
			t.Fatalf("%d of %d events after %s", n, *events, time.Since(began))
		}
		time.Sleep(100 * time.Millisecond)
		more, length := newLines(t, file, at)
		n, at = n+more, at+length
	}
	took := time.Since(began)
	_ = cmd.Process.Kill() // it would wait for the sink as long as drain_timeout allows
	_ = cmd.Wait()
	t.Logf("%d events into a file in %s beside a sink that hangs: %d MiB peak", *events, took.Round(10*time.Millisecond), peak()/1024)
}

// newLines counts the lines of a file from an offset on, and their bytes.
func newLines(t *testing.T, file string, from int64) (lines int, length int64) {
	t.Helper()
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return 0, 0
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	buf := make([]byte, 1<<20)
	for {
		n, err := f.ReadAt(buf, from+length)
		lines += bytes.Count(buf[:n], []byte("\n"))
		length += int64(n)
		if errors.Is(err, io.EOF) {
			return lines, length
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
