package splunkhec

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/sinktest"
	"auditlog-connector/sinks/splunkhec/hectest"
)

func isRejected(err error) bool { return errors.As(err, new(*pipeline.RejectedError)) }

func throttled(err error) time.Duration {
	var t *pipeline.ThrottledError
	if errors.As(err, &t) {
		return t.After
	}
	return 0
}

// stage is a server, and time that passes when a test says so. Several lanes may be
// on it at the same time.
type stage struct {
	server *hectest.Server

	mu     sync.Mutex
	clock  time.Time
	armed  hectest.Fault
	cancel func()
}

func (s *stage) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock
}

func (s *stage) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = s.clock.Add(d)
}

// arm makes the next request that delivers meet f, and calls cancel then.
func (s *stage) arm(f hectest.Fault, cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed, s.cancel = f, cancel
}

// meet returns what a request that delivers meets.
func (s *stage) meet() hectest.Fault {
	s.mu.Lock()
	f, cancel := s.armed, s.cancel
	s.armed, s.cancel = hectest.FaultNone, nil
	s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	return f
}

// patient is a sink as the pipeline uses it: what it is told to wait for, it waits
// for before it asks again.
type patient struct {
	*sink
	stage *stage
	owed  time.Duration
}

// Resolve waits as long as nothing is on its way; what is comes when the test says.
func (p *patient) Resolve(ctx context.Context, m pipeline.Manifest) (pipeline.Outcome, error) {
	for {
		p.stage.pass(p.owed)
		p.owed = 0
		out, err := p.sink.Resolve(ctx, m)
		p.owed = throttled(err)
		if p.owed == 0 {
			return out, err
		}
		if p.stage.server.Stats().Late > 0 {
			p.owed = p.config.Search.Settle // by the next time it is asked
			return out, err
		}
	}
}

// suite is the harness of a sink with configuration c.
func suite(t *testing.T, change func(c *Config)) sinktest.Harness {
	st := &stage{clock: day}
	st.server = newServer(hectest.Config{
		MaxContentLength: 8 << 20,
		Refuse:           refuseBad(12),
		Now:              st.now,
		Fault: func(_ int, r *http.Request) hectest.Fault {
			if !isPost(r) {
				return hectest.FaultNone
			}
			return st.meet()
		},
	})
	c := testConfig(change)
	faults := map[sinktest.Fault]hectest.Fault{
		sinktest.Lost: hectest.FaultLost, sinktest.Unanswered: hectest.FaultUnanswered, sinktest.Late: hectest.FaultLate,
		sinktest.Throttled: hectest.Code(9), sinktest.Cancelled: hectest.FaultNone,
	}
	return sinktest.Harness{
		Open: func(t *testing.T, lane string) pipeline.Sink {
			s := openLane(t, st.server, c, lane)
			s.now = st.now
			s.sleep = func(ctx context.Context, d time.Duration) error { st.pass(d); return ctx.Err() }
			return &patient{sink: s, stage: st}
		},
		Kill:     func(*testing.T, pipeline.Sink) {},
		Contents: func(*testing.T) map[string]int { return st.server.Copies("event_id") },
		Raw: func(t *testing.T, source, id string) []byte {
			for _, e := range st.server.Events() {
				if e.Fields["event_id"] == id && e.Source == source {
					return rawOf(t, e.Event)
				}
			}
			return nil
		},
		Inject: func(_ *testing.T, f sinktest.Fault, cancel func()) (func(), bool) {
			if f != sinktest.Cancelled {
				cancel = nil
			}
			st.arm(faults[f], cancel)
			return func() { st.server.Release() }, true
		},
		Break: func(*testing.T) func() {
			disable := func(off bool) {
				st.server.Update(func(c *hectest.Config) {
					c.Tokens = map[string]hectest.Token{hectest.DefaultToken: {Disabled: off}, ackToken: {Disabled: off, Ack: true}}
				})
			}
			disable(true)
			return func() { disable(false) }
		},
		Refused:   makeBad,
		Guarantee: pipeline.AtLeastOnce,
		Resolves:  c.Search.URL != "",
	}
}

// rawOf is the entry as served, as the document has it.
func rawOf(t *testing.T, document []byte) []byte {
	t.Helper()
	var d struct {
		Raw    string
		Base64 bool `json:"raw_base64"`
	}
	if err := json.Unmarshal(document, &d); err != nil {
		t.Fatal(err)
	}
	if !d.Base64 {
		return bytes.Clone([]byte(d.Raw))
	}
	raw, err := base64.StdEncoding.DecodeString(d.Raw)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestSuite(t *testing.T) {
	for name, change := range map[string]func(c *Config){
		"plain":                        func(*Config) {},
		"acknowledged":                 withAcks,
		"searched":                     withSearch,
		"acknowledged and searched":    func(c *Config) { withAcks(c); withSearch(c) },
		"small requests, uncompressed": func(c *Config) { withSearch(c); c.MaxContentLength, c.Gzip = minContent, false },
	} {
		t.Run(name, func(t *testing.T) { sinktest.Run(t, suite(t, change)) })
	}
}
