package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Life is one process's life of a pipeline, stepped by hand in one goroutine: the
// product's own ledger, intake, walks, head reader, fan-out and settler, without the
// goroutines and channels between them. It is exported to the simulations.
type Life struct {
	chain *chain
	raws  chan chunk[Raw] // emitted, not yet at the fan-out
	heads map[string]*head
	Lanes []*LifeLane

	TapeEvents int // events a shared walk holds; 0: as in the product

	OnEvent   func(what string)
	OnAttempt func(lane string, a Attempt)
}

// Attempt is what became of one attempt at a batch.
type Attempt struct {
	Doubt, Resolved, Delivered, Settled bool
	Outcome                             Outcome
}

// LifeLane is one lane of a life.
type LifeLane struct {
	life *Life
	l    *lane
	walk steps
	dead error
}

// Clock is the process's clock.
type Clock struct {
	Now   func() time.Time
	Sleep func(time.Duration)
}

// NewLife builds a pipeline of one source and begins its life: checkpoints are
// loaded, lanes attached, batches in doubt settled.
func NewLife(cfg Config, clk Clock, target, dense int, first time.Duration) (*Life, error) {
	p, err := build(cfg, clock{now: clk.Now, sleep: func(_ context.Context, d time.Duration) error {
		clk.Sleep(d)
		return nil
	}})
	if err != nil {
		return nil, err
	}
	c := p.chains[0]
	c.reader.limits = spanLimits{target: target, dense: dense, first: first}
	f := &Life{chain: c, raws: make(chan chunk[Raw], 1<<12), heads: make(map[string]*head)}
	for _, l := range c.lanes {
		f.Lanes = append(f.Lanes, &LifeLane{life: f, l: l})
	}
	return f, nil
}

// Begin loads the checkpoints, attaches all lanes, and recovers them.
func (f *Life) Begin(ctx context.Context) error {
	f.chain.reader.began = f.chain.clock.now()
	cps := make([]Checkpoint, len(f.Lanes))
	for i, l := range f.Lanes {
		cp, err := l.l.load(ctx)
		if err != nil {
			return err
		}
		cps[i] = cp
		l.l.settle.report = func(a settling) {
			if f.OnAttempt != nil {
				f.OnAttempt(l.l.name, Attempt{a.doubt, a.resolved, a.delivered, a.err == nil, a.outcome})
			}
			l.l.attempted(a)
		}
	}
	if err := f.chain.discover(ctx); err != nil {
		return err
	}
	var lanes []*lane
	for _, l := range f.Lanes {
		l.l.ch = l.l.in.port.attach()
		lanes = append(lanes, l.l)
	}
	for _, t := range f.chain.share(lanes) {
		if f.TapeEvents > 0 {
			t.limit = f.TapeEvents
		}
	}
	for i, l := range f.Lanes {
		if err := l.l.recover(ctx, ctx, cps[i]); err != nil {
			return fmt.Errorf("lane %s: %w", l.l.name, err)
		}
	}
	return nil
}

// Discover asks the source for its streams again.
func (f *Life) Discover(ctx context.Context) error { return f.chain.discover(ctx) }

// Contact reports whether the source has answered: from then on its clock is known.
func (f *Life) Contact() bool { return !f.chain.reader.start().IsZero() }

// Streams are the known streams.
func (f *Life) Streams() []string {
	known, _ := f.chain.streams.known()
	return known
}

func (f *Life) head(stream string) *head {
	if f.heads[stream] == nil {
		f.heads[stream] = f.chain.newHead(stream)
	}
	return f.heads[stream]
}

// Poll makes a recent walk of stream.
func (f *Life) Poll(ctx context.Context, stream string) {
	f.head(stream).poll(ctx, f.raws, f.chain.clock.now())
}

// Sweep makes one step of a deep walk of stream, a new one if none is under way
// and fresh is set. It reports whether that completed one.
func (f *Life) Sweep(ctx context.Context, stream string, fresh bool) (complete bool) {
	h := f.head(stream)
	if h.sweeping == nil {
		if !fresh || h.s.deep.IsZero() {
			return false
		}
		h.beginSweep(f.chain.clock.now())
	}
	before := h.s.deep
	h.sweep(ctx, f.raws)
	return h.s.deep.After(before)
}

// Waiting is how many chunks are on their way to the fan-out.
func (f *Life) Waiting() int { return len(f.raws) }

// Pump brings one chunk to the fan-out.
func (f *Life) Pump() {
	select {
	case c := <-f.raws:
		attached := 0
		for _, l := range f.Lanes {
			if l.l.in.port.ch != nil {
				attached++
			}
		}
		f.chain.fanout.send(chunk[Record]{stream: c.stream, entries: toRecords(f.chain.source, c.entries), claim: c.claim})
		for _, l := range f.Lanes {
			if l.l.in.port.ch != nil {
				attached--
			}
		}
		for ; attached > 0 && f.OnEvent != nil; attached-- {
			f.OnEvent("detached")
		}
	default:
	}
}

// Take lets the lane read: a step of its walk, or a chunk of its channel. It
// reports whether there was something to do.
func (l *LifeLane) Take(ctx context.Context, begin bool) (bool, error) {
	if l.dead != nil {
		return false, nil
	}
	now := l.l.clock.now()
	if l.walk == nil && begin && l.begin() {
		return true, nil
	}
	if l.walk != nil {
		st, err := l.walk.step(ctx)
		if err != nil {
			return false, err
		}
		l.l.in.step(st, now)
		if st.last {
			l.walk = nil
		}
		return true, nil
	}
	select {
	case c, ok := <-l.l.ch:
		if !ok {
			l.l.ch = nil
			l.l.in.closed()
			return true, nil
		}
		l.l.in.receive(c, now)
		return true, nil
	default:
		return false, nil
	}
}

func (f *Life) count(what string) {
	if f.OnEvent != nil {
		f.OnEvent(what)
	}
}

// handSeat reads a tape that no goroutine pulls.
type handSeat struct {
	*seat
	life *Life
}

func (h handSeat) step(ctx context.Context) (step, error) {
	for {
		lost := h.lost && h.alone == nil
		st, more, err := h.look(ctx)
		if more == nil {
			if lost {
				h.life.count("seat at the shared walk lost")
			}
			return st, err
		}
		h.tape.pull(ctx)
	}
}

// begin starts a walk of the streams that are not followed.
func (l *LifeLane) begin() bool {
	known, _ := l.l.chain.streams.known()
	var streams []string
	short := true
	for _, s := range known {
		if !l.l.in.following[s] {
			streams = append(streams, s)
			short = short && l.l.in.caught[s]
		}
	}
	if l.l.ch == nil {
		l.l.ch = l.l.in.port.attach()
	}
	if len(streams) == 0 {
		return false
	}
	bounds, missed := l.l.in.begin(known, streams)
	seat := l.l.seat
	l.l.seat = nil
	switch {
	case len(bounds) == 0:
		seat.leave()
		return true
	case seat.fits(bounds, missed):
		seat.take(bounds)
		l.walk = handSeat{seat, l.life}
		l.life.count("shared walk at the start")
	default:
		seat.leave()
		l.walk = l.l.chain.walk(known, bounds)
	}
	if short {
		l.life.count("short catch-up")
	} else {
		l.life.count("long catch-up")
	}
	return true
}

// Queued is how many admitted records wait.
func (l *LifeLane) Queued() int { return len(l.l.in.led.queue) }

// Following reports whether all known streams are followed and nothing waits.
func (l *LifeLane) Following() bool {
	known, _ := l.l.chain.streams.known()
	for _, s := range known {
		if !l.l.in.following[s] {
			return false
		}
	}
	return l.walk == nil && len(l.l.ch) == 0
}

// Deliver cuts a batch of up to n records and settles it. With n 0 it only
// records what is settled, and progress without members.
func (l *LifeLane) Deliver(ctx context.Context, n int) error {
	if l.dead != nil {
		return nil
	}
	j := job{done: l.l.settled != nil}
	if n = min(n, len(l.l.in.led.queue)); n > 0 {
		b := l.l.in.cut(n)
		if p, ok := l.l.cfg.Target.(Placer); ok {
			b.Place = p.Place(b.Manifest)
		}
		j.next = &b
	} else if m, ok := l.l.in.led.stride(); ok {
		j.progress = &m
	}
	if !j.done && j.next == nil && j.progress == nil {
		return nil
	}
	l.l.work(ctx, j)
	for len(l.l.events) > 0 {
		if err := l.l.handle(<-l.l.events); err != nil {
			l.dead = err
			return fmt.Errorf("lane %s: %w", l.l.name, err)
		}
	}
	return nil
}

// Settled reports whether nothing waits to be recorded as delivered.
func (l *LifeLane) Settled() bool { return l.l.settled == nil }

// Conserved checks that read is the sum of everything else.
func (l *LifeLane) Conserved() error {
	st := l.l.status()
	if sum := st.Delivered + st.Duplicate + st.Filtered + st.Quarantined + st.LateLost + st.Released + st.InFlight; sum != st.Read {
		return fmt.Errorf("lane %s: read %d, accounted for %d", l.l.name, st.Read, sum)
	}
	if st.LateLost > 0 {
		return errors.New("an entry was called late although none was later than the overlap")
	}
	return nil
}

// Describe says what every lane is at.
func (f *Life) Describe() string {
	s := fmt.Sprintf("waiting %d;", len(f.raws))
	for _, l := range f.Lanes {
		s += fmt.Sprintf(" %s: walk %v following %v queue %d ch %d settled %v dead %v;", l.l.name, l.walk != nil, l.l.in.following, l.Queued(), len(l.l.ch), l.Settled(), l.dead)
	}
	return s
}

// Progress describes what the lane has committed.
func (l *LifeLane) Progress() string {
	s := ""
	for _, n := range l.life.Streams() {
		p, ok := l.l.in.led.progress[n]
		if ok {
			s += fmt.Sprintf(" %s{w %s f %s j %s h %s}", n, p.Watermark.Format("15:04:05"), p.Floor.Format("15:04:05"), p.Joined.Format("15:04:05"), l.l.in.led.horizon(n).Format("15:04:05"))
		}
	}
	return s + fmt.Sprintf(" kept %s seen %d next %d", l.l.in.led.kept.Format("15:04:05"), len(l.l.in.led.seen), l.l.in.led.next)
}

// Queue describes the queued records.
func (l *LifeLane) Queue() string {
	s := ""
	for _, r := range l.l.in.led.queue {
		s += fmt.Sprintf(" %s@%s/%s≤%s", r.ID, r.Time.Format("15:04:05"), r.Stream, r.AsOf.Format("15:04:05"))
	}
	return s
}
