package pipeline

import (
	"time"

	"auditlog-connector/schemas"
)

// intake decides what a lane reads and what of it is delivered: which streams it
// follows, where its walks begin, what it admits. It does no I/O, and is used by
// one goroutine.
//
//	          begin                 last step of its walk
//	(apart) ─────────▶ (walking) ────────────────────────▶ (following) ──▶ closed channel: apart, caught up
//	   ▲                  │ the stream fails
//	   └──────────────────┘ not caught up: the next walk begins at the horizon
type intake struct {
	led    *ledger
	port   *port
	reader *reader
	filter func(*Event) bool // nil: everything
	size   func(*Record) int
	counts *laneCounts
	late   func(r *Record) // told of an entry that appeared too late
	packer schemas.Packer  // of the records that a filter leaves

	following map[string]bool // streams whose chunks are taken from the channel
	caught    map[string]bool // streams read from the horizon in this life: a short way back is enough
	walking   bool            // chunks wait until the walk is over
	skipped   bool            // chunks of streams that were not followed were dropped
	reached   time.Time       // event time up to which the present walk has read
}

func newIntake(led *ledger, p *port, r *reader) *intake {
	return &intake{led: led, port: p, reader: r, following: make(map[string]bool), caught: make(map[string]bool)}
}

// begin starts to follow streams and returns from where a walk has to read what
// they held before; none if nothing went by. The port must be attached: attach,
// then read. Known are all streams of the source, in order of precedence. Missed
// reports whether chunks went by unread since the port was made: the walk has to
// read after them.
func (in *intake) begin(known, streams []string) (bounds map[string]bound, missed bool) {
	bounds, missed = make(map[string]bound), in.skipped
	in.skipped = false
	for _, s := range streams {
		in.led.join(s)
		first, limit := in.port.join(s)
		missed = missed || !first.IsZero()
		in.following[s] = true
		b := bound{from: in.led.horizon(s), limit: limit, joined: in.led.tip[s].Joined}
		if in.caught[s] {
			if first.IsZero() {
				continue // nothing went by: nothing to read
			}
			// A short way back: what is older was read before.
			if first.After(b.from) {
				b.from = first
			}
		}
		for _, o := range known {
			if o != s && in.led.known(o) {
				b.others = append(b.others, o)
			}
		}
		bounds[s] = b
	}
	if len(bounds) > 0 {
		in.walking, in.reached = true, time.Time{}
	}
	return bounds, missed
}

// step takes what a walk brought. It returns the streams that left the walk.
func (in *intake) step(st step, now time.Time) (failed map[string]error) {
	for i := range st.records {
		in.take(&st.records[i], now)
	}
	for s := range st.failed {
		// What the stream brought so far is delivered; what waits in the channel is
		// not taken, for what lies before it was not read.
		delete(in.following, s)
		delete(in.caught, s)
		in.port.leave(s)
	}
	if !st.to.IsZero() {
		in.reached = st.to
	}
	if st.last {
		in.walking = false
		for s, t := range st.claims {
			in.caught[s] = true
			in.led.claim(s, t)
		}
	}
	return st.failed
}

// receive takes a chunk from the lane's channel.
func (in *intake) receive(c chunk[Record], now time.Time) {
	in.port.load.Add(-int64(len(c.entries)))
	if !in.following[c.stream] {
		in.skipped = true
		return // the next walk of the stream has it
	}
	joined := in.led.tip[c.stream].Joined
	for i := range c.entries {
		if c.entries[i].Time.Before(joined) {
			continue // only the lane's own walk can tell whether it came through another stream
		}
		in.take(&c.entries[i], now)
	}
	if !c.claim.IsZero() {
		in.led.claim(c.stream, c.claim)
	}
}

// closed notes that the channel is closed and empty.
func (in *intake) closed() { clear(in.following) }

// take admits one record.
func (in *intake) take(r *Record, now time.Time) {
	if in.filter != nil && !in.filter(&r.Event) {
		t := r.Time
		if r.AsOf.Before(t) {
			t = r.AsOf
		}
		in.led.claim(r.Stream, t)
		in.counts.add(resultFiltered)
		return
	}
	switch in.led.admit(r.Stream, r.Position) {
	case admitFresh:
		if in.filter != nil {
			r = in.alone(r)
		}
		in.led.hold(r, in.size(r), now)
		in.port.load.Add(1)
		in.counts.hold()
	case admitDuplicate:
		in.counts.add(resultDuplicate)
	case admitLate:
		in.counts.add(resultLateLost)
		in.late(r)
	case admitForgotten:
		// Below everything that is remembered: delivered before, as far as P2 holds.
	}
}

// alone returns a copy of r that keeps no others in memory. Those of a step lie
// together, and of each step a filter may leave one.
func (in *intake) alone(r *Record) *Record {
	own := *r
	pack(&in.packer, &own)
	return &own
}

// cut takes up to n queued records as the next batch.
func (in *intake) cut(n int) Batch {
	in.port.load.Add(-int64(n))
	return in.led.cut(n)
}

// ready returns how many queued records make up a batch now: 0 if it is neither
// full nor due. The first record is taken whatever its size.
func (in *intake) ready(p BatchPolicy, now time.Time, flush bool) int {
	q := in.led.queue
	if len(q) == 0 {
		return 0
	}
	bytes := 0
	for n := range q {
		bytes += q[n].size
		if n == p.MaxEvents || n > 0 && bytes > p.MaxBytes {
			return n
		}
	}
	if flush || len(q) >= p.MaxEvents || bytes >= p.MaxBytes || now.Sub(q[0].since) >= p.MaxAge {
		return len(q)
	}
	return 0
}

// release gives up what is queued: it will be read again.
func (in *intake) release() {
	n := in.led.release()
	in.port.load.Add(-int64(n))
	in.counts.release(n)
}
