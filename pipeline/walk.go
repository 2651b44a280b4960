package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// bound is where a walk begins in one stream, and what it may claim.
type bound struct {
	from time.Time
	// deep says that the walk claims its own start. Otherwise it claims no more
	// than limit: the start of the last deep walk whose news its reader has had,
	// or, if that is zero, the start of the pipeline.
	deep  bool
	limit time.Time
	// Entries older than joined may have come through others, and be forgotten
	// since: their ids are left out of this stream.
	joined time.Time
	others []string
}

// walk reads streams from their lower bounds up to now in ascending spans, several
// at the same time, each whole. The last span has no upper bound. It is used by
// one goroutine.
type walk struct {
	reader  *reader
	streams []string // in order of precedence; those that fail are left out
	bounds  map[string]bound
	length  time.Duration // of the next span
	width   int           // spans read at the same time; 1: in the caller's goroutine
	options readOptions
	convert func([]Raw) []Record // nil: steps hold the entries as they were read

	asOf   map[string]time.Time
	ended  chan struct{} // holds a token when a task has ended since the last look
	tasks  []*task       // what is still to be read, in order; the first ones are begun
	opened bool          // the first span was read
	empty  bool          // the last span held nothing
}

// step is what a walk brings at once.
type step struct {
	span
	raws    []Raw                // ascending, of all streams; an id may come from several
	records []Record             // likewise, instead of raws, if the walk converts
	failed  map[string]error     // streams that have left the walk
	claims  map[string]time.Time // set in the last step: what the whole walk claims, per stream
	last    bool
}

// newWalk plans a walk of the streams in bounds. Streams gives their precedence.
func newWalk(r *reader, streams []string, bounds map[string]bound, width int) *walk {
	w := &walk{reader: r, bounds: bounds, length: r.limits.first, width: width, asOf: make(map[string]time.Time), ended: make(chan struct{}, 1)}
	var from time.Time
	for _, s := range streams {
		if b, ok := bounds[s]; ok {
			w.streams = append(w.streams, s)
			if from.IsZero() || b.from.Before(from) {
				from = b.from
			}
		}
	}
	w.tasks = []*task{{span: span{from: from}, last: true}}
	// The spans that are read at the same time share what may be held.
	w.options.most = min(40*r.limits.dense/max(width, 1), 10*r.limits.dense)
	return w
}

// task is the reading of one span.
type task struct {
	span
	last   bool // the walk ends with it: it has no upper bound
	cancel context.CancelFunc
	done   chan struct{} // nil: not begun, and not cut to length
	length time.Duration // of the spans to cut it into; zero: as the walk goes

	raws   []Raw          // ascending, of all streams
	counts map[string]int // entries by stream
	asOf   map[string]time.Time
	errs   map[string]error
	dense  time.Duration // the length that its spans should have; zero: it was read
}

// step reads on. After the step that is last there is no other. It returns an error
// only if ctx is done; streams that fail leave the walk, and the last that does
// ends it.
func (w *walk) step(ctx context.Context) (step, error) {
	for {
		w.start(ctx)
		t := w.tasks[0]
		if !t.finished() {
			select {
			case <-t.done:
			case <-w.ended: // another one may be begun
				continue
			case <-ctx.Done():
				return step{}, ctx.Err()
			}
		}
		if ctx.Err() != nil {
			return step{}, ctx.Err()
		}
		if t.dense > 0 {
			continue // it is cut again
		}
		w.tasks = slices.Delete(w.tasks, 0, 1) // cut off its front, it would keep what was read
		w.opened = true
		return w.collect(t), nil
	}
}

// close ends the reading ahead.
func (w *walk) close() {
	for _, t := range w.tasks {
		if t.cancel != nil {
			t.cancel()
		}
	}
	for _, t := range w.tasks {
		if t.done != nil {
			<-t.done
		}
	}
}

// start has spans read, in order, as many at the same time as may be. A span that
// takes long does not hold the others up: as much as waits for it may wait. What is
// not yet cut into spans is a task that is not planned; spans are cut off its
// beginning.
func (w *walk) start(ctx context.Context) {
	running, waiting := 0, 0
	for i, t := range w.tasks {
		switch {
		case t.done == nil:
		case !t.finished():
			running++
		default:
			waiting += len(t.raws)
			if t.dense > 0 {
				w.reader.log.Debug("span is too dense", "span", t.span.String(), "next", t.dense)
				w.tasks[i] = &task{span: t.span, last: t.last, length: t.dense}
			}
		}
	}
	for i := 0; i < len(w.tasks); i++ {
		t := w.tasks[i]
		if t.done != nil {
			continue
		}
		// Until the first span is in, nothing else is read: the walk claims the
		// time of its first request.
		far := i >= w.width && waiting >= 2*w.width*w.reader.limits.target
		if i > 0 && (!w.opened || running >= w.width || far) {
			return
		}
		running++
		w.cut(i)
		t.done = make(chan struct{})
		var tctx context.Context
		tctx, t.cancel = context.WithCancel(ctx)
		streams := slices.Clone(w.streams)
		if w.width <= 1 {
			w.run(tctx, t, streams)
			return
		}
		go w.run(tctx, t, streams)
	}
}

// finished reports whether a task that was begun has ended.
func (t *task) finished() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// longestSpan keeps what is doubled a duration.
const longestSpan = 100 * 365 * 24 * time.Hour

// cut makes task i as long as a span should be, and leaves the rest behind it.
func (w *walk) cut(i int) {
	t := w.tasks[i]
	length := t.length
	if length == 0 {
		if w.empty {
			w.length = min(2*w.length, longestSpan) // through silence in ever larger steps
		}
		length = w.length
	}
	end := t.from.Add(length)
	if t.last && !end.Before(w.reader.now()) || !t.last && !end.Before(t.to) {
		return
	}
	w.tasks = slices.Insert(w.tasks, i+1, &task{span: span{from: end, to: t.to}, last: t.last, length: t.length})
	t.to, t.last = end, false
}

// run reads t's span of every stream.
func (w *walk) run(ctx context.Context, t *task, streams []string) {
	defer func() {
		t.cancel()
		close(t.done)
		select {
		case w.ended <- struct{}{}:
		default:
		}
	}()
	t.counts, t.asOf, t.errs = make(map[string]int), make(map[string]time.Time), make(map[string]error)
	for _, s := range streams {
		b := w.bounds[s]
		sub := t.span
		if b.from.After(sub.from) {
			sub.from = b.from
		}
		if !sub.to.IsZero() && !sub.from.Before(sub.to) {
			continue
		}
		raws, asOf, err := w.reader.read(ctx, s, sub, w.options)
		if err == nil {
			raws, err = w.leaveOut(ctx, b, t.span, raws)
		}
		if err != nil {
			t.errs[s] = err
			var dense *denseError
			if errors.As(err, &dense) {
				// The other streams are not read: the span is, in pieces, even if
				// this stream leaves the walk meanwhile.
				t.dense = dense.length
				return
			}
			continue
		}
		t.counts[s], t.asOf[s] = len(raws), asOf
		if t.raws == nil {
			t.raws = raws // most spans have entries of one stream
		} else {
			t.raws = append(t.raws, raws...)
		}
	}
	if len(t.counts) > 1 {
		// Stable: of two streams that have an entry, the first one's body comes first.
		slices.SortStableFunc(t.raws, func(a, b Raw) int { return a.Compare(b.Position) })
	}
}

// leaveOut drops what other streams have from before this one joined: that was
// delivered through them, and forgotten.
func (w *walk) leaveOut(ctx context.Context, b bound, s span, raws []Raw) ([]Raw, error) {
	if !s.from.Before(b.joined) {
		return raws, nil
	}
	if s.to.IsZero() || s.to.After(b.joined) {
		s.to = b.joined
	}
	there := make(map[string]bool)
	for _, o := range b.others {
		others, _, err := w.reader.read(ctx, o, s, w.options)
		if err != nil {
			return nil, fmt.Errorf("compare with stream %s: %w", o, err)
		}
		for i := range others {
			there[others[i].ID] = true
		}
	}
	return slices.DeleteFunc(raws, func(r Raw) bool { return there[r.ID] }), nil
}

// collect turns a finished task into a step.
func (w *walk) collect(t *task) step {
	st := step{span: t.span, last: t.last}
	active, asOf := w.streams[:0:0], make(map[string]time.Time)
	densest := 0
	for _, s := range w.streams {
		if err := t.errs[s]; err != nil {
			if st.failed == nil {
				st.failed = make(map[string]error)
			}
			st.failed[s] = err
			continue
		}
		active = append(active, s)
		densest = max(densest, t.counts[s])
		at, ok := w.claim(s, t)
		asOf[s] = at
		if st.last && ok {
			if st.claims == nil {
				st.claims = make(map[string]time.Time)
			}
			st.claims[s] = at
		}
	}
	w.streams = active
	if len(active) == 0 {
		st.last = true
	}
	st.raws = finish(t.raws, asOf)
	if w.convert != nil {
		// Not while reading ahead: a record takes several times the room of its entry.
		st.records, st.raws = w.convert(st.raws), nil
	}
	w.adapt(t.span, densest)
	w.reader.log.Debug("span read", "span", t.span.String(), "entries", densest, "next", w.length)
	return st
}

// finish sets what a walk's entries may claim. A stream without a claim has left the
// walk while the span was being read ahead: its entries are dropped.
func finish(raws []Raw, asOf map[string]time.Time) []Raw {
	gone := false
	for i := range raws {
		at, ok := asOf[raws[i].Stream]
		raws[i].AsOf, gone = at, gone || !ok
	}
	if !gone {
		return raws
	}
	return slices.DeleteFunc(raws, func(r Raw) bool {
		_, ok := asOf[r.Stream]
		return !ok
	})
}

// claim is the most that entries of stream in this walk may claim.
func (w *walk) claim(stream string, t *task) (time.Time, bool) {
	if at, ok := w.asOf[stream]; ok {
		return at, true
	}
	at, ok := t.asOf[stream]
	if !ok {
		return time.Time{}, false // nothing of the stream was read yet
	}
	if b := w.bounds[stream]; !b.deep {
		// Invariant 5: a walk that relies on what was read before it claims no
		// more than that did.
		limit := b.limit
		if limit.IsZero() {
			limit = w.reader.start()
		}
		if limit.Before(at) {
			at = limit
		}
	}
	w.asOf[stream] = at
	return at, true
}

// adapt sets the length of the spans to come by the density of the last one.
func (w *walk) adapt(s span, entries int) {
	w.empty = entries == 0
	if s.to.IsZero() || w.empty {
		return
	}
	length := s.to.Sub(s.from)
	next := time.Duration(float64(length) * float64(w.reader.limits.target) / float64(entries))
	w.length = max(min(next, 2*length).Truncate(time.Second), time.Second)
}
