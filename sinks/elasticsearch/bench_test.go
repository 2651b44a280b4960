//go:build unix

package elasticsearch

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/opensearch-project/opensearch-go/v4"
	"github.com/opensearch-project/opensearch-go/v4/opensearchapi"
	"github.com/opensearch-project/opensearch-go/v4/opensearchutil"

	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/internal/testserver"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas/document"
	"auditlog-connector/sinks/sinktest"
	"auditlog-connector/sources"
	"auditlog-connector/sources/openai"
)

var (
	benchRounds = flag.Int("elastic.bench", 0, "rounds of the comparison with the official bulk helper; 0: none")
	benchEvents = flag.Int("elastic.bench.events", 10000, "events of one measurement")
)

// sampleRecords returns n records made of the source's samples, in turn.
func sampleRecords(t *testing.T, n int) []pipeline.Record {
	t.Helper()
	c, _ := openai.Type.Decode(nil, "config", &strictyaml.Expander{})
	source, err := c.Open(t.Context(), sources.Env{Source: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	samples := os.DirFS(filepath.Join("..", "..", "sources", "openai", "testdata", "samples"))
	files, err := fs.Glob(samples, "*.json")
	if err != nil || len(files) < 100 {
		t.Fatal(len(files), err)
	}
	records := make([]pipeline.Record, 0, n)
	for i := range n {
		body, err := fs.ReadFile(samples, files[i%len(files)])
		if err != nil {
			t.Fatal(err)
		}
		e := source.Normalize(pipeline.Raw{Position: pipeline.Position{ID: fmt.Sprintf("audit_log-%024d", i), Time: day.Add(time.Duration(i) * time.Second)}, Body: body})
		records = append(records, sinktest.Encoded(e))
	}
	return records
}

// cost is what a measurement took.
type cost struct{ wall, cpu time.Duration }

func measure(t *testing.T, do func() error) cost {
	t.Helper()
	cpu := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before, began := cpu(), time.Now()
	if err := do(); err != nil {
		t.Fatal(err)
	}
	return cost{time.Since(began), cpu() - before}
}

// TestBench compares the sink with the official helper: the same documents into a
// real OpenSearch, one request at a time, pair by pair.
func TestBench(t *testing.T) {
	if *benchRounds == 0 {
		t.Skip("-elastic.bench=3")
	}
	s := testserver.StartOpenSearch(t, testserver.OpenSearchOptions{Fast: true})
	records := sampleRecords(t, *benchEvents)
	target, err := parseTarget("bench-%{month}") // for its template
	if err != nil {
		t.Fatal(err)
	}
	s.Must(t, "PUT", "/_index_template/bench", string(templateBody(target, "ecs")))
	ways := map[string]func(index string) error{
		"this sink, gzip":  func(index string) error { return bySink(t, s, index, true, records) },
		"this sink, plain": func(index string) error { return bySink(t, s, index, false, records) },
		"bulk helper":      func(index string) error { return byHelper(t.Context(), s, index, records) },
	}
	names := []string{"bulk helper", "this sink, plain", "this sink, gzip"}
	costs := make(map[string][]cost)
	for round := range *benchRounds + 1 {
		for i := range names {
			name := names[(i+round)%len(names)]
			index := fmt.Sprintf("bench-%d-%d", round, i)
			c := measure(t, func() error { return ways[name](index) })
			var count struct{ Count int }
			s.Must(t, "POST", "/"+index+"/_refresh", "")
			err := json.Unmarshal(s.Must(t, "GET", "/"+index+"/_count", ""), &count)
			if err != nil || count.Count != len(records) {
				t.Fatalf("%s: %d documents, want %d, %v", name, count.Count, len(records), err)
			}
			s.Must(t, "DELETE", "/"+index, "")
			if round > 0 { // the first warms the server
				costs[name] = append(costs[name], c)
			}
		}
	}
	n := float64(len(records))
	for _, name := range names {
		var ofWall, ofCPU []float64
		for r, c := range costs[name] {
			helper := costs[names[0]][r]
			t.Logf("%-18s round %d: %6.0f documents/s, %7.0f per CPU second of the client", name, r+1, n/c.wall.Seconds(), n/c.cpu.Seconds())
			ofWall, ofCPU = append(ofWall, helper.wall.Seconds()/c.wall.Seconds()), append(ofCPU, helper.cpu.Seconds()/c.cpu.Seconds())
		}
		slices.Sort(ofWall)
		slices.Sort(ofCPU)
		t.Logf("%-18s median %.2f times the helper's rate, %.2f times per CPU second", name, ofWall[len(ofWall)/2], ofCPU[len(ofCPU)/2])
	}
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

func byHelper(ctx context.Context, s *testserver.OpenSearch, index string, records []pipeline.Record) error {
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
		Client: client, Index: index, NumWorkers: 1, FlushBytes: requestLimit, OnError: func(_ context.Context, err error) { note(err) },
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
