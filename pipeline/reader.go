package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// spanLimits bound what is read at once.
type spanLimits struct {
	// target is how many entries a span of a walk should hold: enough that its
	// last, partly filled page is a small part, few enough to be held in memory.
	target int
	// dense is how many are still read of a span that turns out to hold more. What
	// seems to hold twice as many after a few pages is read again in shorter spans.
	dense int
	// first is the length of a walk's first span, before any density is known.
	first time.Duration
}

var defaultLimits = spanLimits{target: 600, dense: 1200, first: 24 * time.Hour}

const (
	// spanPages is the most pages of one read; a second is read whole below it.
	spanPages = 100_000
	// pageAttempts is how often a page is asked for before its stream fails.
	pageAttempts = 5
)

// reader reads spans of one source whole. It is shared by the head reader and by
// the lanes of the source, and safe for concurrent use.
type reader struct {
	name   string
	source Source
	clock  clock
	log    *slog.Logger
	aside  func(context.Context, Aside) error
	metric *sourceMetrics
	tracer Tracer // nil: nothing is traced
	limits spanLimits

	began time.Time // our clock, before any lane attached

	mu     sync.Mutex
	skew   time.Duration // the source's clock less ours, at most; of the last answer
	paused time.Time     // until when the source asked to wait, by our clock
	origin time.Time     // began by the source's clock, at most; zero before the first answer
}

// denseError says that a span holds more than is read at once, and how long a span
// that holds the right number of entries is.
type denseError struct{ length time.Duration }

func (e *denseError) Error() string { return fmt.Sprintf("span is too dense, next %s", e.length) }

// span is a half-open interval of event time; a zero end means no bound.
type span struct{ from, to time.Time }

func (s span) String() string {
	if s.to.IsZero() {
		return fmt.Sprintf("[%s, …)", s.from.Format(time.RFC3339))
	}
	return fmt.Sprintf("[%s, %s)", s.from.Format(time.RFC3339), s.to.Format(time.RFC3339))
}

// readOptions vary one read.
type readOptions struct {
	urgent   bool   // a poll
	whole    bool   // read it however dense it is
	attempts int    // per page; 0: pageAttempts
	kind     string // what it is read for, to be told to a Tracer
	most     int    // entries of a span that is read to its end once it is under way; at least twice spanLimits.dense
}

// read returns all entries of stream visible now in s, ascending by Position, each
// once, and when the first request left by the source's clock, at most.
//
// Nothing is returned before the last page was read: the listing's order is not
// relied on. Pages that fail are asked for again a few times; then the read fails.
// An error of type *denseError asks for shorter spans.
func (r *reader) read(ctx context.Context, stream string, s span, o readOptions) ([]Raw, time.Time, error) {
	var (
		entries []Raw
		asOf    time.Time
		req     = PageRequest{Stream: stream, Since: s.from, Until: s.to, Urgent: o.urgent, kind: o.kind}
	)
	for n := 0; ; n++ {
		if n == spanPages {
			return nil, asOf, fmt.Errorf("read %s: more than %d pages", s, spanPages)
		}
		page, at, err := r.page(ctx, req, o.attempts)
		if err != nil {
			return nil, asOf, fmt.Errorf("read %s: page %d: %w", s, n+1, err)
		}
		if n == 0 {
			asOf = at
		}
		for i := range page.Entries {
			e := page.Entries[i]
			if e.Time.Before(s.from) || !s.to.IsZero() && !e.Time.Before(s.to) {
				return nil, asOf, fmt.Errorf("read %s: page %d: entry %s of %s lies outside the span", s, n+1, e.ID, e.Time.Format(time.RFC3339))
			}
			e.Stream, e.Trace = stream, page.trace
			entries = append(entries, e)
		}
		if page.Next == "" {
			break
		}
		if page.Next == req.Cursor {
			return nil, asOf, fmt.Errorf("read %s: page %d: the cursor %q does not advance", s, n+1, page.Next)
		}
		if !o.whole {
			if err := r.tooDense(s, entries, n+1, o.most); err != nil {
				return nil, asOf, err
			}
		}
		req.Cursor = page.Next
	}
	slices.SortFunc(entries, func(a, b Raw) int { return a.Compare(b.Position) })
	return slices.CompactFunc(entries, func(a, b Raw) bool { return a.ID == b.ID }), asOf, nil
}

// densePages is how many pages show a span's density: fewer may be one burst.
const densePages = 3

// tooDense judges by what was read of a span that has more. The first pages show
// the density already, whatever their order, so that a dense span costs few. Later,
// too much would be read again: only memory, of which most entries may take, is a
// reason then.
func (r *reader) tooDense(s span, entries []Raw, pages, most int) error {
	end := s.to
	if end.IsZero() {
		end = r.now()
	}
	length := end.Sub(s.from)
	n := float64(len(entries))
	early := 2 * r.limits.dense
	most = max(most, early)
	if length <= time.Second || n == 0 || pages < densePages && len(entries) < most {
		return nil // one second is read whole, whatever its size
	}
	oldest, newest := entries[0].Time, entries[0].Time
	for i := range entries {
		if t := entries[i].Time; t.Before(oldest) {
			oldest = t
		} else if t.After(newest) {
			newest = t
		}
	}
	covered := min(newest.Sub(oldest)+time.Second, length)
	expected := n * float64(length) / float64(covered)
	if len(entries) < most && (expected < float64(early) || pages > densePages && expected < float64(most)) {
		return nil
	}
	next := time.Duration(float64(length) * float64(r.limits.target) / max(expected, n))
	next = max(next, length/64) // it is a guess
	return &denseError{length: max(next.Truncate(time.Second), time.Second)}
}

// page asks for one page, again if that may help.
func (r *reader) page(ctx context.Context, req PageRequest, attempts int) (Page, time.Time, error) {
	if attempts == 0 {
		attempts = pageAttempts
	}
	retry := newRetrier(r.clock)
	for {
		sent := r.clock.now()
		page, err := r.source.Page(ctx, req)
		answered := r.clock.now()
		r.trace(&page, req, r.metric.page(len(page.Entries), err), sent, answered)
		if err == nil {
			if !page.Sent.IsZero() {
				sent = page.Sent
			}
			for _, a := range page.Aside {
				if err := r.aside(ctx, a); err != nil {
					return Page{}, time.Time{}, fmt.Errorf("set entry %s aside: %w", a.ID, err)
				}
			}
			return page, r.observe(sent, answered, page.Now), nil
		}
		if ctx.Err() != nil {
			return Page{}, time.Time{}, ctx.Err()
		}
		if isRefusal(err) || retry.attempts+1 >= attempts && !isThrottled(err) {
			return Page{}, time.Time{}, err
		}
		r.pause(err)
		r.log.Debug("page failed, asking again", "stream", req.Stream, "attempt", retry.attempts+1, "err", err)
		if err := retry.wait(ctx, err); err != nil {
			return Page{}, time.Time{}, err
		}
	}
}

func isThrottled(err error) bool {
	var t *ThrottledError
	return errors.As(err, &t)
}

// longPause is how long the source has to ask for before that is worth a warning.
const longPause = 30 * time.Second

// pause notes how long the source asks to wait.
func (r *reader) pause(err error) {
	var throttled *ThrottledError
	if !errors.As(err, &throttled) {
		return
	}
	until := r.clock.now().Add(throttled.After)
	r.mu.Lock()
	longer := until.After(r.paused)
	if longer {
		r.paused = until
	}
	r.mu.Unlock()
	if longer && throttled.After >= longPause {
		r.log.Warn("source asks to wait", "for", throttled.After, "err", throttled.Err)
	}
}

// throttled reports whether the source asked to wait and the time is not over.
func (r *reader) throttled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clock.now().Before(r.paused)
}

// observe learns the source's clock from an answer and returns when the request
// left by that clock, at most: a host clock that runs ahead must not hide
// anything, and nor may a slow answer. The Date is in whole seconds.
func (r *reader) observe(sent, answered, date time.Time) time.Time {
	at := sent
	skew := time.Duration(0)
	if !date.IsZero() {
		est := date.Add(-answered.Sub(sent) - time.Second)
		skew = est.Sub(sent)
		if est.Before(at) {
			at = est
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.skew = skew
	if r.origin.IsZero() {
		// By the time that passed, not by what our clock showed then: it may have
		// been set since.
		r.origin = at.Add(-sent.Sub(r.began)).UTC().Truncate(time.Second)
	}
	return at.UTC().Truncate(time.Second)
}

// now is the source's time, as far as it is known.
func (r *reader) now() time.Time {
	r.mu.Lock()
	skew := r.skew
	r.mu.Unlock()
	return r.clock.now().Add(skew).UTC()
}

// start is when the pipeline started by the source's clock, at most; zero before
// the first answer.
func (r *reader) start() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.origin
}

// ask returns the source's time. It asks for a page if there was no answer yet, as
// often as it takes.
func (r *reader) ask(ctx context.Context, stream string) (time.Time, error) {
	retry := newRetrier(r.clock)
	for r.start().IsZero() {
		_, _, err := r.page(ctx, PageRequest{Stream: stream, Since: r.clock.now().UTC().Truncate(time.Second), Limit: 1, kind: kindClock}, 1)
		if err == nil {
			break
		}
		if err := retry.wait(ctx, err); err != nil {
			return time.Time{}, err
		}
	}
	return r.now(), nil
}
