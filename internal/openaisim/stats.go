package openaisim

import (
	"sync"
	"sync/atomic"
	"time"
)

// Stats counts what the server did since [New].
type Stats struct {
	Requests int            `json:"requests"` // of the API, of any kind
	Streams  map[string]int `json:"streams"`  // well-formed requests by listing
	Statuses map[int]int    `json:"statuses"` // answers by status; a reset before the headers has none
	Faults   map[Fault]int  `json:"faults"`   // faults that befell a request
	Pages    int            `json:"pages"`    // answers with a page, spoilt or not
	Entries  int            `json:"entries"`  // in those pages
	Events   int            `json:"events"`   // that exist now, visible or not
}

// Stats returns the counts as of now.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	s.catchUp(s.cfg.Load().Now())
	events := len(s.store.rows)
	s.mu.Unlock()
	out := s.stats.snapshot()
	out.Events = events
	return out
}

type counters struct {
	requests       atomic.Int64
	streams        [streams]atomic.Int64
	pages, entries atomic.Int64

	mu       sync.Mutex
	statuses map[int]int
	faults   map[Fault]int
}

func (c *counters) init() { c.statuses, c.faults = map[int]int{}, map[Fault]int{} }

func (c *counters) answered(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statuses[status]++
}

func (c *counters) fault(f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults[f]++
}

func (c *counters) snapshot() Stats {
	s := Stats{
		Requests: int(c.requests.Load()), Pages: int(c.pages.Load()), Entries: int(c.entries.Load()),
		Streams: map[string]int{}, Statuses: map[int]int{}, Faults: map[Fault]int{},
	}
	for i := range c.streams {
		s.Streams[streamID(i).String()] = int(c.streams[i].Load())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, v := range c.statuses {
		s.Statuses[k] = v
	}
	for k, v := range c.faults {
		s.Faults[k] = v
	}
	return s
}

// limiter is a bucket of requests that holds one second's worth.
type limiter struct {
	mu     sync.Mutex
	tokens float64
	last   time.Time
}

// allow reports whether a request is within the limit, rate per second; 0: no limit.
func (l *limiter) allow(now time.Time, rate float64) bool {
	if rate <= 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	size := max(rate, 1)
	if l.last.IsZero() {
		l.tokens = size
	} else if d := now.Sub(l.last); d > 0 {
		l.tokens = min(size, l.tokens+d.Seconds()*rate)
	}
	l.last = now
	if l.tokens < 1 {
		return false
	}
	l.tokens--
	return true
}
