package pipeline

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Marker is what a destination that can keep one (a Kafka topic, a SQLite row, a
// file's side record) remembers of a lane, written in one step with the batch.
// All such sinks judge by it alike.
type Marker struct {
	Epoch      string               `json:"epoch"`
	Seq        uint64               `json:"seq"`    // of the last batch; meaningless while Digest is empty
	Digest     string               `json:"digest"` // lower-case hex; empty: claimed, nothing delivered yet
	Watermarks map[string]time.Time `json:"watermarks,omitempty"`
	Rejected   map[int]string       `json:"rejected,omitempty"` // by index into the batch, why
}

// NewMarker returns the marker of m, with the records that the destination rejected.
func NewMarker(m Manifest, rejected map[int]error) Marker {
	digest := m.Digest()
	mk := Marker{Epoch: m.ID.Epoch, Seq: m.ID.Seq, Digest: hex.EncodeToString(digest[:]), Watermarks: m.Watermarks}
	for i, err := range rejected {
		if mk.Rejected == nil {
			mk.Rejected = make(map[int]string)
		}
		mk.Rejected[i] = err.Error()
	}
	return mk
}

// Judge says what the marker found at the destination (nil: none) tells of m.
//
// Same epoch, sequence number and digest: committed, with a [RejectedError] if
// records were rejected. A lower number of the same epoch: absent. Anything else,
// no marker at all included (Claim wrote one), is [ErrFenced].
func (mk *Marker) Judge(m Manifest) (Outcome, error) {
	switch digest := m.Digest(); {
	case mk == nil:
		return OutcomeUnknown, fmt.Errorf("%w: the destination has no marker of lane %s any more", ErrFenced, m.ID.Lane)
	case mk.Epoch != m.ID.Epoch:
		return OutcomeUnknown, fmt.Errorf("%w: the destination knows epoch %s, this is %s", ErrFenced, mk.Epoch, m.ID.Epoch)
	case mk.Digest == "" || mk.Seq < m.ID.Seq:
		return OutcomeAbsent, nil
	case mk.Seq > m.ID.Seq:
		return OutcomeUnknown, fmt.Errorf("%w: the destination is at batch %d, this is %d", ErrFenced, mk.Seq, m.ID.Seq)
	case mk.Digest != hex.EncodeToString(digest[:]):
		return OutcomeUnknown, fmt.Errorf("%w: the destination has batch %d with other members", ErrFenced, mk.Seq)
	}
	if len(mk.Rejected) == 0 {
		return OutcomeCommitted, nil
	}
	rejected := make(map[int]error, len(mk.Rejected))
	for i, why := range mk.Rejected {
		rejected[i] = errors.New(why)
	}
	return OutcomeCommitted, &RejectedError{Records: rejected}
}

// Claim returns the marker to write before cp's lane delivers, given the one found
// at the destination (nil: none), and whether it has to be written.
//
// It returns [ErrForeignEpoch] if the destination knows another epoch, is ahead of
// the checkpoint or behind what the checkpoint has seen delivered, unless takeover
// is set.
func (mk *Marker) Claim(cp Checkpoint, takeover bool) (Marker, bool, error) {
	fresh := Marker{Epoch: cp.Epoch}
	switch {
	case mk == nil:
		return fresh, true, nil
	case mk.Epoch != cp.Epoch && !takeover:
		return Marker{}, false, fmt.Errorf("%w: the destination knows epoch %s, the checkpoint has %s", ErrForeignEpoch, mk.Epoch, cp.Epoch)
	case mk.Epoch != cp.Epoch:
		return fresh, true, nil
	case mk.Digest != "" && mk.Seq >= cp.Next && !takeover:
		return Marker{}, false, fmt.Errorf("%w: the destination is at batch %d, the checkpoint at %d: it was restored from a backup or is used twice",
			ErrForeignEpoch, mk.Seq, cp.Next)
	case mk.Digest != "" && mk.Seq < cp.Last && !takeover:
		return Marker{}, false, fmt.Errorf("%w: the destination is at batch %d, and batch %d was delivered: an older copy of it was put in its place",
			ErrForeignEpoch, mk.Seq, cp.Last)
	case mk.Digest != "" && (mk.Seq >= cp.Next || mk.Seq < cp.Last):
		return fresh, true, nil
	}
	return *mk, false, nil
}
