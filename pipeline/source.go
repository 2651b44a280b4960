package pipeline

import (
	"context"
	"time"
)

// Source reads an audit log that can be read again. The pipeline does the
// paging, ordering, overlap and deduplication; a Source knows one vendor's API.
//
// Methods do not retry. They return [Permanent] errors for what will never work
// (unknown tenant; bad credentials, which also wrap [ErrRefused]), a
// [ThrottledError] when told to wait, and any other error for what may.
type Source interface {
	// Page returns one page of the entries of req.Stream visible now with
	// req.Since <= Time < req.Until. Pages follow one another by Next until it
	// is empty; the pipeline uses nothing before it has them all, and assumes
	// no order within or between them. A page that does not get further than
	// the one before is an error, not a loop.
	//
	// Page may be called concurrently: lanes that catch up read by themselves.
	// It may wait for a shared request budget before it sends anything.
	Page(ctx context.Context, req PageRequest) (Page, error)

	// Normalize maps one entry onto the audit schema. It is pure: no I/O, no
	// clock, the same result for the same input, safe for concurrent use. It
	// does not fail: what it does not recognise goes to the schema's details,
	// what it cannot read to its problems.
	Normalize(r Raw) Event

	// Close releases what the source holds. It is called once, after Run.
	Close() error
}

// Streamer is implemented by sources whose log is several listings, each walked,
// failing and claimed on its own.
type Streamer interface {
	// Streams names the listings that can be read, in order of precedence. A
	// stream once named is never left out again; it fails instead. The pipeline
	// asks again every few minutes: permissions are granted later.
	Streams(ctx context.Context) ([]string, error)
}

// PageRequest asks a Source for one page.
type PageRequest struct {
	Stream string    // empty if the source has only one
	Since  time.Time // inclusive
	Until  time.Time // exclusive; zero means no bound
	Cursor string    // Next of the page before; empty for the first
	Limit  int       // entries wanted; the source may return fewer; 0: as many as it can
	Urgent bool      // a poll for what is new: it goes first when requests are limited

	kind string // what it is read for, to be told to a Tracer
}

// Page is one page of entries.
type Page struct {
	Entries []Raw
	Aside   []Aside   // entries that the configuration sets aside: quarantined, not delivered
	Next    string    // empty on the last page
	Now     time.Time // the server's clock; zero if it does not say
	Sent    time.Time // our clock when the request left, after any wait for its turn; zero: when Page was called

	// What was answered, for traces only; zero where the source does not say. A page
	// that comes with an error may have these, Now and Sent, and has no entries.
	Status int // of HTTP
	Bytes  int // of the body, decompressed

	trace *TraceRef
}

// Aside is an entry that is kept out of the destinations by configuration.
type Aside struct {
	ID     string
	Body   []byte
	Reason string
}
