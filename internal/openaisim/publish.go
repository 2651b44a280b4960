package openaisim

import (
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"time"
)

// Publish adds events to the log and returns them as they were added. What an
// event leaves empty is filled in: the ID; the Type (from the body, else
// login.succeeded); EffectiveAt (now); the Body (invented for the type); and, if
// it names no listing, the one that the type belongs to, visible now. A body that
// is given is served as it is, even if it is not JSON. An error, such as an ID
// that is taken, leaves the events before the bad one published.
func (s *Server) Publish(events ...Event) ([]Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Load().Now()
	s.catchUp(now)
	published := make([]Event, 0, len(events))
	for _, e := range events {
		i, err := s.publish(e, now)
		if err != nil {
			return published, fmt.Errorf("publish event %q: %w", e.ID, err)
		}
		published = append(published, s.store.event(i))
	}
	return published, nil
}

func (s *Server) publish(e Event, now time.Time) (uint32, error) {
	n := s.live.next
	s.live.next++
	r := row{flags: flagForeign}
	if e.EffectiveAt.IsZero() {
		e.EffectiveAt = now
	}
	r.at = e.EffectiveAt.Unix()
	id := []byte(e.ID)
	if len(id) == 0 {
		id = s.renderer.eventID(nil, n)
	}
	if len(id) > math.MaxUint8 {
		return 0, fmt.Errorf("an id of %d bytes is too long, at most %d are possible", len(id), math.MaxUint8)
	}
	if e.Type == "" {
		var p parts
		if json.Unmarshal(e.Body, &p) == nil {
			e.Type = p.Type
		}
	}
	if e.Type == "" {
		e.Type = "login.succeeded"
	}
	if e.Body == nil {
		k, ok := s.inventor.types.byName[e.Type]
		if !ok {
			k = &kind{name: e.Type, shapes: []*shape{{}}}
		}
		e.Body = s.renderer.body(draft{n: n, kind: k, at: r.at, id: id})
	}
	if e.Organization.IsZero() && e.Tenant.IsZero() {
		if tenantScoped(e.Type) {
			e.Tenant = now
		} else {
			e.Organization = now
		}
	}
	for stream, at := range [streams]time.Time{streamOrganization: e.Organization, streamTenant: e.Tenant} {
		r.visible[stream] = never
		if !at.IsZero() {
			r.visible[stream] = at.UnixNano()
		}
	}
	return s.insert(r, e.Type, id, e.Body)
}

// insert puts an event into the store and the listings. The caller holds the lock.
func (s *Server) insert(r row, typ string, id, body []byte) (uint32, error) {
	t, err := s.store.intern(typ)
	if err != nil {
		return 0, err
	}
	r.typ, r.idSize, r.size = t, uint8(len(id)), uint32(len(body))
	r.chunk, r.pos = put(&s.store.chunks, id, body)
	i, err := s.store.add(r)
	if err != nil {
		return 0, err
	}
	for stream, l := range s.listings {
		if r.visible[stream] != never {
			l.insert(entry{at: r.at, ev: i})
		}
	}
	return i, nil
}

// Delete takes an event out of every listing from now on, and reports whether
// there was one.
func (s *Server) Delete(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.store.find(id)
	if !ok || s.store.rows[i].flags&flagDeleted != 0 {
		return false
	}
	s.store.rows[i].flags |= flagDeleted
	return true
}

// Events yields every event there is, also those that are not visible yet or no
// more, in the order in which they were made. Events made meanwhile are yielded
// too, as of the beginning of the loop.
func (s *Server) Events() iter.Seq[Event] {
	return func(yield func(Event) bool) {
		s.mu.Lock()
		s.catchUp(s.cfg.Load().Now())
		n := len(s.store.rows)
		s.mu.Unlock()
		const batch = 1000
		events := make([]Event, 0, batch)
		for from := 0; from < n; from += batch {
			events = events[:0]
			s.mu.RLock()
			for i := from; i < min(from+batch, n); i++ {
				events = append(events, s.store.event(uint32(i)))
			}
			s.mu.RUnlock()
			for _, e := range events {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// Truth returns what [Server.Events] yields.
func (s *Server) Truth() []Event {
	var events []Event
	for e := range s.Events() {
		events = append(events, e)
	}
	return events
}
