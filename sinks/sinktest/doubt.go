package sinktest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"auditlog-connector/pipeline"
)

func (w *world) inject(f Fault, cancel func()) (release func(), ok bool) {
	w.Helper()
	if w.h.Inject == nil {
		return nil, false
	}
	release, ok = w.h.Inject(w.T, f, cancel)
	if release == nil {
		release = func() {}
	}
	return release, ok
}

// testFaults crosses the three lies of a network with where and how the batch is
// settled, and with when a delayed request arrives.
func testFaults(w *world) {
	n := 0
	for _, fault := range []Fault{Lost, Unanswered, Late} {
		for _, reopen := range []bool{false, true} {
			for _, doubt := range []bool{true, false} {
				arrivals := []string{""}
				if fault == Late {
					arrivals = []string{"before", "between", "after", "much later"}
				}
				for _, arrival := range arrivals {
					name := fmt.Sprintf("%s %s, re-opened %t, resolved first %t", fault, arrival, reopen, doubt)
					w.Run(name, func(t *testing.T) {
						w.sub(t, n).fault(fault, reopen, doubt, arrival)
					})
					n++
				}
			}
		}
	}
}

func (w *world) fault(fault Fault, reopen, doubt bool, arrival string) {
	s := w.start(1)
	first := w.batch(s, 1, 2)
	w.deliver(s, first)
	b := w.batch(s, 2, 5)
	release, ok := w.inject(fault, nil)
	if !ok {
		w.Skip("the harness cannot make it happen")
	}
	err := s.Deliver(w.Context(), b)
	if err == nil {
		w.Fatal("deliver: nil although the request failed")
	}
	w.check(err)

	if arrival == "before" {
		release()
	}
	if reopen {
		w.kill(s)
		s = w.start(3)
	}
	if fault == Unanswered || arrival == "before" {
		w.notAbsent(s, b)
	}
	if arrival == "between" {
		w.notAbsent(s, b)
		release()
	}
	w.settle(s, b, doubt)
	if arrival == "after" {
		release()
	}
	w.holds(1, first, b)
	w.resolved(s, b)

	next := w.batch(s, 3, 3)
	w.deliver(s, next)
	if arrival == "much later" {
		release()
	}
	w.holds(1, first, b, next)
	w.resolved(s, next)
}

// notAbsent checks a batch that arrived, or will: saying that it is absent is a
// mistake unless delivering it again has no effect.
func (w *world) notAbsent(s pipeline.Sink, b pipeline.Batch) {
	w.Helper()
	out, err := s.Resolve(w.Context(), b.Manifest)
	w.check(err)
	if out == pipeline.OutcomeAbsent && w.h.Guarantee == pipeline.AtLeastOnce {
		w.Fatalf("resolve %s: absent, but it is there or on its way", b.ID)
	}
}

func testThrottled(w *world) {
	s := w.start(1)
	b := w.batch(s, 1, 3)
	if _, ok := w.inject(Throttled, nil); !ok {
		w.Skip("the harness cannot make it happen")
	}
	err := s.Deliver(w.Context(), b)
	if !errors.As(err, new(*pipeline.ThrottledError)) {
		w.Fatalf("deliver: %v, want a ThrottledError", err)
	}
	w.deliver(s, b)
	w.holds(1, b)
	w.resolved(s, b)
}

func testCancelled(w *world) {
	s := w.start(1)
	b := w.batch(s, 1, 3)
	ctx, cancel := context.WithCancel(w.Context())
	cancel()
	if err := s.Deliver(ctx, b); err == nil {
		w.Fatal("deliver under a context that is done: nil")
	} else {
		w.check(err)
	}
	w.settle(s, b, true)
	w.holds(1, b)

	ctx, cancel = context.WithCancel(w.Context())
	defer cancel()
	b2 := w.batch(s, 2, 50)
	if _, ok := w.inject(Cancelled, cancel); ok {
		err := s.Deliver(ctx, b2)
		if err == nil {
			w.Fatal("deliver cancelled in the middle: nil")
		}
		w.check(err)
		w.kill(s)
		s = w.start(3)
		w.settle(s, b2, true)
	} else {
		w.deliver(s, b2)
	}
	w.holds(1, b, b2)
}

func testBroken(w *world) {
	if w.h.Break == nil {
		w.Skip("the destination cannot be made to")
	}
	s := w.start(1)
	b := w.batch(s, 1, 2)
	repair := w.h.Break(w.T)
	w.kill(s)
	s = w.openOnly(w.lane)
	err := s.Deliver(w.Context(), b)
	if !pipeline.IsPermanent(err) {
		w.Errorf("deliver: %v, want a permanent error", err)
	}
	repair()
	w.kill(s)
	s = w.start(2)
	w.settle(s, b, true)
	w.holds(1, b)
}

func testRefused(w *world) {
	if w.h.Refused == nil {
		w.Skip("the destination refuses no single record")
	}
	s := w.start(1)
	b := w.batch(s, 1, 6)
	for _, i := range []int{1, 4} {
		w.h.Refused(&b.Records[i])
	}
	check := func(err error) {
		w.Helper()
		got := rejects(err)
		if len(got) != 2 || got[1] == nil || got[4] == nil {
			w.Fatalf("rejected %v (%v), want 1 and 4", got, err)
		}
	}
	check(s.Deliver(w.Context(), b))
	kept := b
	kept.Records = append(append(append([]pipeline.Record(nil), b.Records[0]), b.Records[2:4]...), b.Records[5])
	w.holds(1, kept)
	w.kill(s)

	// A process that only heard of the batch has to learn of the rejects too.
	s = w.start(2)
	out, err := s.Resolve(w.Context(), b.Manifest)
	if out == pipeline.OutcomeCommitted {
		check(err)
	} else {
		check(s.Deliver(w.Context(), b))
	}
	w.holds(1, kept)
}
