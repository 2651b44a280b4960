package hectest

import (
	"encoding/json"
	"time"
)

// Event is one that was taken.
type Event struct {
	Time       string // as sent, plain decimal seconds; empty: none
	Host       string
	Source     string
	Sourcetype string
	Index      string
	Event      json.RawMessage
	Fields     map[string]string

	at      time.Time // Time, or when it was taken
	visible time.Time // from when on a search finds it
}

// Events returns what was taken, in order, found by a search or not. The events are
// shared and must not be modified.
func (s *Server) Events() []*Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Event(nil), s.events...)
}

// Forget takes out events for which drop says so, as the retention of an index does.
func (s *Server) Forget(drop func(e *Event) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var kept []*Event
	for _, e := range s.events {
		if !drop(e) {
			kept = append(kept, e)
		}
	}
	s.events = kept
}

// Copies returns how often each value of an indexed field was taken.
func (s *Server) Copies(field string) map[string]int {
	copies := make(map[string]int)
	for _, e := range s.Events() {
		if v, ok := e.Fields[field]; ok {
			copies[v]++
		}
	}
	return copies
}
