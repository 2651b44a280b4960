package pipeline

import (
	"context"
	"maps"
	"time"
)

// headStream is the head reader's memory of one stream: what it has emitted, and
// from where the next walks read. It is pure, and used by one goroutine.
type headStream struct {
	name     string
	overlap  time.Duration
	recent   time.Duration
	deep     time.Time // start of the last complete deep walk, by the source's clock
	lastPoll time.Time // start of the last recent walk that was complete
	lastLong time.Time // likewise, of the last one from recent ago
	emitted  map[idKey]int64
}

// pollMargin is how far before the last poll's start a poll reads again.
const pollMargin = time.Minute

// longPoll is how often a poll reads from as far back as recent says.
const longPoll = 5 * time.Minute

func newHeadStream(name string, overlap, recent time.Duration) *headStream {
	return &headStream{name: name, overlap: overlap, recent: recent, emitted: make(map[idKey]int64)}
}

// pollFrom is where a recent walk that begins now reads from, and whether it is a long one.
func (h *headStream) pollFrom(now time.Time) (from time.Time, long bool) {
	if h.lastPoll.IsZero() {
		return now.Add(-h.recent).Truncate(time.Second), true
	}
	from = h.lastPoll
	if now.Before(from) {
		from = now // the clock went back
	}
	from = from.Add(-pollMargin)
	since := now.Sub(h.lastLong)
	long = since >= longPoll || since < 0
	if r := now.Add(-h.recent); long && r.Before(from) {
		from = r
	}
	return from.Truncate(time.Second), long
}

// polled records that a recent walk which began at start is complete.
func (h *headStream) polled(start time.Time, long bool) {
	h.lastPoll = start
	if long {
		h.lastLong = start
	}
}

// deepFrom is where the next deep walk reads from: what became visible after the
// last one began has a later time.
func (h *headStream) deepFrom() time.Time {
	return h.deep.Add(-h.overlap).Truncate(time.Second)
}

// swept records that a deep walk which began at start is complete: its last news
// is in the first channel.
func (h *headStream) swept(start time.Time) {
	h.deep = start
	low := h.deepFrom()
	if r := start.Add(-h.recent - pollMargin); r.Before(low) {
		low = r
	}
	for key, t := range h.emitted {
		if t < low.Unix() {
			delete(h.emitted, key)
		}
	}
}

// news returns those of raws that were not emitted before, and notes them.
func (h *headStream) news(raws []Raw) []Raw {
	var news []Raw
	for i := range raws {
		key := keyOf(raws[i].ID)
		if _, ok := h.emitted[key]; ok {
			continue
		}
		h.emitted[key] = raws[i].Time.Unix()
		news = append(news, raws[i])
	}
	return news
}

// emit sends raws of stream in chunks. It returns the context's error if that is
// done first.
func emit(ctx context.Context, out chan<- chunk[Raw], stream string, raws []Raw, claim time.Time) error {
	for len(raws) > 0 || !claim.IsZero() {
		n := min(len(raws), chunkLen)
		c := chunk[Raw]{stream: stream, entries: raws[:n:n]}
		raws = raws[n:]
		if len(raws) == 0 {
			c.claim, claim = claim, time.Time{}
		}
		select {
		case out <- c:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// head walks one stream for ever: polls on time, deep walks span by span between them.
type head struct {
	chain *chain
	s     *headStream
	name  string

	nextPoll, nextDeep time.Time // by our clock
	sweeping           *walk     // the deep walk under way
	sweepBegan         time.Time // by our clock
}

func (c *chain) newHead(stream string) *head {
	now := c.clock.now()
	c.metric.addStream(c.name, stream)
	return &head{
		chain: c, name: stream, s: newHeadStream(stream, c.cfg.overlap, c.cfg.recent),
		nextPoll: now, nextDeep: now.Add(c.cfg.sweep),
	}
}

// run returns nil when ctx is done.
func (h *head) run(ctx context.Context, out chan<- chunk[Raw]) error {
	for ctx.Err() == nil {
		now := h.chain.clock.now()
		switch {
		case !now.Before(h.nextPoll):
			h.poll(ctx, out, now)
		case h.sweeping != nil:
			h.sweep(ctx, out)
		case !now.Before(h.nextDeep) && !h.s.deep.IsZero():
			h.beginSweep(now)
		default:
			next := h.nextPoll
			if h.nextDeep.Before(next) && !h.s.deep.IsZero() {
				next = h.nextDeep
			}
			_ = h.chain.clock.sleep(ctx, next.Sub(now)) // the loop looks at ctx
		}
	}
	return nil
}

// poll makes a recent walk.
func (h *head) poll(ctx context.Context, out chan<- chunk[Raw], now time.Time) {
	c := h.chain
	h.nextPoll = now.Add(c.cfg.poll)
	start := c.reader.now()
	from, long := h.s.pollFrom(start)
	w := newWalk(c.reader, []string{h.name}, map[string]bound{h.name: {from: from, limit: h.s.deep}}, 1)
	w.options = readOptions{urgent: true, attempts: 2, kind: kindRecent}
	for last := false; !last; {
		st, err := w.step(ctx)
		if err != nil {
			return
		}
		if err := st.failed[h.name]; err != nil {
			h.failed(err, "recent")
			return
		}
		if h.emit(ctx, out, st.raws, time.Time{}) != nil {
			return
		}
		last = st.last
	}
	if h.s.deep.IsZero() {
		h.s.deep = c.reader.start()
	}
	if end := c.reader.now(); end.Before(start) {
		start = end // our clock ran ahead, and nobody had told us yet
	}
	h.s.polled(start, long)
	h.ok("recent", func(s *streamState) { s.polled = start })
}

// beginSweep plans a deep walk: from where the last complete one began, less the
// overlap. What became visible after that has a later time.
func (h *head) beginSweep(now time.Time) {
	maps.Copy(h.s.emitted, h.chain.tape.emitted(h.name))
	h.sweeping = newWalk(h.chain.reader, []string{h.name}, map[string]bound{h.name: {from: h.s.deepFrom(), deep: true}}, 1)
	h.sweeping.options.kind = kindDeep
	h.sweepBegan = now
}

// sweep makes one step of the deep walk.
func (h *head) sweep(ctx context.Context, out chan<- chunk[Raw]) {
	st, err := h.sweeping.step(ctx)
	if err != nil {
		return
	}
	c := h.chain
	if err := st.failed[h.name]; err != nil {
		// Made again from the same lower bound.
		h.sweeping = nil
		h.nextDeep = c.clock.now().Add(c.cfg.poll)
		h.failed(err, "deep")
		return
	}
	claim := st.claims[h.name]
	if h.emit(ctx, out, st.raws, claim) != nil || !st.last {
		return
	}
	// Complete: its last news is in the first channel.
	h.sweeping = nil
	h.s.swept(claim)
	took := c.clock.now().Sub(h.sweepBegan)
	h.nextDeep = h.sweepBegan.Add(max(c.cfg.sweep, 4*took))
	c.metric.deepTime.WithLabelValues(c.name, h.name).Set(took.Seconds())
	h.ok("deep", func(s *streamState) { s.deep = claim })
}

// emit sends what is new of raws.
func (h *head) emit(ctx context.Context, out chan<- chunk[Raw], raws []Raw, claim time.Time) error {
	news := h.s.news(raws)
	h.observe(news)
	return emit(ctx, out, h.name, news, claim)
}

// observe measures how late entries are when they are first seen. What is older than
// this process may have been seen by an earlier one, and says nothing until a deep
// walk of ours has read it.
func (h *head) observe(news []Raw) {
	if len(news) == 0 {
		return
	}
	c, now := h.chain, h.chain.reader.now()
	delay, near := c.metric.delay.WithLabelValues(c.name), c.metric.nearOverlap.WithLabelValues(c.name)
	began := c.reader.start()
	swept := h.s.deep.After(began)
	for i := range news {
		t := news[i].Time
		if !swept && t.Before(began) {
			continue
		}
		late := now.Sub(t)
		delay.Observe(max(late.Seconds(), 0))
		// A complete walk has passed its time: it was not we who were late.
		if t.Before(h.s.lastPoll) && late > c.cfg.overlap*4/5 {
			near.Inc()
		}
	}
	last := news[len(news)-1].Time
	h.chain.streams.seen(h.name, last)
}

func (h *head) ok(kind string, update func(*streamState)) {
	c := h.chain
	c.streams.report(h.name, nil, update)
	c.metric.walks.WithLabelValues(c.name, h.name, kind, "ok").Inc()
}

func (h *head) failed(err error, kind string) {
	c := h.chain
	if isRefusal(err) {
		h.nextPoll = c.clock.now().Add(refusedWait)
	}
	c.streams.report(h.name, err, nil)
	c.metric.walks.WithLabelValues(c.name, h.name, kind, "error").Inc()
}
