//go:build measure && unix

package splunkhec

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"auditlog-connector/internal/eventtest"
	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/sinktest"
	"auditlog-connector/sinks/splunkhec/hectest"
)

var (
	rounds = flag.Int("rounds", 5, "pairs of measurements")
	length = flag.Duration("time", 3*time.Second, "length of one measurement")
)

// serverEnv makes this program a collector, so that what it costs is not measured.
const serverEnv = "HEC_TEST_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serverEnv) == "" {
		os.Exit(m.Run())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	server := newServer(hectest.Config{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent
		os.Exit(0)
	}()
	posts := 0
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server.ServeHTTP(w, r)
		if posts++; posts%50 == 0 {
			server.Forget(func(*hectest.Event) bool { return true }) // nobody reads them back
		}
	}))
}

// startServer starts a collector in a process of its own.
func startServer(t *testing.T) (address string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), serverEnv+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	line := make([]byte, 64)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + strings.TrimSpace(string(line[:n]))
}

// sampleRecords returns n records made of the source's samples, in turn.
func sampleRecords(t *testing.T, n int) []pipeline.Record {
	t.Helper()
	normalize := eventtest.Normalizer(t)
	var bodies [][]byte
	for _, s := range eventtest.Samples(t) {
		var body bytes.Buffer
		if err := json.Compact(&body, s.Event.Raw); err == nil && !strings.HasPrefix(s.Name, "variants/") {
			bodies = append(bodies, body.Bytes())
		}
	}
	records := make([]pipeline.Record, 0, n)
	for i := range n {
		r := sinktest.Record("acme", fmt.Sprintf("audit_log-%024d", i), day.Add(time.Duration(i)*time.Second))
		r.Audit = normalize(r.ID, r.Time, bodies[i%len(bodies)])
		r.Body = r.Audit.Raw
		records = append(records, sinktest.Encoded(r.Event))
	}
	return records
}

// TestRate compares the sink with a plain loop: events per CPU second of this
// process, pair by pair.
func TestRate(t *testing.T) {
	address := startServer(t)
	records := sampleRecords(t, 10000)
	s := open(t, nil, testConfig(func(c *Config) { c.URL = address }))
	defer s.Close()
	b := sinktest.Batch(pipeline.BatchID{Lane: lane, Epoch: epoch}, records)
	ours := func() {
		b.ID.Seq++
		if err := s.Deliver(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	loop := plainLoop(t, address, records)
	bytesOf := 0
	for i := range records {
		bytesOf += len(records[i].Body)
	}
	var mine, theirs, ratios []float64
	ours()
	loop()
	for range *rounds {
		a, b := perCPU(len(records), ours), perCPU(len(records), loop)
		mine, theirs, ratios = append(mine, a), append(theirs, b), append(ratios, a/b)
		t.Logf("this sink %.0f, plain loop %.0f events per CPU second", a, b)
	}
	median := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
	t.Logf("entries of %d bytes: median of %d rounds: this sink %.0f, plain loop %.0f events per CPU second; %.2f (%.2f to %.2f) times",
		bytesOf/len(records), *rounds, median(mine), median(theirs), median(ratios), ratios[0], ratios[len(ratios)-1])
}

// perCPU runs f for a while and returns the events per CPU second of this process.
func perCPU(events int, f func()) float64 {
	began, cpu, n := time.Now(), cpuTime(), 0
	for time.Since(began) < *length {
		f()
		n += events
	}
	return float64(n) / (cpuTime() - cpu).Seconds()
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// plainLoop is what a script does: the entry as served in an envelope made by
// encoding/json, a megabyte at a time, compressed. It maps nothing and checks nothing
// but the status.
func plainLoop(t *testing.T, address string, records []pipeline.Record) func() {
	post := poster(t, http.DefaultClient, address)
	return func() {
		for body := range envelopes(t, records, 1e6) {
			if status, err := post(body); status != http.StatusOK {
				t.Fatal(status, err)
			}
		}
	}
}

// poster sends a request and returns the status of the answer, 0 if there is none.
func poster(t *testing.T, client *http.Client, address string) func(body []byte) (int, error) {
	return func(body []byte) (int, error) {
		var packed bytes.Buffer
		z, _ := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
		_, _ = z.Write(body)
		_ = z.Close()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+pathEvents, &packed)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Splunk "+hectest.DefaultToken)
		req.Header.Set("Content-Encoding", "gzip")
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, err
	}
}

// envelopes makes requests of records, size bytes at a time. A body is valid until
// the next one.
func envelopes(t *testing.T, records []pipeline.Record, size int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		var body []byte
		for i := range records {
			r := &records[i]
			text, err := json.Marshal(map[string]any{
				"time": r.Time.Unix(), "host": "acme", "source": "acme", "sourcetype": "openai:audit", "event": r.Body,
				"fields": map[string]string{"event_id": r.ID, "event_type": r.Audit.EventType},
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(body) > 0 && len(body)+len(text) > size {
				if !yield(body) {
					return
				}
				body = body[:0]
			}
			body = append(body, text...)
		}
		yield(body)
	}
}
