package pipeline

import (
	"context"
	"slices"
	"sync"
	"time"
)

// tape is one walk that several lanes read: at the start of a process their
// horizons lie close together, and the source is asked once for all of them. It
// goes at the pace of the fastest lane. One that falls behind by more than the tape
// holds loses its seat, and reads on by itself.
type tape struct {
	chain *chain
	walk  *walk
	limit int // events held for the slower lanes

	mu     sync.Mutex
	seats  []*seat
	window []step
	base   int // index of the window's first step
	events int // in the window
	ended  bool
	err    error
	grown  chan struct{} // closed when a step was added
	wanted chan struct{} // holds a token when some lane has read all there is

	// For the head reader: what every lane gets from this tape it need not emit.
	ids   map[string]map[idKey]int64 // by stream
	whole bool                       // all lanes of the source sit here, and none has left
}

// seat is one lane's place at a tape.
type seat struct {
	tape   *tape
	next   int  // index of its next step
	lost   bool // it fell behind, or left
	done   bool // it has read everything
	bounds map[string]bound
	alone  *walk     // the walk that goes on where the seat was lost
	at     time.Time // up to where it has read
}

const (
	// tapeReach is how far apart the horizons of lanes on one tape may lie.
	tapeReach = 24 * time.Hour
	// tapeEvents is how many events a tape holds for its slower lanes.
	tapeEvents = 10_000
	// tapeSteps is how many steps it holds, however few events they bring.
	tapeSteps = 1000
)

// share seats lanes whose horizons are close at tapes, one for each group of two or
// more, and returns the tapes. The lanes are attached, and follow all streams from
// here on, before the first request of any tape.
func (c *chain) share(lanes []*lane) []*tape {
	known, _ := c.streams.known()
	type start struct {
		lane   *lane
		bounds map[string]bound
		from   time.Time
	}
	var starts []start
	for _, l := range lanes {
		bounds, ok := l.in.preview(known)
		if !ok || len(known) == 0 {
			continue
		}
		s := start{lane: l, bounds: bounds}
		for _, b := range bounds {
			if s.from.IsZero() || b.from.Before(s.from) {
				s.from = b.from
			}
		}
		starts = append(starts, s)
	}
	slices.SortStableFunc(starts, func(a, b start) int { return a.from.Compare(b.from) })
	var tapes []*tape
	for len(starts) > 0 {
		n := 1
		for n < len(starts) && starts[n].from.Sub(starts[0].from) <= tapeReach {
			n++
		}
		group := starts[:n]
		starts = starts[n:]
		if n == 1 {
			continue
		}
		bounds := make(map[string]bound)
		t := &tape{chain: c, limit: tapeEvents, grown: make(chan struct{}), wanted: make(chan struct{}, 1), whole: n == len(c.lanes)}
		for _, s := range group {
			for name, b := range s.bounds {
				if have, ok := bounds[name]; !ok || b.from.Before(have.from) {
					bounds[name] = b
				}
				s.lane.in.port.join(name)
			}
			s.lane.seat = &seat{tape: t}
			t.seats = append(t.seats, s.lane.seat)
		}
		t.walk = c.walk(known, bounds)
		t.ids = make(map[string]map[idKey]int64)
		for name := range bounds {
			t.ids[name] = make(map[idKey]int64)
		}
		if t.whole {
			c.tape = t
		}
		tapes = append(tapes, t)
	}
	return tapes
}

// preview is where begin would make a walk of streams start, without beginning it.
// It is false if the walk would have to leave out what other streams have, which
// lanes cannot share.
func (in *intake) preview(streams []string) (map[string]bound, bool) {
	bounds := make(map[string]bound)
	for _, s := range streams {
		b := bound{from: in.led.start}
		if in.led.known(s) {
			b.from, b.joined = in.led.horizon(s), in.led.tip[s].Joined
		} else if len(in.led.tip) > 0 {
			return nil, false // it joins later than the others
		}
		if b.joined.After(b.from) {
			return nil, false
		}
		bounds[s] = bound{from: b.from}
	}
	return bounds, true
}

// run reads the walk until its end, as far ahead as the fastest lane has come, or
// until no lane is left.
func (t *tape) run(ctx context.Context) error {
	defer t.walk.close()
	for t.pull(ctx) {
		select {
		case <-t.wanted:
		case <-ctx.Done():
		}
	}
	return nil
}

// pull reads one step, and reports whether there may be another.
func (t *tape) pull(ctx context.Context) bool {
	t.mu.Lock()
	left := t.ended || !slices.ContainsFunc(t.seats, func(s *seat) bool { return !s.lost })
	t.mu.Unlock()
	if left {
		return false
	}
	st, err := t.walk.step(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.err, t.ended = err, true
	} else {
		t.add(st)
	}
	close(t.grown)
	t.grown = make(chan struct{})
	return !t.ended
}

// add appends a step, and unseats the slowest lanes if there is too much to hold.
func (t *tape) add(st step) {
	t.window = append(t.window, st)
	t.events += len(st.records)
	t.ended = st.last
	for s := range st.failed {
		delete(t.ids, s)
	}
	low := t.chain.reader.start().Add(-t.chain.cfg.overlap - t.chain.cfg.slack())
	for i := range st.records {
		r := &st.records[i]
		if ids := t.ids[r.Stream]; ids != nil && !r.Time.Before(low) {
			ids[keyOf(r.ID)] = r.Time.Unix()
		}
	}
	for t.events > t.limit || len(t.window) > tapeSteps {
		slow := t.slowest()
		if slow == nil || slow.next >= t.base+len(t.window)-1 {
			return // everybody waits for this step
		}
		t.unseat(slow)
	}
}

func (t *tape) slowest() *seat {
	var slow *seat
	for _, s := range t.seats {
		if !s.lost && !s.done && (slow == nil || s.next < slow.next) {
			slow = s
		}
	}
	return slow
}

// unseat takes s from the tape. The lock is held.
func (t *tape) unseat(s *seat) {
	if !s.done {
		t.whole = false
	}
	s.lost = true
	t.trim()
}

// trim drops the steps that every lane has read. The lock is held.
func (t *tape) trim() {
	low := t.base + len(t.window)
	if s := t.slowest(); s != nil {
		low = s.next
	}
	for ; t.base < low; t.base++ {
		t.events -= len(t.window[0].records)
		t.window[0] = step{}
		t.window = t.window[1:]
	}
}

// emitted returns what the lanes got of stream from the tape, once all of them
// have got all of it; nil otherwise.
func (t *tape) emitted(stream string) map[idKey]int64 {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.whole || slices.ContainsFunc(t.seats, func(s *seat) bool { return !s.done }) {
		return nil
	}
	ids := t.ids[stream]
	delete(t.ids, stream) // told once
	return ids
}

// fits reports whether the walk that a lane needs is the tape's. Missed says that
// chunks went by the lane before it came to read: then it has to read after them.
func (s *seat) fits(bounds map[string]bound, missed bool) bool {
	if s == nil || missed || len(bounds) != len(s.tape.walk.bounds) {
		return false
	}
	for name, b := range bounds {
		if shared, ok := s.tape.walk.bounds[name]; !ok || b.from.Before(shared.from) || b.joined.After(b.from) {
			return false
		}
	}
	return true
}

// take begins to read, each stream from its bound on.
func (s *seat) take(bounds map[string]bound) steps {
	s.bounds = bounds
	return s
}

// leave gives the seat up. It may be nil.
func (s *seat) leave() {
	if s == nil {
		return
	}
	s.tape.mu.Lock()
	defer s.tape.mu.Unlock()
	s.tape.unseat(s)
	s.tape.want()
}

// want asks for another step. The lock is held.
func (t *tape) want() {
	select {
	case t.wanted <- struct{}{}:
	default:
	}
}

// step implements [steps].
func (s *seat) step(ctx context.Context) (step, error) {
	for {
		st, more, err := s.look(ctx)
		if more == nil {
			return st, err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return step{}, ctx.Err()
		}
	}
}

// look returns the seat's next step, or a channel that is closed when there may be one.
func (s *seat) look(ctx context.Context) (step, <-chan struct{}, error) {
	t := s.tape
	t.mu.Lock()
	switch i := s.next - t.base; {
	case s.lost:
		t.mu.Unlock()
		if s.alone == nil {
			s.goOn()
		}
		st, err := s.alone.step(ctx)
		return st, nil, err
	case i < len(t.window):
		defer t.mu.Unlock()
		st := t.window[i]
		s.next++
		s.at, s.done = st.to, st.last
		t.trim()
		return s.mine(st), nil, nil
	case t.err != nil:
		defer t.mu.Unlock()
		return step{}, nil, t.err
	default:
		defer t.mu.Unlock()
		t.want()
		return step{}, t.grown, nil
	}
}

// mine leaves out what lies below the lane's own bounds.
func (s *seat) mine(st step) step {
	for name := range st.failed {
		delete(s.bounds, name)
	}
	above := func(r *Record) bool { return !r.Time.Before(s.bounds[r.Stream].from) }
	first := 0
	for first < len(st.records) && !above(&st.records[first]) {
		first++
	}
	records := st.records[first:]
	for i := range records {
		if !above(&records[i]) {
			kept := make([]Record, 0, len(records))
			for j := range records {
				if above(&records[j]) {
					kept = append(kept, records[j])
				}
			}
			records = kept
			break
		}
	}
	st.records = records
	return st
}

// goOn plans the rest of the walk for this lane alone, of the streams that have not failed.
func (s *seat) goOn() {
	bounds := make(map[string]bound)
	for name, b := range s.bounds {
		if s.at.After(b.from) {
			b.from = s.at
		}
		bounds[name] = b
	}
	known, _ := s.tape.chain.streams.known()
	s.alone = s.tape.chain.walk(known, bounds)
}

// close implements [steps].
func (s *seat) close() {
	if s.alone != nil {
		s.alone.close()
	}
	s.leave()
}
