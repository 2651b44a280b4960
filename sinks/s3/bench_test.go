//go:build unix

package s3

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/internal/testserver"
)

var (
	benchRun    = flag.Bool("s3.bench", false, "measure; without it TestThroughput is skipped")
	benchEvents = flag.Int("s3.bench.events", 300_000, "events of each variant")
	benchRounds = flag.Int("s3.bench.rounds", 3, "how often each variant is measured; the median counts")
)

// benchEnv makes this program the child that does the work of one variant.
const benchEnv = "S3_BENCH_CHILD"

// objectEvents is how many events an object has.
const objectEvents = 10_000

// benchChild is what a child is told, on its standard input, and what it answers.
type benchTask struct {
	Variant string // plain <what>, or the sink's configuration
	URL     string
	Entries string // a file of raw entries, one a line
	Events  int
}

type benchResult struct {
	Wall, CPU time.Duration
	Peak      int64 // KiB
}

// TestThroughput measures from raw entries to objects: our sink, and loops that make
// and put the same batches without any guarantee.
func TestThroughput(t *testing.T) {
	if !*benchRun {
		t.Skip("a measurement: -s3.bench")
	}
	entries := writeEntries(t)
	targets := []struct{ name, url string }{{"null server", startNull(t)}}
	if testserver.Enabled() {
		server := testserver.MinIO(t, testserver.S3Options{})
		newStore(t, server.URL, "", "audit").create(t)
		targets = append(targets, struct{ name, url string }{"MinIO", server.URL})
	}
	t.Logf("%s/%s, %d CPUs, %s; %d events, %d an object, median of %d", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(),
		*benchEvents, objectEvents, *benchRounds)
	variants := []string{
		"format: avro", "plain own encoder", "format: avro\ncompression: snappy", "format: parquet", "format: jsonl", "format: jsonl\nschema: ecs",
		"format: jsonl\ncompression: none", "plain JSON", "plain goavro",
	}
	for _, target := range targets {
		results := make([][]benchResult, len(variants))
		for range *benchRounds { // round by round, so that what else the machine does hits all
			for i, v := range variants {
				results[i] = append(results[i], child(t, benchTask{v, target.url, entries, *benchEvents}))
			}
		}
		for i, v := range variants {
			r := median(results[i])
			t.Logf("%-12s %-34s %7.0f events/CPU s %7.0f events/s %5d MiB peak", target.name, strings.ReplaceAll(v, "\n", ", "),
				float64(*benchEvents)/r.CPU.Seconds(), float64(*benchEvents)/r.Wall.Seconds(), r.Peak/1024)
		}
	}
}

// startNull starts a store that keeps nothing, in a process of its own.
func startNull(t *testing.T) (url string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchEnv+"=null")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	url, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(url)
}

// TestBinary measures the whole program with its defaults, from the API to objects
// that nobody keeps.
func TestBinary(t *testing.T) {
	if !*benchRun {
		t.Skip("a measurement: -s3.bench")
	}
	url, dir := startNull(t), t.TempDir()
	program := filepath.Join(dir, "connector")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/connector").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	sim, err := openaisim.New(openaisim.Config{Seed: 1, Events: *benchEvents, Both: -1})
	if err != nil {
		t.Fatal(err)
	}
	addr, stop, err := sim.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for _, f := range []string{"format: avro", "format: parquet", "format: jsonl"} {
		file := filepath.Join(dir, "connector.yaml")
		text := fmt.Sprintf(`sources: [{ name: acme, type: openai, config: { admin_key: "${env:OPENAI_ADMIN_KEY}", base_url: "http://%s/v1", requests_per_second: 10000 } }]
checkpoint: { path: %q }
http: { listen: "" }
sinks: [{ name: archive, type: s3, start: earliest, config: { bucket: audit, prefix: %q, endpoint: %q, path_style: true, %s } }]
`, addr, filepath.Join(t.TempDir(), "checkpoint.db"), strings.TrimPrefix(f, "format: "), url, f)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program, "run", "--once", "--log-level", "warn", "--config", file)
		cmd.Env = append(os.Environ(), "OPENAI_ADMIN_KEY="+openaisim.DefaultAdminKey)
		cmd.Stderr = os.Stderr
		began := time.Now()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		highest := int64(0)
		done := make(chan error)
		go func() { done <- cmd.Wait() }()
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-tick.C:
				highest = max(highest, peak(cmd.Process.Pid))
				continue
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
			}
			break
		}
		used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		t.Logf("connector, %-15s %7.0f events/CPU s %7.0f events/s %5d MiB peak", f, float64(*benchEvents)/used.Seconds(),
			float64(*benchEvents)/time.Since(began).Seconds(), highest/1024)
	}
}

// writeEntries writes as many entries as an object has, as the API serves them.
func writeEntries(t *testing.T) string {
	t.Helper()
	sim, err := openaisim.New(openaisim.Config{Seed: 1, Events: objectEvents, Both: -1})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for e := range sim.Events() {
		b.Write(e.Body)
		b.WriteByte('\n')
	}
	file := filepath.Join(t.TempDir(), "entries")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func child(t *testing.T, task benchTask) (r benchResult) {
	t.Helper()
	text, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchEnv+"=work")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(text), os.Stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		t.Fatalf("%q: %v", task.Variant, err)
	}
	return r
}

func median(all []benchResult) benchResult {
	best := append([]benchResult(nil), all...)
	for i := range best {
		for j := i; j > 0 && best[j].CPU < best[j-1].CPU; j-- {
			best[j], best[j-1] = best[j-1], best[j]
		}
	}
	return best[len(best)/2]
}
