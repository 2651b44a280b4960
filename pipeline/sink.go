package pipeline

import "context"

// Sink delivers one lane's batches to one destination. The pipeline calls its
// methods one at a time, never with an empty batch, and does the batching,
// retrying and checkpointing.
type Sink interface {
	// Deliver writes b and returns nil once the destination has accepted all
	// of it durably, as far as the destination can say. Deliver does not retry.
	//
	// A batch delivered again has the same manifest. A sink that promises
	// exactly-once makes the second write have no effect.
	//
	// One Deliver may send several requests: pieces of a large batch, or the rest
	// after the destination took a part and said so. It never repeats a request
	// whose outcome is unknown. For the batch last given to Deliver or Resolve it
	// may remember what the destination confirmed, and skip that the next time.
	//
	// Errors: [Permanent] if b will never be accepted; [RejectedError] if the
	// destination refused some records for good and holds all others;
	// [ThrottledError] if delivering b again after a wait is safe; [ErrFenced] if
	// another owner was met. Any other error leaves b in doubt, and Resolve is
	// called before b is delivered again.
	Deliver(ctx context.Context, b Batch) error

	// Resolve reports what became of the batch that m names, in this process
	// or an earlier one. It returns OutcomeAbsent only if delivering m again is
	// safe even should the first attempt still be on its way. OutcomeCommitted
	// with a [RejectedError] means all but those. Another error means that the
	// destination could not be asked; Resolve is then called again.
	Resolve(ctx context.Context, m Manifest) (Outcome, error)

	// Close releases what the sink holds, waiting for its goroutines. It does
	// not deliver. It is called once, after the last call of another method.
	Close() error
}

// Outcome says what became of a batch.
type Outcome int

const (
	OutcomeUnknown   Outcome = iota // the destination cannot tell
	OutcomeAbsent                   // not there, and delivering again is safe
	OutcomeCommitted                // there, all of it
)

func (o Outcome) String() string {
	switch o {
	case OutcomeAbsent:
		return "absent"
	case OutcomeCommitted:
		return "committed"
	default:
		return "unknown"
	}
}

// Claimer is implemented by sinks whose destination can remember who delivers to it.
type Claimer interface {
	// Claim makes cp.Epoch the owner of the lane at the destination, before the
	// first delivery. It returns ErrForeignEpoch if the destination knows another
	// epoch of this lane, or is ahead of cp.Next (the checkpoint was lost or
	// restored, or two installations share a destination), unless takeover is set.
	Claim(ctx context.Context, cp Checkpoint, takeover bool) error
}

// Placer is implemented by sinks whose configuration decides where a batch goes
// (key, index, topic, path). Deliver and Resolve use m.Place; a place that the
// present configuration cannot reach halts the lane.
type Placer interface {
	// Place returns where m goes. It is pure, and called once, before m is durable.
	Place(m Manifest) string
}

// Sizer is implemented by sinks that cut batches by bytes in their own format.
type Sizer interface {
	// Size returns the bytes that r adds to a batch, uncompressed. It is pure.
	Size(r Record) int
}

// Checker is implemented by sources and sinks that can test their access without
// writing events. "connector check" prints the findings, one line each.
type Checker interface {
	Check(ctx context.Context) []Finding
}

// Finding is one thing that was tried.
type Finding struct {
	Name   string `json:"name"`   // "conditional writes"
	Status string `json:"status"` // ok, warn, fail
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

// Guarantee is what a sink promises while its documented conditions hold.
type Guarantee int

const (
	AtLeastOnce Guarantee = iota
	ExactlyOnce
)

func (g Guarantee) String() string {
	if g == ExactlyOnce {
		return "exactly once"
	}
	return "at least once"
}
