package pipeline

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrFenced: another process owns the lane. Stop; do not retry.
	ErrFenced = errors.New("lane is owned by another process")
	// ErrForeignEpoch: the destination does not belong to this checkpoint. See
	// "connector checkpoint reset --takeover".
	ErrForeignEpoch = errors.New("destination belongs to another checkpoint of this lane")
	// ErrHistoryLost: the source no longer returns an event that was prepared,
	// so the batch in doubt cannot be rebuilt. See "connector checkpoint resolve".
	ErrHistoryLost = errors.New("source no longer returns a prepared event")
	// ErrInDoubt: the destination cannot tell whether a batch arrived and the
	// lane is set to halt rather than risk duplicates.
	ErrInDoubt = errors.New("cannot tell whether the batch was delivered")
	// ErrCorrupt: state was written and cannot be read back. The lane stops; the
	// state is never replaced by older or empty state (invariant 8).
	ErrCorrupt = errors.New("state cannot be read")
	// ErrRefused: the server refused the credentials (401, 403). It is Permanent
	// to the caller of one request; a long run asks again every five minutes,
	// because keys are rotated and permissions granted.
	ErrRefused = errors.New("credentials refused")
)

// permanentError is what [Permanent] wraps an error in.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Permanent marks err: the same call will always fail. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// IsPermanent reports whether err, or an error it wraps, was marked by [Permanent].
func IsPermanent(err error) bool {
	var p *permanentError
	return errors.As(err, &p)
}

// ThrottledError asks the caller to wait at least After before the next call.
// Nothing of the refused call had an effect.
type ThrottledError struct {
	Err   error
	After time.Duration // zero: the server did not say
}

func (e *ThrottledError) Error() string {
	if e.After > 0 {
		return fmt.Sprintf("throttled for %s: %v", e.After, e.Err)
	}
	return fmt.Sprintf("throttled: %v", e.Err)
}

func (e *ThrottledError) Unwrap() error { return e.Err }

// RejectedError lists records that the destination refused for good, by index
// into Batch.Records. All other records of the batch were delivered.
type RejectedError struct{ Records map[int]error }

func (e *RejectedError) Error() string {
	first := -1
	for i := range e.Records {
		if first < 0 || i < first {
			first = i
		}
	}
	if first < 0 {
		return "no records rejected"
	}
	return fmt.Sprintf("%d records rejected, first at index %d: %v", len(e.Records), first, e.Records[first])
}
