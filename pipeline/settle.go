package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// clock is time as the engine sees it; tests that step the engine by hand bring their own.
type clock struct {
	now    func() time.Time
	sleep  func(ctx context.Context, d time.Duration) error
	jitter float64 // of the back-off, so that lanes do not retry in step
}

var wallClock = clock{now: time.Now, jitter: 0.5, sleep: func(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}}

// refusedWait is how long to wait before credentials that were refused are tried
// again: keys are rotated and permissions granted while the program runs.
const refusedWait = 5 * time.Minute

// retrier paces the attempts at one thing. It is the only back-off there is:
// sources and sinks classify and return at once.
type retrier struct {
	clock    clock
	backoff  *backoff.ExponentialBackOff // nil before the first failure
	attempts int                         // failed so far, being throttled left aside
}

func newRetrier(c clock) *retrier { return &retrier{clock: c} }

// next is how long to wait after one more failure with err.
func (r *retrier) next(err error) time.Duration {
	if r.backoff == nil {
		r.backoff = backoff.NewExponentialBackOff(
			backoff.WithInitialInterval(500*time.Millisecond),
			backoff.WithMaxInterval(time.Minute),
			backoff.WithMultiplier(1.6),
			backoff.WithRandomizationFactor(r.clock.jitter),
			backoff.WithMaxElapsedTime(0), // giving up would mean dropping
		)
	}
	d := r.backoff.NextBackOff()
	var throttled *ThrottledError
	switch {
	case errors.As(err, &throttled):
		return max(d, throttled.After)
	case errors.Is(err, ErrRefused):
		return refusedWait
	}
	r.attempts++
	return d
}

// wait waits as long as err asks for before the next attempt. It returns the
// context's error if that is done first.
func (r *retrier) wait(ctx context.Context, err error) error {
	return r.clock.sleep(ctx, r.next(err))
}

// settler delivers one batch of a lane, as often as it takes.
type settler struct {
	sink       Sink
	clock      clock
	quarantine Quarantine
	onReject   RejectPolicy
	inDoubt    DoubtPolicy
	once       bool // refused credentials are an error, not a reason to wait

	// rebuild reads the records of a manifest from the source again. It is called
	// when the batch has to be delivered and its records are not at hand.
	rebuild func(ctx context.Context, m Manifest) ([]Record, error)
	report  func(settling) // told of every change; may be nil
}

// settling is what became of one attempt at a batch.
type settling struct {
	began     time.Time
	doubt     bool // the batch is in doubt now
	resolved  bool // the destination was asked, and answered with outcome
	outcome   Outcome
	delivered bool  // Deliver was called
	rejected  int   // records that the destination refused in this attempt
	err       error // of this attempt; nil: the batch is settled
}

// verdict is the evidence that a batch is in its destination, all but the rejected.
type verdict struct{ rejected map[int]error }

// settle returns once b is delivered, or with an error that retrying cannot help:
// one that halts the lane, or the context's. It returns the records that the
// destination rejected, which are in quarantine by then.
//
// Doubt says that b may have been delivered before (recovery); b then needs no
// records. A batch in doubt is resolved before it is delivered again, live exactly
// as after a crash.
func (s *settler) settle(ctx context.Context, b Batch, doubt bool) (rejected map[int]error, err error) {
	retry := newRetrier(s.clock)
	var v *verdict
	for {
		// Looked at before every attempt: a sink may answer although ctx is done.
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		a := settling{began: s.clock.now(), doubt: doubt}
		if v == nil {
			if v, err = s.attempt(ctx, &b, &a); v != nil {
				a.rejected = len(v.rejected)
			}
		}
		if v != nil {
			// Invariant 7: refused records are in quarantine before the batch is
			// recorded as delivered.
			err = s.setAside(ctx, &b, v.rejected)
		}
		doubt, a.err = a.doubt, err
		if s.report != nil {
			s.report(a)
		}
		switch {
		case err == nil:
			return v.rejected, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case s.fatal(err):
			return nil, fmt.Errorf("deliver %s: %w", b.ID, err)
		}
		if err := retry.wait(ctx, err); err != nil {
			return nil, err
		}
	}
}

// fatal reports whether err halts the lane.
func (s *settler) fatal(err error) bool {
	if errors.Is(err, ErrRefused) {
		return s.once
	}
	var rejected *RejectedError
	return IsPermanent(err) || errors.As(err, &rejected) || errors.Is(err, ErrFenced) || errors.Is(err, ErrForeignEpoch) ||
		errors.Is(err, ErrHistoryLost) || errors.Is(err, ErrInDoubt)
}

// attempt resolves b if it is in doubt and delivers it unless it is there. It
// returns a verdict only on evidence (invariant 3), and leaves in a.doubt whether b
// is in doubt afterwards.
func (s *settler) attempt(ctx context.Context, b *Batch, a *settling) (*verdict, error) {
	if a.doubt {
		v, err := s.resolve(ctx, b.Manifest, a)
		if v != nil || err != nil {
			return v, err
		}
	}
	if err := s.fill(ctx, b); err != nil {
		return nil, err
	}
	a.delivered = true
	err := s.sink.Deliver(ctx, *b)
	var rejected *RejectedError
	var throttled *ThrottledError
	switch {
	case err == nil:
		a.doubt = false
		return &verdict{}, nil
	case errors.As(err, &rejected):
		a.doubt = false
		return &verdict{rejected.Records}, nil
	case errors.As(err, &throttled), IsPermanent(err), errors.Is(err, ErrFenced):
		return nil, err // says nothing about an earlier attempt: doubt stays as it was
	default:
		a.doubt = true
		return nil, err
	}
}

// resolve asks the destination what became of m. It returns neither a verdict nor
// an error if m is to be delivered.
func (s *settler) resolve(ctx context.Context, m Manifest, a *settling) (*verdict, error) {
	outcome, err := s.sink.Resolve(ctx, m)
	var rejected *RejectedError
	committed := outcome == OutcomeCommitted && (err == nil || errors.As(err, &rejected))
	if err != nil && !committed {
		return nil, fmt.Errorf("resolve: %w", err) // asked again before anything is delivered
	}
	a.resolved, a.outcome = true, outcome
	switch {
	case committed && rejected != nil:
		a.doubt = false
		return &verdict{rejected.Records}, nil
	case committed:
		a.doubt = false
		return &verdict{}, nil
	case outcome == OutcomeUnknown && s.inDoubt == DoubtHalt:
		return nil, ErrInDoubt
	}
	return nil, nil
}

// fill gets the records of a batch that an earlier process cut.
func (s *settler) fill(ctx context.Context, b *Batch) error {
	if len(b.Records) == len(b.Members) {
		return nil
	}
	records, err := s.rebuild(ctx, b.Manifest)
	if err != nil {
		return fmt.Errorf("read the batch again: %w", err)
	}
	b.Records = records
	return nil
}

// setAside puts the rejected records of a delivered batch into quarantine, and
// takes out what an earlier attempt put there if there are none.
func (s *settler) setAside(ctx context.Context, b *Batch, rejected map[int]error) error {
	if s.onReject == RejectHalt {
		if len(rejected) > 0 {
			return &RejectedError{Records: rejected}
		}
		return nil
	}
	var records []Record
	if len(rejected) > 0 {
		if err := s.fill(ctx, b); err != nil {
			return err
		}
		records = b.Records
	}
	if err := s.quarantine.Put(ctx, b.Manifest, records, rejected); err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	return nil
}
