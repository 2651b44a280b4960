package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint"
	"auditlog-connector/pipeline/pipelinetest"
	"auditlog-connector/schemas"
)

// auditLog is a log written by hand, read as a source. It counts its requests.
type auditLog struct {
	streams []string

	mu      sync.Mutex
	entries []logEntry
	refused map[string]bool
	polls   map[string]int // requests, by stream
	others  map[string]int
}

type logEntry struct {
	pipeline.Position
	stream  string
	visible time.Time
}

func newAuditLog(streams ...string) *auditLog {
	return &auditLog{streams: streams, refused: make(map[string]bool), polls: make(map[string]int), others: make(map[string]int)}
}

// write adds an entry dated now that is visible now.
func (l *auditLog) write(stream, id string) { l.writeLate(stream, id, 0) }

// writeLate adds an entry that is visible now and dated so long ago.
func (l *auditLog) writeLate(stream, id string, late time.Duration) {
	now := time.Now().UTC()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, logEntry{pipeline.Position{Time: now.Add(-late).Truncate(time.Second), ID: id}, stream, now})
}

func (l *auditLog) refuse(stream string, refused bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused[stream] = refused
}

func (l *auditLog) requests(stream string) (polls, others int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.polls[stream], l.others[stream]
}

func (l *auditLog) Streams(context.Context) ([]string, error) { return l.streams, nil }

func (l *auditLog) Page(ctx context.Context, req pipeline.PageRequest) (pipeline.Page, error) {
	if err := ctx.Err(); err != nil {
		return pipeline.Page{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if req.Urgent {
		l.polls[req.Stream]++
	} else {
		l.others[req.Stream]++
	}
	if l.refused[req.Stream] {
		return pipeline.Page{}, pipeline.Permanent(fmt.Errorf("stream %s: 403: %w", req.Stream, pipeline.ErrRefused))
	}
	const pageLen = 100
	now := time.Now().UTC()
	var there []logEntry
	for _, e := range l.entries {
		if e.stream == req.Stream && !e.visible.After(now) && !e.Time.Before(req.Since) && (req.Until.IsZero() || e.Time.Before(req.Until)) {
			there = append(there, e)
		}
	}
	slices.SortFunc(there, func(a, b logEntry) int { return b.Compare(a.Position) })
	from, _ := strconv.Atoi(req.Cursor)
	page := pipeline.Page{Now: now.Truncate(time.Second)}
	for _, e := range there[min(from, len(there)):min(from+pageLen, len(there))] {
		page.Entries = append(page.Entries, pipeline.Raw{Position: e.Position, Body: json.RawMessage(`{}`)})
	}
	if from+pageLen < len(there) {
		page.Next = strconv.Itoa(from + pageLen)
	}
	return page, nil
}

func (l *auditLog) Normalize(r pipeline.Raw) pipeline.Event {
	return pipeline.Event{Raw: r, Audit: schemas.AuditEvent{
		EventID: r.ID, EventType: "test.entry", EffectiveAt: r.Time, Stream: "organization", Source: "acme",
		Action: "create", Outcome: "success", Severity: "info", Actor: schemas.Actor{Kind: "none"}, Raw: r.Body,
	}}
}

func (l *auditLog) Close() error { return nil }

// written is how often each entry must be at a destination that takes all.
func (l *auditLog) written() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := make(map[string]int)
	for _, e := range l.entries {
		ids[e.ID] = 1
	}
	return ids
}

// plant is a pipeline of one source, under construction or running.
type plant struct {
	t     *testing.T
	log   *auditLog
	store *checkpoint.Memory
	aside *asideStore
	reg   *prometheus.Registry
	cfg   pipeline.Config
	dests map[string]*pipelinetest.Destination

	*pipeline.Pipeline
	cancel context.CancelFunc
	done   chan error
}

func newPlant(t *testing.T, log *auditLog) *plant {
	p := &plant{t: t, log: log, store: checkpoint.NewMemory(), aside: newAsideStore(), dests: make(map[string]*pipelinetest.Destination)}
	p.cfg = pipeline.Config{
		Sources: []pipeline.SourceConfig{{Name: "acme", Source: log, Concurrency: 2}}, Store: p.store, Quarantine: p.aside,
		PollInterval: 30 * time.Second, Recent: 10 * time.Minute, SweepInterval: time.Hour, Overlap: 2 * time.Hour, DrainTimeout: 25 * time.Second,
	}
	return p
}

// lane adds a lane to a destination of its own, and returns its configuration.
func (p *plant) lane(name string, network func(op string) pipelinetest.Fate) *pipeline.LaneConfig {
	d := p.dests[name]
	if d == nil {
		d = pipelinetest.NewDestination(pipelinetest.Transactions)
		p.dests[name] = d
	}
	return p.sink(name, d.Open("acme/"+name, network))
}

func (p *plant) sink(name string, s pipeline.Sink) *pipeline.LaneConfig {
	src := &p.cfg.Sources[0]
	src.Lanes = append(src.Lanes, pipeline.LaneConfig{
		Sink: name, Target: s, Guarantee: pipeline.ExactlyOnce, Start: pipeline.Start{At: time.Now().Add(-time.Hour).UTC().Truncate(time.Second)},
		Batch: pipeline.BatchPolicy{MaxEvents: 50, MaxAge: 5 * time.Second}, Buffer: 200,
	})
	return &src.Lanes[len(src.Lanes)-1]
}

// start runs the pipeline until stop.
func (p *plant) start() {
	p.t.Helper()
	p.reg = prometheus.NewRegistry()
	p.cfg.Registerer = p.reg
	pl, err := pipeline.New(p.cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	p.Pipeline = pl
	ctx, cancel := context.WithCancel(p.t.Context())
	p.cancel, p.done = cancel, make(chan error, 1)
	go func() { p.done <- pl.Run(ctx) }()
}

// stop ends it gracefully and returns what Run returned.
func (p *plant) stop() error {
	p.cancel()
	return <-p.done
}

// restart forgets the lanes, so that the next life can open them again.
func (p *plant) restart() { p.cfg.Sources[0].Lanes = nil }

func (p *plant) laneStatus(name string) pipeline.LaneStatus {
	for _, l := range p.Status().Lanes {
		if l.Lane == "acme/"+name {
			return l
		}
	}
	p.t.Fatalf("no lane %s", name)
	return pipeline.LaneStatus{}
}

// wantConserved checks invariant 7.
func (p *plant) wantConserved() {
	p.t.Helper()
	for _, s := range p.Status().Lanes {
		if sum := s.Delivered + s.Duplicate + s.Filtered + s.Quarantined + s.LateLost + s.Released + s.InFlight; sum != s.Read {
			p.t.Errorf("lane %s: read %d, accounted for %d: %+v", s.Lane, s.Read, sum, s)
		}
	}
}

// wantContents checks that the destination of lane name holds want, each as often.
func (p *plant) wantContents(name string, want map[string]int) {
	p.t.Helper()
	got := p.dests[name].Contents()
	var wrong []string
	for id, n := range want {
		if got[id] != n {
			wrong = append(wrong, fmt.Sprintf("%s %d times, want %d", id, got[id], n))
		}
	}
	for id, n := range got {
		if want[id] == 0 {
			wrong = append(wrong, fmt.Sprintf("%s %d times, want none", id, n))
		}
	}
	slices.Sort(wrong)
	if len(wrong) > 0 {
		p.t.Errorf("%s: %d wrong: %s", name, len(wrong), strings.Join(wrong[:min(5, len(wrong))], "; "))
	}
}
