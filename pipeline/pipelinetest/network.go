package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"auditlog-connector/pipeline"
)

// Fate is what the network does with one request.
type Fate int

const (
	FatePass       Fate = iota // arrives and is answered
	FateLost                   // never arrives; an error
	FateUnanswered             // arrives and has its effect; an error
	FateLate                   // delayed until [Destination.Release]; an error. A Resolve is lost
	FateThrottled              // refused without effect: [pipeline.ThrottledError]
)

func (f Fate) String() string {
	switch f {
	case FatePass:
		return "pass"
	case FateLost:
		return "lost"
	case FateUnanswered:
		return "unanswered"
	case FateLate:
		return "late"
	case FateThrottled:
		return "throttled"
	default:
		return fmt.Sprintf("fate %d", int(f))
	}
}

// The operations a network function is asked about.
const (
	OpDeliver = "deliver"
	OpResolve = "resolve"
	OpClaim   = "claim"
)

// ErrNetwork is what the caller sees of a request that was lost, delayed or not answered.
var ErrNetwork = errors.New("connection reset")

// enter begins a call of a sink's method; the returned function ends it, whether it
// returns or panics.
func (s *Sink) enter(op string) (leave func()) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	if s.busy {
		s.d.violate("%s: %s called during another call", s.lane, op)
	}
	if s.closed {
		s.d.violate("%s: %s called after Close", s.lane, op)
	}
	s.busy = true
	return func() {
		s.d.mu.Lock()
		defer s.d.mu.Unlock()
		s.busy = false
	}
}

// An exchange is one request as the destination meets it: begin runs when it
// arrives and may refuse it; the commit it returns (nil: none) is the effect, which
// may come later.
type exchange func() (commit func() error, err error)

// request sends x to the destination.
func (s *Sink) request(ctx context.Context, op string, x exchange) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	fate := FatePass
	if s.network != nil {
		fate = s.network(op) // may panic or block: no lock is held
	}
	switch {
	case fate == FateThrottled:
		return &pipeline.ThrottledError{Err: fmt.Errorf("%s: too many requests", op), After: time.Second}
	case fate == FateLost, fate == FateLate && op == OpResolve:
		return fmt.Errorf("%s: %w", op, ErrNetwork)
	}
	err := s.meet(x, fate == FateLate)
	if s.answered != nil {
		s.answered(op)
	}
	if fate != FatePass || ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, errors.Join(ErrNetwork, ctx.Err()))
	}
	return err
}

func (s *Sink) meet(x exchange, late bool) error {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	commit, err := x()
	switch {
	case err != nil || commit == nil:
		return err
	case late:
		s.d.late = append(s.d.late, func() { _ = commit() })
		return nil
	default:
		return commit()
	}
}
