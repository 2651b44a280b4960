package pipeline

import (
	"encoding/hex"
	"log/slog"
	"time"
)

// Tracer makes traces of what a pipeline does: pages, the batches cut from their
// entries, the attempts to deliver those. It is given names, numbers and times, never
// an entry or what a server says. Methods may be called concurrently, return at once
// and cannot fail.
type Tracer interface {
	// Page is told of one request for a page that was answered or has failed. What it
	// returns stays with the page's entries and comes back with the batches they are
	// delivered in. It may be nil.
	Page(p PageTrace) *TraceRef

	// Batch is told that a batch is about to be written down and delivered.
	Batch(b BatchTrace) BatchTracer
}

// BatchTracer follows one batch. Its methods are called one at a time, End last.
type BatchTracer interface {
	// Ref is where the batch stands in its trace.
	Ref() TraceRef

	// Attempt is told of one attempt to settle the batch, after it.
	Attempt(a AttemptTrace)

	// End is told that the batch is settled, or that it stays prepared.
	End(at time.Time, settled bool)
}

// TraceRef is a place in a trace, as the W3C names it. It is not modified.
type TraceRef struct {
	Trace   [16]byte
	Span    [8]byte
	Sampled bool
}

// PageTrace is one request for a page.
type PageTrace struct {
	Source, Stream string
	Kind           string    // recent, deep, catch_up, rebuild, clock: what it was read for
	Result         string    // as connector_source_pages_total has it
	Began, Ended   time.Time // the wait for its turn included
	Sent           time.Time // when it left; zero: it did not, or the source does not say
	Entries        int
	Status         int // of HTTP; 0: no answer, or the source does not say
	Bytes          int // of the answer's body
}

// BatchTrace is one batch.
type BatchTrace struct {
	ID        BatchID
	Kind      string // of destination, as configured: "sqlite"
	Began     time.Time
	Events    int
	Watermark time.Time   // the lowest of its streams' once it is committed; zero: it has none
	Pages     []*TraceRef // that its events were on, each once, in the order of the events
	Recovered bool        // an earlier life prepared it; its pages are not known
}

// AttemptTrace is one attempt to settle a batch.
type AttemptTrace struct {
	Class        string // delivered or resolved, or why not, as connector_lane_attempts_total has it
	Settled      bool
	Rejected     int // events that the destination refused
	Began, Ended time.Time
}

// What a page is read for.
const (
	kindRecent  = "recent"
	kindDeep    = "deep"
	kindCatchUp = "catch_up"
	kindRebuild = "rebuild"
	kindClock   = "clock"
)

// trace tells the tracer of a page and notes on it what its entries are to keep.
func (r *reader) trace(page *Page, req PageRequest, result string, began, ended time.Time) {
	if r.tracer == nil {
		return
	}
	page.trace = r.tracer.Page(PageTrace{
		Source: r.name, Stream: req.Stream, Kind: req.kind, Result: result, Began: began, Ended: ended,
		Sent: page.Sent, Entries: len(page.Entries), Status: page.Status, Bytes: page.Bytes,
	})
}

// beginTrace tells the tracer of the batch that is settled next.
func (l *lane) beginTrace(b *Batch, recovered bool) {
	if l.tracer == nil {
		return
	}
	t := BatchTrace{ID: b.ID, Kind: l.cfg.Kind, Began: l.clock.now(), Events: len(b.Members), Pages: pagesOf(b.Records), Recovered: recovered}
	for _, w := range b.Watermarks {
		if t.Watermark.IsZero() || w.Before(t.Watermark) {
			t.Watermark = w
		}
	}
	l.trace = l.tracer.Batch(t)
}

// endTrace tells the tracer what the batch's settling has come to.
func (l *lane) endTrace(err error) {
	if l.trace == nil {
		return
	}
	l.trace.End(l.clock.now(), err == nil)
	l.trace = nil
}

// traceAttempt tells the tracer of an attempt at the batch, and returns the logger for
// what there is to say of it: its lines name the trace.
func (l *lane) traceAttempt(a settling, class string) *slog.Logger {
	if l.trace == nil {
		return l.log
	}
	l.trace.Attempt(AttemptTrace{Class: class, Settled: a.err == nil, Rejected: a.rejected, Began: a.began, Ended: l.clock.now()})
	ref := l.trace.Ref()
	if !ref.Sampled {
		return l.log
	}
	return l.log.With("trace_id", hex.EncodeToString(ref.Trace[:]), "span_id", hex.EncodeToString(ref.Span[:]))
}

// pagesOf returns the pages that records were on, each once.
func pagesOf(records []Record) []*TraceRef {
	var pages []*TraceRef
	seen := make(map[*TraceRef]bool)
	for i := range records {
		if p := records[i].Trace; p != nil && !seen[p] {
			seen[p] = true
			pages = append(pages, p)
		}
	}
	return pages
}
