// Package pipeline reads audit logs and delivers every event to every
// destination that is to have it, once where the destination can tell. It knows no
// vendor, no file system and no configuration file: a [Source], a [Sink] and a
// [Store] are given to it, and [Pipeline.Run] does the rest.
//
// # The life of an event
//
//	              raws            events            records         one buffered channel per lane
//	head reader ─▶ chan ─▶ normalize ─▶ chan ─▶ encode ─▶ chan ─▶ fan-out ─┬─▶ lane "acme/db"    ─▶ sink
//	  Source.Page     Source.Normalize     schemas.Encode                  └─▶ lane "acme/lines" ─▶ sink
//
// Somebody creates an API key. Some seconds later the entry is visible in the
// API's listing, newest first. The head reader asks for the last minutes every
// poll interval: it reads the span page by page to its end, sorts it, leaves out
// what it emitted before, and sends the rest as a chunk of [Raw] entries (reader.go,
// walk.go, head.go). The first stage maps them onto the audit schema, which makes
// each an [Event]; the second adds its Avro encoding, which makes it a [Record]
// (normalize.go, encode.go). The fan-out offers the chunk to every lane, a lane being
// one source that feeds one sink. It waits for none: a lane whose buffer is full is
// detached and reads by itself later (fanout.go).
//
// The lane asks its filter, then its ledger, whether the event is new to it
// (intake.go, ledger.go). A new one is held in a queue. When enough are queued, or
// the first has waited long enough, the ledger cuts a [Batch] and names its members
// in a [Manifest]. The manifest is written to the checkpoint; then the sink delivers
// the batch (lane.go). If the answer is anything but yes, the batch is in doubt: the
// sink is asked what became of it before it is delivered again (settle.go). When it
// is there for certain, one write to the checkpoint records that, and the next
// manifest with it. The event's ID stays in the seen set until no reading can
// bring it up again.
//
// An entry that appears late, below what polls ask for, is found by a deep walk:
// every sweep interval the head reader reads from the start of the last complete deep
// walk, less the overlap, up to now.
//
// A lane that is new, was restarted or fell behind goes one way: attach to the
// fan-out, then read from its own horizon up to now, then follow the channel. What
// comes through both is delivered once. At the start of a process, lanes that begin
// close together share one such walk (tape.go).
//
// # Invariants
//
// The code cites these numbers where it upholds them. Why they suffice is in
// docs/exactly-once.md.
//
//  1. No byte of a batch leaves before its manifest is durable.
//  2. A batch ID is never used for other members.
//  3. A batch is recorded as delivered only on evidence: Deliver returned nil, or
//     Resolve said committed.
//  4. On one lane nothing newer is delivered while a batch is in doubt.
//  5. A claim on a stream, which is what a watermark rises to, is at most the AsOf
//     of what it rests on, and is made only once everything read before it is
//     delivered or filtered. AsOf is the start of the whole walk if that was a deep
//     walk of the head reader. Any other walk relies on deep walks before it, and its
//     AsOf is the start of the last complete one; of a lane's own walk, of the last
//     one all of whose news passed the fan-out. Until there is one it is the start of
//     the pipeline, taken before any lane attached.
//  6. Every delivered ID with a time at or above the lowest horizon of the lane's
//     streams is remembered. A horizon is the later of watermark − overlap and a
//     stored floor. It never goes back.
//  7. Nothing disappears: per lane, read = delivered + duplicate + filtered +
//     quarantined + late_lost + released + in flight, at every moment.
//  8. State that cannot be read stops the lane. It is never replaced by older or
//     empty state.
//
// # Lifecycle
//
// The caller opens sources, sinks and the store, makes a [Pipeline] with [New],
// calls [Pipeline.Run] once, and closes what it opened, last opened first, after Run
// has returned. [Pipeline.Status] and [Pipeline.Ready] may be called at any time.
//
// Run loads the checkpoints, asks the source for its streams, attaches all lanes,
// and only then reads. Each lane claims its destination, settles the batch that an
// earlier process left in doubt, and goes the way above. When the context is done,
// reading stops at once; a batch that is prepared may take DrainTimeout to be settled;
// what is queued is dropped, to be read again. A process that is killed instead
// loses nothing by it.
//
// A transient error never leaves the place that retries it. One that needs an
// operator ([Permanent], [ErrFenced], [ErrForeignEpoch], [ErrHistoryLost],
// [ErrInDoubt], [ErrCorrupt], or a [RejectedError] if the lane does not quarantine)
// halts its lane and no other. With Config.Once there is no head reader, the lanes'
// own walks are all there is, and Run returns the errors of halted lanes.
//
// # Where to go on
//
// Who writes a source starts at [Source], who writes a sink at [Sink] and
// [Marker]. Package checkpoint has the stores; packages sourcetest and sinktest have
// the suites that every source and sink passes; package pipelinetest has modelled
// destinations. docs/architecture.md describes goroutines, channels and contracts.
package pipeline
