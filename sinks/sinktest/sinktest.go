// Package sinktest is the suite that every sink passes, on a fake of its
// destination and on the real one.
//
// A test of a sink describes its destination with a [Harness] and calls [Run].
// The suite delivers, loses, delays, kills and re-opens, and then compares what
// the harness read back, by other means than the sink, with what it handed over.
package sinktest

import (
	"testing"

	"auditlog-connector/pipeline"
)

// Fault is what happens to the next request that delivers records.
type Fault int

const (
	Lost       Fault = iota // it never arrives; the sink sees an error
	Unanswered              // it has its effect; the sink sees an error
	Late                    // it has its effect when the harness's release is called; the sink sees an error
	Throttled               // the destination asks to wait; no effect
	Cancelled               // the context ends while it is under way; whether it has its effect is up to the harness
)

func (f Fault) String() string {
	return [...]string{"lost", "unanswered", "late", "throttled", "cancelled"}[f]
}

// Harness is a destination as the suite sees it, and what its sink can tell.
//
// All tests of a run share the destination: they use lanes and event IDs of their
// own. A lane is source/sink; both parts are made of a-z, 0-9 and -.
type Harness struct {
	// Open opens lane's sink as a process does. The sink that had the lane before
	// is closed, was killed, or is still there, hanging, if Kill is nil.
	Open func(t *testing.T, lane string) pipeline.Sink

	// Kill ends a sink as the end of its process does: it gives nothing away that
	// the operating system would not, and Close is not called afterwards. If nil,
	// a killed sink stays open until the test is over.
	Kill func(t *testing.T, s pipeline.Sink)

	// Contents reads the destination back: copies by event ID.
	Contents func(t *testing.T) map[string]int

	// Inject makes the next request that delivers records meet f; cancel ends the
	// context of the call under way, for Cancelled. For Late, release lets the
	// request arrive. It returns false if this harness cannot make f happen. Nil:
	// it can make none happen.
	Inject func(t *testing.T, f Fault, cancel func()) (release func(), ok bool)

	// Break makes the destination refuse everything for good, until it is
	// repaired. Nil: it cannot be made to.
	Break func(t *testing.T) (repair func())

	// Refused changes r into a record that the destination refuses for good while
	// it takes the others of a batch. Nil: there is none.
	Refused func(r *pipeline.Record)

	// Raw reads an entry back as served. Nil: the format does not keep every byte.
	Raw func(t *testing.T, source, id string) []byte

	// Large is how many records are more than one request takes; 0: 5,000.
	Large int

	Guarantee pipeline.Guarantee
	Resolves  bool // Resolve says committed of what was delivered
	Members   bool // the destination notices a batch ID with other members
	Claims    bool // the destination remembers the lane's epoch, and how far it is
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	if h.Large == 0 {
		h.Large = 5000
	}
	tests := []struct {
		name string
		run  func(w *world)
	}{
		{"delivered batches are there once and resolved", testDeliver},
		{"delivering twice is delivering once", testTwice},
		{"a batch that never left is not committed", testStranger},
		{"other members under one batch ID are refused", testMembers},
		{"two lanes do not disturb each other", testLanes},
		{"what the network does to a request", testFaults},
		{"a throttled batch may be delivered again", testThrottled},
		{"a cancelled delivery is in doubt at most", testCancelled},
		{"a destination that refuses everything is a permanent error", testBroken},
		{"refused records are named and the others are there", testRefused},
		{"a foreign epoch is refused and can be taken over", testForeign},
		{"a destination ahead of the checkpoint is refused", testAhead},
		{"closing leaves no goroutine", testClose},
		// Last: the others read back what these two leave.
		{"hostile content arrives", testHostile},
		{"a batch larger than one request", testLarge},
	}
	for i, tc := range tests {
		t.Run(tc.name, func(t *testing.T) { tc.run(newWorld(t, h, i)) })
	}
}
