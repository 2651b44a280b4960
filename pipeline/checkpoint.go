package pipeline

import (
	"context"
	"time"
)

// Checkpoint is what a lane needs to go on after a restart.
type Checkpoint struct {
	Epoch     string
	Next      uint64              // sequence number of the next batch to be cut; above Prepared's
	Last      uint64              // of the batch recorded as delivered last, 0: none in this epoch; numbers in between were given up
	Start     time.Time           // where streams begin that were not known before
	Streams   map[string]Progress // by stream
	Delivered []Position          // at or above the lowest horizon; the seen set
	Prepared  *Manifest           // in doubt, if not nil
	Takeover  bool                // an operator asked that the destination be taken over; cleared by the first Advance
}

// HasDelivered reports whether the lane has delivered a batch in this epoch, one that
// is in doubt left aside.
func (c Checkpoint) HasDelivered() bool { return c.Last > 0 }

// Progress is a lane's place in one stream.
type Progress struct {
	Watermark time.Time // as the last committed manifest says
	Floor     time.Time // the horizon never goes below it, whatever overlap is set to
	Joined    time.Time // older entries may have come through another stream before this one was known
}

// Store keeps one checkpoint per lane, for one process at a time.
//
// Every method is durable when it returns nil. A store that cannot read what it
// wrote returns an error that wraps [ErrCorrupt]; it never returns an older or an
// empty checkpoint instead (invariant 8). Methods may be called concurrently for
// different lanes.
type Store interface {
	// Load returns lane's checkpoint and takes ownership of the lane. For a
	// lane it does not know it makes one with a new epoch that starts at start.
	// It returns ErrFenced if another process owns the lane.
	Load(ctx context.Context, lane string, start time.Time) (Checkpoint, error)

	// Advance records in one step that the prepared batch was delivered (done),
	// and that next is about to be (nil: nothing is). At most one batch of a
	// lane is prepared and not delivered.
	//
	// A next without members is progress only: its maps take effect at once,
	// nothing is prepared, and its sequence number is not used up.
	Advance(ctx context.Context, lane string, done bool, next *Manifest) error

	// Close gives the lanes up.
	Close() error
}

// Quarantine keeps what is set aside instead of delivered.
type Quarantine interface {
	// Put keeps the records of m that a destination refused for good, by index,
	// with the reasons. It is durable when it returns nil; it states the batch's
	// last attempt, so putting a batch again replaces what was there, and
	// putting none removes it.
	Put(ctx context.Context, m Manifest, records []Record, reasons map[int]error) error

	// SetAside keeps an entry that source was told not to deliver. Setting the
	// same entry aside again has no effect. It is durable when it returns nil.
	SetAside(ctx context.Context, source string, entry Aside) error
}
