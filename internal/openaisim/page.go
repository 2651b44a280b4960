package openaisim

import (
	"bytes"
	"cmp"
	"slices"
)

// view is the log at one moment, for one request.
type view struct {
	*store
	listing *listing
	q       *query
	now     int64 // nanoseconds: what is visible
	oldest  int64 // seconds: what has not vanished
	types   map[uint16]bool
	call    uint64 // places entries of one second, if their order changes
	change  bool
}

// page is what a request selects.
type page struct {
	events []uint32
	more   bool
}

// visible reports whether an event is in the listing now.
func (v *view) visible(ev uint32) bool {
	r := &v.rows[ev]
	return r.visible[v.q.stream] <= v.now && r.at >= v.oldest && r.flags&flagDeleted == 0
}

// wanted reports whether a visible event passes the request's filters.
func (v *view) wanted(ev uint32) bool {
	r := &v.rows[ev]
	if r.at < v.q.from || r.at > v.q.to || len(v.q.types) > 0 && !v.types[r.typ] {
		return false
	}
	return !v.q.filtered() || v.q.matches(v.body(ev), r.flags&flagForeign == 0)
}

// cursor finds the entry that an id names in this listing. It does not have to
// pass the filters.
func (v *view) cursor(id string) (entry, bool) {
	ev, ok := v.find(id)
	if !ok || !v.visible(ev) {
		return entry{}, false
	}
	return entry{at: v.rows[ev].at, ev: ev}, true
}

// selectPage returns the page that q asks for; false: a cursor names no entry.
func (v *view) selectPage() (page, bool) {
	var after, before *entry
	for _, c := range []struct {
		id    string
		entry **entry
	}{{v.q.after, &after}, {v.q.before, &before}} {
		if c.id == "" {
			continue
		}
		e, ok := v.cursor(c.id)
		if !ok {
			return page{}, false
		}
		*c.entry = &e
	}
	return v.walk(after, before), true
}

// walk collects the entries strictly between two cursors in the order of the
// list: from the first one on, or, if there is only the second, the last ones
// above it.
func (v *view) walk(after, before *entry) page {
	upwards := after == nil && before != nil
	if upwards {
		after, before = before, nil
	}
	newestFirst := v.q.ascending == upwards
	found := make([]uint32, 0, v.q.limit+1)
	take := func(e entry) bool {
		if v.visible(e.ev) && v.wanted(e.ev) {
			found = append(found, e.ev)
		}
		return len(found) <= v.q.limit
	}
	if v.change {
		v.eachChanging(after, before, newestFirst, upwards, take)
	} else {
		v.each(after, before, newestFirst, take)
	}
	p := page{events: found}
	if len(found) > v.q.limit {
		p.events, p.more = found[:v.q.limit], true
	}
	if upwards {
		slices.Reverse(p.events)
	}
	return p
}

// each calls take for the entries strictly between two cursors until it says no.
func (v *view) each(after, before *entry, newestFirst bool, take func(entry) bool) {
	l := v.listing
	lo, hi := l.span(v.q.from, v.q.to)
	if newestFirst {
		after, before = before, after
	}
	// Here after is the older one of the two.
	if after != nil {
		i, found := l.find(*after)
		if found {
			i++
		}
		lo = max(lo, i)
	}
	if before != nil {
		i, _ := l.find(*before)
		hi = min(hi, i)
	}
	if newestFirst {
		for i := hi - 1; i >= lo && take(l.entries[i]); i-- {
		}
		return
	}
	for i := lo; i < hi && take(l.entries[i]); i++ {
	}
}

// eachChanging is each for a listing whose order within a second is another one
// on every call.
func (v *view) eachChanging(after, before *entry, newestFirst, upwards bool, take func(entry) bool) {
	l := v.listing
	lo, hi := l.span(v.q.from, v.q.to)
	order := func(a, b entry) int {
		c := cmp.Compare(nth(v.call, uint64(a.ev)), nth(v.call, uint64(b.ev)))
		if upwards {
			return -c
		}
		return c
	}
	// beyond reports whether e comes strictly after c in the direction of the walk.
	beyond := func(e, c entry) bool {
		if e.at != c.at {
			return e.at < c.at == newestFirst
		}
		return order(e, c) > 0
	}
	for lo < hi {
		from, to := lo, hi
		if newestFirst {
			for from = hi - 1; from > lo && l.entries[from-1].at == l.entries[hi-1].at; from-- {
			}
			hi = from
		} else {
			for to = lo + 1; to < hi && l.entries[to].at == l.entries[lo].at; to++ {
			}
			lo = to
		}
		if after != nil && l.entries[from].at != after.at && !beyond(l.entries[from], *after) {
			continue
		}
		second := slices.Clone(l.entries[from:to])
		slices.SortFunc(second, order)
		for _, e := range second {
			if after != nil && !beyond(e, *after) || before != nil && !beyond(*before, e) {
				continue
			}
			if !take(e) {
				return
			}
		}
	}
}

// write appends the page as a document. An entry of the changing kind gets call
// as its revision.
func (v *view) write(b *bytes.Buffer, p page, env envelope) {
	b.WriteByte('{')
	if !env.bare {
		b.WriteString(`"object":"list",`)
	}
	b.WriteString(`"data":[`)
	for i, ev := range p.events {
		if i > 0 {
			b.WriteByte(',')
		}
		v.writeBody(b, ev)
	}
	b.WriteByte(']')
	var first, last []byte
	if len(p.events) > 0 {
		first, last = v.id(p.events[0]), v.id(p.events[len(p.events)-1])
	}
	env.cursor(b, "first_id", first)
	switch env.last {
	case lastAbsent:
	case lastNull:
		b.WriteString(`,"last_id":null`)
	case lastStuck:
		env.cursor(b, "last_id", []byte(v.q.after))
	default:
		env.cursor(b, "last_id", last)
	}
	if !env.noHasMore {
		if p.more {
			b.WriteString(`,"has_more":true`)
		} else {
			b.WriteString(`,"has_more":false`)
		}
	}
	b.WriteByte('}')
}

func (v *view) writeBody(b *bytes.Buffer, ev uint32) {
	body := v.body(ev)
	if v.rows[ev].flags&flagChanging == 0 || len(body) < 2 || body[len(body)-1] != '}' {
		b.Write(body)
		return
	}
	b.Write(body[:len(body)-1])
	b.WriteString(`,"x_revision":"`)
	r := rng(v.call)
	b.Write(r.text(b.AvailableBuffer(), hexes, 8))
	b.WriteString(`"}`)
}

// envelope is how a page is wrapped.
type envelope struct {
	bare      bool
	noHasMore bool
	last      lastCursor
}

type lastCursor int

const (
	lastTrue lastCursor = iota
	lastNull
	lastAbsent
	lastStuck
)

func (env envelope) cursor(b *bytes.Buffer, name string, id []byte) {
	if len(id) == 0 && env.bare {
		return
	}
	b.WriteString(`,"` + name + `":`)
	if len(id) == 0 {
		b.WriteString("null")
		return
	}
	b.Write(quote(b.AvailableBuffer(), string(id)))
}
