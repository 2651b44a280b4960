//go:build measure && unix

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
	"slices"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/internal/testserver"
)

var (
	benchEvents = flag.Int("events", 300_000, "events of each variant")
	benchRounds = flag.Int("rounds", 3, "how often each variant is measured; the median counts")
	benchOnly   = flag.String("variant", "", "measure only the first variant, and those with this in their names")
)

// benchEnv makes this program the child that does the work of one variant.
const benchEnv = "S3_BENCH_CHILD"

// largeObject is how many events an object has whose making is measured.
const largeObject = 10_000

// variant is one way to make and put objects.
type variant struct {
	what   string // plain <what>, or the sink's configuration
	object int    // events of an object
}

func (v variant) String() string {
	return fmt.Sprintf("%s, by %d", strings.ReplaceAll(v.what, "\n", ", "), v.object)
}

// benchTask is what a child is told, on its standard input, and benchResult what it
// answers.
type benchTask struct {
	Variant string
	Object  int
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
	entries := writeEntries(t)
	targets := []struct{ name, url string }{{"null server", startNull(t)}}
	if testserver.Enabled() {
		server := testserver.MinIO(t, testserver.S3Options{})
		newStore(t, server.URL, "", "audit").create(t)
		targets = append(targets, struct{ name, url string }{"MinIO", server.URL})
	}
	t.Logf("%s/%s, %d CPUs, %s; %d events, median of %d", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), *benchEvents, *benchRounds)
	usual := Type.Batch().MaxEvents
	variants := []variant{
		{"plain own encoder", largeObject}, {"format: avro", largeObject}, {"format: avro", usual}, {"format: avro\ncompression: snappy", largeObject},
		{"format: parquet", largeObject}, {"format: jsonl", largeObject}, {"format: jsonl\nschema: ecs", largeObject},
		{"format: jsonl\ncompression: none", largeObject}, {"plain JSON", largeObject}, {"plain goavro", largeObject},
	}
	variants = slices.DeleteFunc(variants, func(v variant) bool { return v != variants[0] && !strings.Contains(v.String(), *benchOnly) })
	for _, target := range targets {
		results := make([][]benchResult, len(variants))
		for range *benchRounds { // round by round, so that what else the machine does hits all
			for i, v := range variants {
				results[i] = append(results[i], child(t, benchTask{v.what, v.object, target.url, entries, *benchEvents}))
			}
		}
		for i, v := range variants {
			var rates, walls, peaks, ratios []float64
			for n, r := range results[i] {
				rates = append(rates, float64(*benchEvents)/r.CPU.Seconds())
				walls = append(walls, float64(*benchEvents)/r.Wall.Seconds())
				peaks = append(peaks, float64(r.Peak)/1024)
				ratios = append(ratios, results[0][n].CPU.Seconds()/r.CPU.Seconds())
			}
			t.Logf("%-12s %-44s %7.0f events/CPU s, %.2f of the first in the same round; %7.0f events/s; %4.0f MiB peak",
				target.name, v, median(rates), median(ratios), median(walls), slices.Max(peaks))
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
// that nobody keeps, and what its defaults for memory cost.
func TestBinary(t *testing.T) {
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
	variants := []struct{ format, env string }{
		{"format: avro", ""}, {"format: avro", "GOMEMLIMIT=160MiB"}, {"format: avro", "GOMEMLIMIT=off"}, {"format: parquet", ""}, {"format: jsonl", ""},
	}
	results := make([][]benchResult, len(variants))
	for range *benchRounds {
		for i, v := range variants {
			file := filepath.Join(dir, "connector.yaml")
			text := fmt.Sprintf(`sources: [{ name: acme, type: openai, config: { admin_key: "${env:OPENAI_ADMIN_KEY}", base_url: "http://%s/v1", requests_per_second: 10000 } }]
checkpoint: { path: %q }
http: { listen: "" }
sinks: [{ name: archive, type: s3, start: earliest, config: { bucket: audit, prefix: %q, endpoint: %q, path_style: true, region: us-east-1, %s } }]
`, addr, filepath.Join(t.TempDir(), "checkpoint.db"), fmt.Sprintf("%d/%d", i, len(results[i])), url, v.format)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(program, "run", "--once", "--log-level", "warn", "--config", file)
			cmd.Env = append(os.Environ(), "OPENAI_ADMIN_KEY="+openaisim.DefaultAdminKey, "AWS_ACCESS_KEY_ID=testaccess", "AWS_SECRET_ACCESS_KEY=testsecret123")
			if v.env != "" {
				cmd.Env = append(cmd.Env, v.env)
			}
			results[i] = append(results[i], outside(t, cmd))
		}
	}
	for i, v := range variants {
		var rates, walls, peaks []float64
		for _, r := range results[i] {
			rates = append(rates, float64(*benchEvents)/r.CPU.Seconds())
			walls = append(walls, float64(*benchEvents)/r.Wall.Seconds())
			peaks = append(peaks, float64(r.Peak)/1024)
		}
		t.Logf("connector, %-15s %-18s %7.0f events/CPU s %7.0f events/s %4.0f MiB peak", v.format, v.env, median(rates), median(walls), slices.Max(peaks))
	}
}

// outside runs cmd to its end and measures it from outside.
func outside(t *testing.T, cmd *exec.Cmd) (r benchResult) {
	t.Helper()
	cmd.Stderr = os.Stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.Peak = max(r.Peak, peak(cmd.Process.Pid))
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			r.Wall, r.CPU = time.Since(began), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
			return r
		}
	}
}

// writeEntries writes as many entries as an object has, as the API serves them.
func writeEntries(t *testing.T) string {
	t.Helper()
	sim, err := openaisim.New(openaisim.Config{Seed: 1, Events: largeObject, Both: -1})
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

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}
