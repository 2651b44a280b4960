//go:build measure && unix

package elasticsearch

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opensearch-project/opensearch-go/v4"
	"github.com/opensearch-project/opensearch-go/v4/opensearchapi"
	"github.com/opensearch-project/opensearch-go/v4/opensearchutil"

	"auditlog-connector/internal/eventtest"
	"auditlog-connector/internal/testserver"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas/document"
	"auditlog-connector/sinks/sinktest"
)

var (
	rounds = flag.Int("rounds", 5, "rounds of measurements, after one that warms the server")
	events = flag.Int("events", 10000, "events of one measurement")
)

// sampleRecords returns n records made of the source's samples, in turn.
func sampleRecords(t *testing.T, n int) []pipeline.Record {
	t.Helper()
	normalize := eventtest.Normalizer(t)
	samples := eventtest.Samples(t)
	records := make([]pipeline.Record, 0, n)
	for i := range n {
		r := sinktest.Record("acme", fmt.Sprintf("audit_log-%024d", i), day.Add(time.Duration(i)*time.Second))
		r.Body = samples[i%len(samples)].Event.Raw
		r.Audit = normalize(r.ID, r.Time, r.Body)
		records = append(records, sinktest.Encoded(r.Event))
	}
	return records
}

// cost is what a measurement took: time, and CPU of the client and of the server.
type cost struct{ wall, client, server time.Duration }

func measure(t *testing.T, s *testserver.OpenSearch, do func() error) cost {
	t.Helper()
	client := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before, server, began := client(), cpuOf(t, s.Pid()), time.Now()
	if err := do(); err != nil {
		t.Fatal(err)
	}
	return cost{time.Since(began), client() - before, cpuOf(t, s.Pid()) - server}
}

// cpuOf returns the CPU time that a process has taken; Linux only.
func cpuOf(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ") // after the name
	fields := strings.Fields(rest)
	ticks := 0
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}

// way is how documents get into an index.
type way struct {
	name  string
	do    func(index string) error
	costs []cost
}

// TestRate compares the sink with the official helper: the same documents into a real
// OpenSearch, in turns.
func TestRate(t *testing.T) {
	s := testserver.StartOpenSearch(t, testserver.OpenSearchOptions{Fast: true})
	records := sampleRecords(t, *events)
	target, err := parseTarget("bench-%{month}") // for its template
	if err != nil {
		t.Fatal(err)
	}
	s.Must(t, "PUT", "/_index_template/bench", string(templateBody(target, "ecs")))
	ways := []*way{
		{name: "helper, 1 worker", do: func(index string) error { return byHelper(t.Context(), s, index, 1, records) }},
		{name: "helper, its defaults", do: func(index string) error { return byHelper(t.Context(), s, index, 0, records) }},
		{name: "this sink, plain", do: func(index string) error { return bySink(t, s, index, false, records) }},
		{name: "this sink, gzip", do: func(index string) error { return bySink(t, s, index, true, records) }},
	}
	for round := range *rounds + 1 {
		for i := range ways {
			w := ways[(i+round)%len(ways)]
			index := fmt.Sprintf("bench-%d-%d", round, i)
			c := measure(t, s, func() error { return w.do(index) })
			var count struct{ Count int }
			s.Must(t, "POST", "/"+index+"/_refresh", "")
			err := json.Unmarshal(s.Must(t, "GET", "/"+index+"/_count", ""), &count)
			if err != nil || count.Count != len(records) {
				t.Fatalf("%s: %d documents, want %d, %v", w.name, count.Count, len(records), err)
			}
			s.Must(t, "DELETE", "/"+index, "")
			if round > 0 { // the first warms the server
				w.costs = append(w.costs, c)
			}
		}
	}
	for _, w := range ways {
		report(t, "documents/s", w, func(c cost) float64 { return float64(*events) / c.wall.Seconds() }, ways[:2])
	}
	for _, w := range ways {
		report(t, "documents per CPU second of both", w, func(c cost) float64 { return float64(*events) / (c.client + c.server).Seconds() }, ways[:2])
	}
	for _, w := range ways {
		report(t, "documents per CPU second of the client", w, func(c cost) float64 { return float64(*events) / c.client.Seconds() }, ways[:2])
	}
}

// report prints the rates of a way, and how they compare with others' in the same round.
func report(t *testing.T, what string, w *way, rate func(cost) float64, others []*way) {
	spread := func(of func(round int) float64) (low, median, high float64) {
		var all []float64
		for r := range w.costs {
			all = append(all, of(r))
		}
		slices.Sort(all)
		return all[len(all)/4], all[len(all)/2], all[len(all)*3/4]
	}
	low, median, high := spread(func(r int) float64 { return rate(w.costs[r]) })
	line := fmt.Sprintf("%-20s %7.0f (%.0f to %.0f) %s", w.name, median, low, high, what)
	for _, o := range others {
		low, median, high := spread(func(r int) float64 { return rate(w.costs[r]) / rate(o.costs[r]) })
		line += fmt.Sprintf("; %.2f (%.2f to %.2f) times %s", median, low, high, o.name)
	}
	t.Log(line)
}

func bySink(t *testing.T, s *testserver.OpenSearch, index string, gzip bool, records []pipeline.Record) error {
	k := openLane(t, nil, &Config{URLs: []string{s.URL}, Index: index, Schema: "ecs", Gzip: gzip}, lane)
	defer k.Close()
	seq := uint64(0)
	for chunk := range slices.Chunk(records, Type.Batch().MaxEvents) {
		seq++
		if err := k.Deliver(t.Context(), batchOf(k, seq, chunk)); err != nil {
			return err
		}
	}
	return nil
}

// byHelper uses the official helper; no workers are as many as it starts by itself.
func byHelper(ctx context.Context, s *testserver.OpenSearch, index string, workers int, records []pipeline.Record) error {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client, err := opensearchapi.NewClient(opensearchapi.Config{Client: opensearch.Config{Addresses: []string{s.URL}, Transport: transport}})
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	note := func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	bulk, err := opensearchutil.NewBulkIndexer(opensearchutil.BulkIndexerConfig{
		Client: client, Index: index, NumWorkers: workers, FlushBytes: requestLimit, OnError: func(_ context.Context, err error) { note(err) },
	})
	if err != nil {
		return err
	}
	encode := document.Lookup("ecs")
	for i := range records {
		item := opensearchutil.BulkIndexerItem{
			Action: "create", DocumentID: "acme:" + records[i].ID, Body: bytes.NewReader(encode(nil, &records[i].Audit)),
			OnFailure: func(_ context.Context, _ opensearchutil.BulkIndexerItem, r opensearchapi.BulkRespItem, err error) {
				note(fmt.Errorf("document %s: %d %w", r.ID, r.Status, err))
			},
		}
		if err := bulk.Add(ctx, item); err != nil {
			return err
		}
	}
	if err := bulk.Close(ctx); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}
