package openaisim

import (
	"bytes"
	"math"
	"net/http"
	"sync"
	"time"
)

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// page answers with a page, spoilt by a fault if there is one.
func (s *Server) page(cfg *Config, n int, q *query, fault Fault, now time.Time) answer {
	s.mu.RLock()
	if s.live.due(now) > s.live.made {
		s.mu.RUnlock()
		s.mu.Lock()
		s.catchUp(now)
		s.mu.Unlock()
		s.mu.RLock()
	}
	defer s.mu.RUnlock()
	v := s.view(cfg, n, q, now)
	a := answer{status: http.StatusOK}
	env := envelope{bare: cfg.BareEnvelope}
	if cfg.Logging == LoggingOffEmpty {
		return a.document(v, page{}, env)
	}
	applied := v.prepare(&env, &fault)
	p, known := v.selectPage()
	if fault == FaultCursorGone && applied {
		known = false
	}
	if !known {
		if applied {
			s.stats.fault(fault)
		}
		return unknownCursor(cfg, v, env)
	}
	if applied {
		p = v.distort(p, fault)
	}
	a = a.spoil(v, p, env, &fault)
	if fault != "" {
		s.stats.fault(fault)
	}
	s.stats.pages.Add(1)
	s.stats.entries.Add(int64(len(p.events)))
	return a
}

// view is the log as a request sees it.
func (s *Server) view(cfg *Config, n int, q *query, now time.Time) *view {
	v := &view{
		store: s.store, listing: s.listings[q.stream], q: q, now: now.UnixNano(), oldest: math.MinInt64,
		call:   nth(site(cfg.Seed, "call"), uint64(n)),
		change: cfg.TieOrder == TieChanging && cfg.Order != OrderNone,
	}
	if cfg.Retention > 0 {
		v.oldest = now.Add(-cfg.Retention).Unix()
	}
	if len(q.types) > 0 {
		v.types = make(map[uint16]bool, len(q.types))
		for _, name := range q.types {
			if id, ok := s.store.typeID[name]; ok {
				v.types[id] = true
			}
		}
	}
	return v
}

// prepare sets a fault of paging up; a fault that cannot apply to the request is
// cleared. It reports whether the fault is one of the query or the page.
func (v *view) prepare(env *envelope, fault *Fault) bool {
	switch *fault {
	case FaultCursorNull:
		env.last = lastNull
	case FaultCursorAbsent:
		env.last = lastAbsent
	case FaultNoHasMore:
		env.noHasMore = true
	case FaultEmptyPage:
	case FaultOutOfBounds:
		v.q.from, v.q.to = math.MinInt64, math.MaxInt64
	case FaultCursorStuck, FaultCursorGone, FaultRepeatedPage, FaultRepeatedEntry:
		if v.q.after == "" || *fault == FaultRepeatedEntry && v.q.limit < 2 {
			*fault = ""
			return false
		}
		if *fault == FaultCursorStuck {
			env.last = lastStuck
		}
	default:
		return false
	}
	return true
}

// distort changes a page that was selected.
func (v *view) distort(p page, fault Fault) page {
	switch fault {
	case FaultCursorNull, FaultCursorAbsent, FaultCursorStuck:
		p.more = true
	case FaultEmptyPage:
		p = page{more: true}
	case FaultRepeatedPage:
		cursor, _ := v.cursor(v.q.after)
		again := *v.q
		again.limit--
		same := *v
		same.q = &again
		p = same.walk(nil, &cursor)
		p.events, p.more = append(p.events, cursor.ev), true
	case FaultRepeatedEntry:
		cursor, _ := v.cursor(v.q.after)
		if len(p.events) == v.q.limit {
			p.events, p.more = p.events[:v.q.limit-1], true
		}
		p.events = append([]uint32{cursor.ev}, p.events...)
	}
	return p
}

// spoil writes the page, and breaks the document or its transport.
func (a answer) spoil(v *view, p page, env envelope, fault *Fault) answer {
	if *fault == FaultConcatenated && len(p.events) < 2 {
		*fault = "" // there is nothing to cut in two
	}
	if *fault == FaultConcatenated {
		half := len(p.events) / 2
		a = a.document(v, page{events: p.events[:half], more: true}, env)
		a.pooled.WriteByte('\n')
		return a.document(v, page{events: p.events[half:], more: p.more}, env)
	}
	a = a.document(v, p, env)
	switch *fault {
	case FaultTruncated:
		a.body = a.body[:len(a.body)/2]
	case FaultResetBody, FaultSlow:
		a.fault = *fault
	}
	return a
}

// document appends a page to the body.
func (a answer) document(v *view, p page, env envelope) answer {
	if a.pooled == nil {
		a.pooled = buffers.Get().(*bytes.Buffer)
		a.pooled.Reset()
	}
	v.write(a.pooled, p, env)
	a.body = a.pooled.Bytes()
	a.entries += len(p.events)
	return a
}

// unknownCursor answers a cursor that names no entry.
func unknownCursor(cfg *Config, v *view, env envelope) answer {
	switch cfg.UnknownCursor {
	case CursorEmpty:
		return answer{status: http.StatusOK}.document(v, page{}, envelope{bare: env.bare})
	case CursorNotFound:
		return apiError{status: http.StatusNotFound, message: "No such audit log entry.", param: "after", code: "not_found"}.answer()
	}
	name := "after"
	if v.q.after == "" {
		name = "before"
	}
	return badParameter(name, "Invalid '%s': no such audit log entry.", name).answer()
}
