package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// lane is one source feeding one sink: settle what is in doubt, attach, catch up,
// follow. Its loop decides and reads; one worker at a time writes the checkpoint
// and delivers, so that a lane admits while it delivers.
type lane struct {
	name   string
	cfg    LaneConfig
	chain  *chain
	store  Store
	settle settler
	clock  clock
	log    *slog.Logger
	once   bool
	counts *laneCounts
	metric *metrics
	tracer Tracer // nil: nothing is traced
	view   laneView

	// Of the present life; used by the loop only.
	in        *intake
	seat      *seat // at the walk that is read once for all lanes; nil: none
	policy    BatchPolicy
	ch        <-chan chunk[Record] // nil: to be attached
	walk      *walking             // nil: none
	retryAt   map[string]time.Time // streams that failed for this lane
	failures  map[string]*retrier
	repairs   chan repair      // from operators
	refused   map[string]error // streams that failed for good, with once
	busy      bool             // the worker is at it
	events    chan event
	prepared  *Batch    // durable, not settled
	settled   *Manifest // settled, not recorded as delivered
	rejected  int       // of settled
	lastClaim time.Time

	trace BatchTracer // of the batch that is being settled, used by who settles it; nil: it is not traced
}

// strideEvery is how often progress without members is recorded.
const strideEvery = 10 * time.Second

// load gets the lane's checkpoint and makes its ledger.
func (l *lane) load(ctx context.Context) (Checkpoint, error) {
	start := l.cfg.Start.At
	switch {
	case l.cfg.Start.Now:
		known, _ := l.chain.streams.known()
		if len(known) == 0 {
			return Checkpoint{}, errors.New("ask the source for its time: it names no stream")
		}
		now, err := l.chain.reader.ask(ctx, known[0])
		if err != nil {
			return Checkpoint{}, fmt.Errorf("ask the source for its time: %w", err)
		}
		start = now
	case start.IsZero():
		start = Earliest
	}
	cp, err := l.store.Load(ctx, l.name, start.UTC().Truncate(time.Second))
	if err != nil {
		return cp, fmt.Errorf("load checkpoint: %w", err)
	}
	led := newLedger(l.name, cp, l.chain.cfg.overlap, l.chain.cfg.slack())
	in := newIntake(led, l.chain.fanout.port(l.cfg.Buffer), l.chain.reader)
	in.filter, in.counts, in.size, in.late = l.cfg.Filter, l.counts, recordSize, l.lateArrival
	if s, ok := l.cfg.Target.(Sizer); ok {
		in.size = func(r *Record) int { return s.Size(*r) }
	}
	l.in = in
	l.retryAt, l.failures = make(map[string]time.Time), make(map[string]*retrier)
	l.refused = make(map[string]error)
	l.prepared, l.settled, l.rejected, l.busy = nil, nil, 0, false
	l.events = make(chan event, 2)
	for s := range cp.Streams {
		l.chain.streams.add(s) // never switched off again
	}
	if cp.Prepared != nil {
		for s := range cp.Prepared.Watermarks {
			l.chain.streams.add(s) // its members may come from a stream that is known to this batch first
		}
	}
	return cp, nil
}

func recordSize(r *Record) int { return len(r.Avro) }

func (l *lane) lateArrival(r *Record) {
	l.log.Warn("entry appeared too late and is lost to this lane; raise pipeline.overlap",
		"event_id", r.ID, "time", r.Time, "stream", r.Stream, "horizon", l.in.led.horizon(r.Stream))
	l.view.tooLate()
}

// recover claims the destination and settles the batch that an earlier life left
// in doubt. Invariant 4: nothing newer is delivered before.
func (l *lane) recover(ctx, hard context.Context, cp Checkpoint) error {
	if c, ok := l.cfg.Target.(Claimer); ok {
		retry := newRetrier(l.clock)
		for failed := false; ; failed = true {
			err := c.Claim(ctx, cp, cp.Takeover)
			if err == nil {
				if failed {
					l.log.Info("destination claimed")
				}
				break
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			err = fmt.Errorf("claim: %w", err)
			if l.settle.fatal(err) {
				return err
			}
			if l.view.failing(err) {
				l.log.Warn("destination not claimed, trying again", "err", err)
			}
			if err := retry.wait(ctx, err); err != nil {
				return err
			}
		}
	}
	if cp.Prepared == nil {
		return nil
	}
	m := *cp.Prepared
	l.prepared = &Batch{Manifest: m}
	l.counts.resume(len(m.Members))
	l.view.doubtful(m)
	l.beginTrace(l.prepared, true)
	rejected, err := l.settle.settle(hard, *l.prepared, true)
	l.endTrace(err)
	if err != nil {
		return err
	}
	// Invariant 3: recorded on evidence, whatever the contexts say by now.
	if err := l.advance(hard, true, nil); err != nil {
		return err
	}
	l.prepared = nil
	l.commit(m, len(rejected))
	return nil
}

// run follows the source until soft is done, or with once until everything visible
// at the beginning is delivered. Deliveries run under hard.
func (l *lane) run(soft, hard context.Context) error {
	walks, stop := context.WithCancel(soft)
	defer stop() // before the walk is waited for
	err := l.loop(walks, soft, hard)
	stop()
	if l.walk != nil {
		<-l.walk.ended
		l.walk = nil
	}
	return err
}

func (l *lane) loop(walks, soft, hard context.Context) error {
	for {
		known, changed := l.chain.streams.known()
		stopping := soft.Err() != nil // asked once a round: wait has to know what was decided on it
		if !stopping {
			l.begin(walks, known)
		}
		l.dispatch(hard, stopping)
		if !l.busy && (stopping || l.finished(known)) {
			return l.refusal()
		}
		if err := l.wait(soft, stopping, changed, known); err != nil {
			return err
		}
	}
}

// refusal is the error of a source that refused a stream for good, with once.
func (l *lane) refusal() error {
	for s, err := range l.refused {
		return fmt.Errorf("stream %s: %w", s, err)
	}
	return nil
}

// wait blocks until something happens and takes it in.
func (l *lane) wait(soft context.Context, stopping bool, changed <-chan struct{}, known []string) error {
	var (
		walked <-chan walked
		chunks <-chan chunk[Record]
		timer  <-chan time.Time
		done   = soft.Done()
	)
	if stopping {
		done = nil // only the worker is waited for
	} else {
		// A lane that cannot deliver takes no more of its own walk than a batch or
		// two; the channel's events are counted already.
		switch {
		case l.walk == nil:
			chunks = l.ch
		case len(l.in.led.queue) < max(min(2*l.policy.MaxEvents, l.cfg.Buffer/2), 1) && l.in.led.bytes < 2*l.policy.MaxBytes:
			walked = l.walk.steps
		}
		if d, ok := l.sleep(known); ok {
			t := time.NewTimer(d)
			defer t.Stop()
			timer = t.C
		}
	}
	select {
	case w := <-walked:
		l.walked(w)
	case c, ok := <-chunks:
		if !ok {
			l.ch = nil
			l.in.closed()
			l.metric.detached.WithLabelValues(l.name).Inc()
			break
		}
		l.in.receive(c, l.clock.now())
	case e := <-l.events:
		if err := l.handle(e); err != nil {
			return err
		}
	case <-changed:
	case <-timer:
	case <-done:
	}
	l.view.update(l)
	return nil
}

// sleep is how long nothing has to be done by the clock.
func (l *lane) sleep(known []string) (time.Duration, bool) {
	now := l.clock.now()
	var next time.Time
	earlier := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	if q := l.in.led.queue; len(q) > 0 && !l.busy {
		earlier(q[0].since.Add(l.policy.MaxAge))
	}
	if len(l.in.led.loose) > 0 && !l.busy {
		earlier(l.lastClaim.Add(strideEvery))
	}
	if l.walk == nil {
		for _, s := range known {
			if at, ok := l.retryAt[s]; ok && !l.in.following[s] && !l.chain.streams.down(s) {
				earlier(at)
			}
		}
	}
	if next.IsZero() {
		return 0, false
	}
	return max(next.Sub(now), 0), true
}

// begin attaches, and starts a walk of the streams that are not followed.
func (l *lane) begin(ctx context.Context, known []string) {
	if l.walk != nil {
		return
	}
	now := l.clock.now()
	var streams []string
	for _, s := range known {
		if !l.in.following[s] && !l.chain.streams.down(s) && !now.Before(l.retryAt[s]) && l.refused[s] == nil {
			streams = append(streams, s)
		}
	}
	if l.ch == nil {
		l.ch = l.in.port.attach()
	}
	if len(streams) == 0 {
		return
	}
	bounds, missed := l.in.begin(known, streams)
	seat := l.seat
	l.seat = nil // it is for the first walk of the process
	switch {
	case len(bounds) == 0:
		seat.leave()
	case seat.fits(bounds, missed):
		l.walk = startWalk(ctx, seat.take(bounds))
	default:
		seat.leave()
		l.walk = startWalk(ctx, l.chain.walk(known, bounds))
	}
}

// walked takes in what the walk brought.
func (l *lane) walked(w walked) {
	if w.err != nil {
		return // the context is done
	}
	now := l.clock.now()
	for s, err := range l.in.step(w.step, now) {
		l.fail(s, err)
	}
	for s := range w.step.claims {
		delete(l.failures, s)
		delete(l.retryAt, s)
	}
	if w.step.last {
		<-l.walk.ended
		l.walk = nil
	}
}

// fail puts a stream off that left the walk.
func (l *lane) fail(stream string, err error) {
	refused := isRefusal(err)
	l.log.Warn("stream left the walk", "stream", stream, "err", err)
	if refused && l.once {
		l.refused[stream] = err
		return
	}
	r := l.failures[stream]
	if r == nil {
		r = newRetrier(l.clock)
		l.failures[stream] = r
	}
	d := r.next(err)
	if refused {
		d = refusedWait // permanent errors are looked at again as well: they cost one request
	}
	l.retryAt[stream] = l.clock.now().Add(d)
}

// finished reports whether, with once, everything is delivered.
func (l *lane) finished(known []string) bool {
	if !l.once || l.walk != nil || len(l.in.led.queue) > 0 || l.settled != nil || l.prepared != nil {
		return false
	}
	for _, s := range known {
		if !l.in.caught[s] && l.refused[s] == nil {
			return false
		}
	}
	return true
}

// end gives up what this life holds: queued records will be read again.
func (l *lane) end() {
	l.in.release()
	if n := l.unsettled(); n > 0 {
		l.counts.release(n) // of the batch that stays prepared
	}
	l.in.port.close()
	l.seat.leave()
	l.ch, l.seat = nil, nil
}

// unsettled is how many members of a prepared batch are in flight.
func (l *lane) unsettled() int {
	switch {
	case l.prepared != nil:
		return len(l.prepared.Members)
	case l.settled != nil:
		return len(l.settled.Members)
	}
	return 0
}
