package splunkhec

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"auditlog-connector/internal/secret"
	"auditlog-connector/pipeline"
	"auditlog-connector/sinks"
	"auditlog-connector/sinks/sinktest"
	"auditlog-connector/sinks/splunkhec/hectest"
)

const (
	lane     = "acme/siem"
	epoch    = "0a1b2c3d"
	ackToken = "aaaaaaaa-1111-2222-3333-444444444444"
)

var testTokens = map[string]hectest.Token{hectest.DefaultToken: {}, ackToken: {Ack: true}}

// day is when all events of the tests are from.
var day = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

// testConfig is a configuration for the collector s without a network.
func testConfig(change func(c *Config)) *Config {
	c := &Config{
		URL: "http://hec.invalid:8088", Token: secret.Literal(hectest.DefaultToken), Sourcetype: "openai:audit", Schema: "cim",
		Ack: AckAuto, AckTimeout: 10 * time.Minute, Gzip: true, MaxContentLength: 1e6,
		Search: Search{Settle: 5 * time.Minute},
	}
	if change != nil {
		change(c)
	}
	return c
}

func withSearch(c *Config) {
	c.Search.URL, c.Search.Token = "http://search.invalid:8089", secret.Literal(hectest.DefaultSearchToken)
}

func withAcks(c *Config) { c.Token = secret.Literal(ackToken) }

// newServer is a server with a token of either kind.
func newServer(c hectest.Config) *hectest.Server {
	if c.Tokens == nil {
		c.Tokens = testTokens
	}
	return hectest.New(c)
}

func open(t testing.TB, s http.RoundTripper, c *Config) *sink {
	t.Helper()
	return openLane(t, s, c, lane)
}

func openLane(t testing.TB, transport http.RoundTripper, c *Config, lane string) *sink {
	t.Helper()
	for _, err := range validate(c) {
		if !strings.Contains(err.Error(), "in the clear") && !strings.Contains(err.Error(), "Splunk Cloud refuses") && !strings.Contains(err.Error(), "the app does not know") {
			t.Fatal(err)
		}
	}
	source, name, _ := strings.Cut(lane, "/")
	s, err := newSink(c, sinks.Env{
		Source: source, Sink: name, Lane: lane, Transport: transport, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// batch is the lane's batch seq of n events; those of the positions in bad are
// refused by refuseBad.
func batch(s pipeline.Sink, seq uint64, n int, bad ...int) pipeline.Batch {
	records := make([]pipeline.Record, n)
	for i := range records {
		records[i] = sinktest.Record("acme", fmt.Sprintf("event-%d-%d", seq, i), day.Add(time.Duration(i)*time.Second))
	}
	for _, i := range bad {
		makeBad(&records[i])
	}
	b := sinktest.Batch(pipeline.BatchID{Lane: lane, Epoch: epoch, Seq: seq}, records)
	if p, ok := s.(pipeline.Placer); ok {
		b.Place = p.Place(b.Manifest)
	}
	return b
}

// makeBad changes r so that refuseBad refuses it.
func makeBad(r *pipeline.Record) {
	r.Audit.EventType = "refuse.me"
	*r = sinktest.Encoded(r.Event)
}

// refuseBad refuses what makeBad made, as code says.
func refuseBad(code int) func(e *hectest.Event) int {
	return func(e *hectest.Event) int {
		if e.Fields["event_type"] == "refuse.me" {
			return code
		}
		return 0
	}
}

// isPost reports whether r brings events.
func isPost(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/services/collector") && !strings.HasSuffix(r.URL.Path, "/ack") && !strings.HasSuffix(r.URL.Path, "/health")
}

func isPoll(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/ack") }

// holds checks how often each event of b was taken: once, but for those in except.
func holds(t *testing.T, s *hectest.Server, b pipeline.Batch, except map[int]int) {
	t.Helper()
	got := s.Copies("event_id")
	for i, r := range b.Records {
		want, ok := except[i]
		if !ok {
			want = 1
		}
		if got[r.ID] != want {
			t.Errorf("event %d of batch %d: %d copies, want %d", i, b.ID.Seq, got[r.ID], want)
		}
	}
}

// settle does what the pipeline does with a batch until it is there. It returns how
// often it was delivered.
func settle(t *testing.T, s pipeline.Sink, b pipeline.Batch, doubt bool) (delivered int, err error) {
	t.Helper()
	for range 200 {
		err = nil
		if doubt {
			var out pipeline.Outcome
			out, err = s.Resolve(t.Context(), b.Manifest)
			if out == pipeline.OutcomeCommitted {
				return delivered, err
			}
		}
		if err == nil {
			delivered++
			err = s.Deliver(t.Context(), b)
			if err == nil || pipeline.IsPermanent(err) || isRejected(err) {
				return delivered, err
			}
			doubt = doubt || !isClean(err)
		}
		wait := time.Second
		if after := throttled(err); after > wait {
			wait = after
		}
		time.Sleep(wait) // in a bubble
	}
	t.Fatalf("still not settled: %v", err)
	return 0, nil
}
