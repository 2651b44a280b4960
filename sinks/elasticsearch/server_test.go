package elasticsearch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"auditlog-connector/internal/testserver"
	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/sinktest"
)

// network is what lies between the sink and a real server.
type network struct {
	inner http.RoundTripper

	mu     sync.Mutex
	armed  sinktest.Fault
	on     bool
	cancel func()
	late   []*http.Request
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	on, what, cancel := n.on && r.URL.Path == "/_bulk", n.armed, n.cancel
	if on {
		n.on, n.cancel = false, nil
	}
	n.mu.Unlock()
	if !on {
		return n.inner.RoundTrip(r)
	}
	switch what {
	case sinktest.Throttled:
		return &http.Response{StatusCode: 429, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"error":{"type":"circuit_breaking_exception"}}`)), Request: r}, nil
	case sinktest.Cancelled:
		resp, err := n.inner.RoundTrip(r)
		cancel()
		if err == nil {
			resp.Body.Close()
		}
		return nil, r.Context().Err()
	case sinktest.Unanswered:
		if resp, err := n.inner.RoundTrip(r); err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	case sinktest.Late:
		body, _ := io.ReadAll(r.Body)
		again, _ := http.NewRequest(r.Method, r.URL.String(), bytes.NewReader(body))
		again.Header = r.Header
		n.mu.Lock()
		n.late = append(n.late, again)
		n.mu.Unlock()
	}
	return nil, errNetwork
}

func (n *network) release() {
	n.mu.Lock()
	waiting := n.late
	n.late = nil
	n.mu.Unlock()
	for _, r := range waiting {
		if resp, err := n.inner.RoundTrip(r); err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}
}

// hit is a document that a search found.
type hit struct {
	Index  string          `json:"_index"`
	ID     string          `json:"_id"`
	Source json.RawMessage `json:"_source"`
}

// search returns all documents of indices.
func search(t *testing.T, s *testserver.OpenSearch, indices, query string) []hit {
	t.Helper()
	s.Must(t, "POST", "/_refresh", "")
	var page struct {
		Scroll string `json:"_scroll_id"`
		Hits   struct{ Hits []hit }
	}
	read := func(answer []byte) []hit {
		page.Hits.Hits = nil
		if err := json.Unmarshal(answer, &page); err != nil {
			t.Fatal(err)
		}
		return page.Hits.Hits
	}
	all := read(s.Must(t, "GET", "/"+indices+"/_search?scroll=1m&size=10000&ignore_unavailable=true&allow_no_indices=true"+query, ""))
	for n := len(all); n == 10000; {
		more := read(s.Must(t, "POST", "/_search/scroll", fmt.Sprintf(`{"scroll":"1m","scroll_id":%q}`, page.Scroll)))
		n = len(more)
		all = append(all, more...)
	}
	if page.Scroll != "" {
		s.Must(t, "DELETE", "/_search/scroll", fmt.Sprintf(`{"scroll_id":%q}`, page.Scroll))
	}
	return all
}

// serverSuite is the harness of a sink on s.
func serverSuite(s *testserver.OpenSearch, indices string, change func(c *Config)) sinktest.Harness {
	net := &network{inner: &http.Transport{DisableKeepAlives: true}}
	c := testConfig(change)
	c.URLs = []string{s.URL}
	return sinktest.Harness{
		Open: func(t *testing.T, lane string) pipeline.Sink { return openLane(t, net, c, lane) },
		Kill: func(*testing.T, pipeline.Sink) {},
		Contents: func(t *testing.T) map[string]int {
			n := make(map[string]int)
			for _, h := range search(t, s, indices, "&_source=false") {
				n[eventID(h.ID)]++
			}
			return n
		},
		Raw: func(t *testing.T, source, id string) []byte {
			query, _ := json.Marshal(map[string]any{"query": map[string]any{"ids": map[string]any{"values": []string{source + ":" + id}}}})
			var page struct{ Hits struct{ Hits []hit } }
			if err := json.Unmarshal(s.Must(t, "POST", "/"+indices+"/_search", string(query)), &page); err != nil || len(page.Hits.Hits) != 1 {
				t.Fatalf("%s: %d documents, %v", id, len(page.Hits.Hits), err)
			}
			return original(t, page.Hits.Hits[0].Source)
		},
		Inject: func(_ *testing.T, what sinktest.Fault, stop func()) (func(), bool) {
			net.mu.Lock()
			defer net.mu.Unlock()
			net.armed, net.on, net.cancel = what, true, stop
			return net.release, true
		},
		// A keyword that is neither cut nor left out, in a field that the index has.
		Refused: func(r *pipeline.Record) {
			r.Audit.Actor.Geo = nil
			r.Audit.EventType = strings.Repeat("x", 40000)
			*r = sinktest.Encoded(r.Event)
		},
		Guarantee: pipeline.ExactlyOnce,
	}
}

// TestServer runs everything that needs a real node on one: starting it takes long.
func TestServer(t *testing.T) {
	testserver.Require(t)
	s := testserver.StartOpenSearch(t, testserver.OpenSearchOptions{})
	// One field of the ECS documents refuses what is long, for records that are refused.
	strict := `{"index_patterns":["suite-*"],"priority":1,"template":{"settings":{"number_of_replicas":0},"mappings":{"date_detection":false,` +
		`"dynamic":false,"properties":{"event":{"properties":{"action":{"type":"keyword"}}}}}}}`
	s.Must(t, "PUT", "/_index_template/suite", strict)
	t.Run("suite, an index a day", func(t *testing.T) {
		sinktest.Run(t, serverSuite(s, "suite-*", func(c *Config) { c.Index, c.InstallTemplate = "suite-%{date}", false }))
	})
	t.Run("suite, a data stream", func(t *testing.T) {
		h := serverSuite(s, testStream, withStream)
		h.Refused = nil
		sinktest.Run(t, h)
	})
	t.Run("template", func(t *testing.T) { testTemplate(t, s) })
	t.Run("documents of every schema", func(t *testing.T) { testSchemas(t, s) })
	t.Run("component templates", func(t *testing.T) { testAssets(t, s) })
	t.Run("rollover", func(t *testing.T) { testRollover(t, s) })
	t.Run("read-only, closed and missing indices", func(t *testing.T) { testUnwritable(t, s) })
	t.Run("what no document is to blame for", func(t *testing.T) { testMisconfigured(t, s) })
	t.Run("mapping conflict", func(t *testing.T) { testConflict(t, s) })
	t.Run("pipelines", func(t *testing.T) { testPipelines(t, s) })
	t.Run("check", func(t *testing.T) { testCheck(t, s) })
	// Last: it takes everything away first.
	t.Run("killed", func(t *testing.T) { testRestart(t, s) })
}

// settle does what the pipeline does with a batch until it is there, for three
// minutes at most. It may be called by any goroutine.
func settle(t *testing.T, s pipeline.Sink, b pipeline.Batch) (attempts int, err error) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		attempts++
		err = s.Deliver(t.Context(), b)
		if err == nil || pipeline.IsPermanent(err) || errors.As(err, new(*pipeline.RejectedError)) {
			return attempts, err
		}
		if !errors.As(err, new(*pipeline.ThrottledError)) {
			if out, err := s.Resolve(t.Context(), b.Manifest); out != pipeline.OutcomeAbsent || err != nil {
				return attempts, fmt.Errorf("resolve: %s, %w", out, err)
			}
		}
	}
	return attempts, fmt.Errorf("not settled after three minutes: %w", err)
}

const lane = "acme/search"

// batch is a lane's batch seq of n events, one every step from day on.
func batch(s pipeline.Sink, seq uint64, n int, day time.Time, step time.Duration) pipeline.Batch {
	records := make([]pipeline.Record, n)
	for i := range records {
		records[i] = sinktest.Record("acme", fmt.Sprintf("event-%d-%d", seq, i), day.Add(time.Duration(i)*step))
	}
	return batchOf(s, seq, records)
}

func batchOf(s pipeline.Sink, seq uint64, records []pipeline.Record) pipeline.Batch {
	b := sinktest.Batch(pipeline.BatchID{Lane: lane, Epoch: "0a1b2c3d", Seq: seq}, records)
	b.Place = s.(pipeline.Placer).Place(b.Manifest)
	return b
}

var day = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

// there checks that the indices have each event of b once, but for those of the
// positions in except.
func there(t *testing.T, s *testserver.OpenSearch, indices string, b pipeline.Batch, except ...int) {
	t.Helper()
	got := make(map[string]int)
	for _, h := range search(t, s, indices, "&_source=false") {
		got[eventID(h.ID)]++
	}
	for i, r := range b.Records {
		want := 1
		for _, e := range except {
			if e == i {
				want = 0
			}
		}
		if got[r.ID] != want {
			t.Errorf("event %s: %d copies, want %d", r.ID, got[r.ID], want)
		}
	}
}

func openReal(t *testing.T, s *testserver.OpenSearch, change func(c *Config)) *sink {
	t.Helper()
	c := testConfig(change)
	c.URLs, c.TLS.CAFile = []string{s.URL}, s.CAFile
	k := openLane(t, nil, c, lane)
	t.Cleanup(func() { k.Close() })
	return k
}
