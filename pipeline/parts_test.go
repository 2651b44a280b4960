package pipeline

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"auditlog-connector/schemas"
)

var day = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

// at is a time of the tests' day.
func at(d time.Duration) time.Time { return day.Add(d) }

// entry is one of a listing's.
func entry(id string, t time.Time) Raw {
	return Raw{Position: Position{Time: t, ID: id}, Body: []byte("{}")}
}

// listing is an audit log held in memory, newest first. It counts its requests.
type listing struct {
	pageLen int
	date    func() time.Time // of the answers; nil: none
	before  func(ctx context.Context, req PageRequest) error
	after   func(req PageRequest, p *Page)

	mu      sync.Mutex
	entries map[string][]Raw // by stream
	asked   []PageRequest
}

func newListing(pageLen int) *listing {
	return &listing{pageLen: pageLen, entries: make(map[string][]Raw)}
}

func (s *listing) add(stream string, entries ...Raw) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := append(s.entries[stream], entries...)
	slices.SortFunc(all, func(a, b Raw) int { return b.Compare(a.Position) })
	s.entries[stream] = all
}

func (s *listing) Page(ctx context.Context, req PageRequest) (Page, error) {
	s.mu.Lock()
	s.asked = append(s.asked, req)
	s.mu.Unlock()
	if s.before != nil {
		if err := s.before(ctx, req); err != nil {
			return Page{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var p Page
	skip, _ := strconv.Atoi(req.Cursor)
	for _, e := range s.entries[req.Stream] {
		if e.Time.Before(req.Since) || !req.Until.IsZero() && !e.Time.Before(req.Until) {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		if len(p.Entries) == s.pageLen {
			at, _ := strconv.Atoi(req.Cursor)
			p.Next = strconv.Itoa(at + s.pageLen)
			break
		}
		p.Entries = append(p.Entries, e)
	}
	if s.date != nil {
		p.Now = s.date()
	}
	if s.after != nil {
		s.after(req, &p)
	}
	return p, nil
}

func (s *listing) Normalize(r Raw) Event {
	return Event{Raw: r, Audit: schemas.AuditEvent{
		EventID: r.ID, EventType: "test.entry", EffectiveAt: r.Time, Stream: "organization", Source: "acme",
		Action: "create", Outcome: "success", Severity: "info", Actor: schemas.Actor{Kind: "none"}, Raw: r.Body,
	}}
}

func (s *listing) Close() error { return nil }

func (s *listing) requests() []PageRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// handClock stands still; sleeping moves it.
type handClock struct {
	now   time.Time
	slept []time.Duration
}

func (h *handClock) clock() clock {
	return clock{
		now: func() time.Time { return h.now },
		sleep: func(ctx context.Context, d time.Duration) error {
			h.slept = append(h.slept, d)
			h.now = h.now.Add(d)
			return ctx.Err()
		},
	}
}

func newReader(src Source, c clock) *reader {
	return &reader{
		name: "acme", source: src, clock: c, log: slog.New(slog.DiscardHandler), limits: defaultLimits, began: c.now(),
		metric: &sourceMetrics{name: "acme", m: newMetrics()}, aside: func(context.Context, Aside) error { return nil },
	}
}

func idsOf[T any](list []T, id func(T) string) []string {
	out := make([]string, 0, len(list))
	for _, v := range list {
		out = append(out, id(v))
	}
	return out
}

func rawIDs(raws []Raw) []string { return idsOf(raws, func(r Raw) string { return r.ID }) }
