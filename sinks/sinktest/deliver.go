package sinktest

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"auditlog-connector/pipeline"
)

func testDeliver(w *world) {
	s := w.start(1)
	var all []pipeline.Batch
	for seq := range uint64(3) {
		b := w.batch(s, seq+1, 4)
		w.deliver(s, b)
		w.resolved(s, b)
		all = append(all, b)
	}
	w.holds(1, all...)
	w.close(s)

	s = w.start(4)
	w.resolved(s, all[2])
	b := w.batch(s, 4, 1)
	w.deliver(s, b)
	w.holds(1, append(all, b)...)
}

func testTwice(w *world) {
	s := w.start(1)
	b := w.batch(s, 1, 5)
	w.deliver(s, b)
	w.deliver(s, b)
	w.holds(1, b)
	w.kill(s)

	s = w.start(2)
	w.deliver(s, b)
	w.resolved(s, b)
	w.holds(1, b)
}

func testStranger(w *world) {
	s := w.start(1)
	first, stranger := w.batch(s, 1, 2), w.batch(s, 2, 3)
	w.stranger(s, first)
	w.deliver(s, first)
	w.stranger(s, stranger)
	w.kill(s)

	s = w.start(3)
	w.stranger(s, stranger)
	w.holds(1, first)
	w.deliver(s, stranger)
	w.holds(1, first, stranger)
}

func (w *world) stranger(s pipeline.Sink, b pipeline.Batch) {
	w.Helper()
	switch out, err := s.Resolve(w.Context(), b.Manifest); {
	case err != nil:
		w.Fatalf("resolve %s: %v", b.ID, err)
	case out == pipeline.OutcomeCommitted:
		w.Fatalf("resolve %s: committed, but it was never delivered", b.ID)
	case out != pipeline.OutcomeAbsent && w.h.Guarantee == pipeline.ExactlyOnce:
		w.Fatalf("resolve %s: %s, want absent", b.ID, out)
	}
}

func testLarge(w *world) {
	s := w.start(1)
	b := w.batch(s, 1, w.h.Large)
	w.deliver(s, b)
	w.resolved(s, b)
	w.holds(1, b)
}

func testMembers(w *world) {
	if !w.h.Members {
		w.Skip("the destination cannot tell")
	}
	s := w.start(1)
	b := w.batch(s, 1, 3)
	w.deliver(s, b)
	other := w.batch(s, 1, 4)
	other.Place = b.Place
	reopened := func() {
		w.kill(s)
		s = w.start(2)
	}
	for _, before := range []func(){func() {}, reopened} {
		before()
		if err := s.Deliver(w.Context(), other); !errors.Is(err, pipeline.ErrFenced) {
			w.Fatalf("deliver other members: %v, want ErrFenced", err)
		}
		if _, err := s.Resolve(w.Context(), other.Manifest); !errors.Is(err, pipeline.ErrFenced) {
			w.Fatalf("resolve other members: %v, want ErrFenced", err)
		}
		w.holds(1, b)
	}
}

// testLanes delivers the same event IDs through the lanes of two sources at once.
func testLanes(w *world) {
	lanes := []*world{w.sub(w.T, 1), w.sub(w.T, 2)}
	const batches, events = 5, 20
	sinks := make([]pipeline.Sink, len(lanes))
	all := make([][]pipeline.Batch, len(lanes))
	for i, l := range lanes {
		sinks[i] = l.start(1)
		for seq := range uint64(batches) {
			var records []pipeline.Record
			for n := range events {
				id := fmt.Sprintf("%s-shared-%d-%d", w.source, seq, n)
				records = append(records, Record(l.source, id, epochStart.Add(time.Duration(n)*time.Second)))
			}
			all[i] = append(all[i], l.batchOf(sinks[i], epoch, seq+1, records))
		}
	}
	var wg sync.WaitGroup
	for i, l := range lanes {
		wg.Go(func() {
			for _, b := range all[i] {
				if err := sinks[i].Deliver(l.Context(), b); err != nil {
					l.Errorf("deliver %s: %v", b.ID, err)
				}
			}
		})
	}
	wg.Wait()
	for i, l := range lanes {
		l.holds(2, all[i]...)
		l.resolved(sinks[i], all[i][batches-1])
	}
}

func testHostile(w *world) {
	s := w.start(1)
	b := w.batchOf(s, epoch, 1, hostile(w.source))
	w.deliver(s, b)
	w.resolved(s, b)
	w.holds(1, b)
	if w.h.Raw == nil {
		return
	}
	for _, r := range b.Records {
		if got := w.h.Raw(w.T, w.source, r.ID); !bytes.Equal(got, r.Audit.Raw) {
			w.Errorf("raw of %q: %.100q, want %.100q", r.ID, got, r.Audit.Raw)
		}
	}
}

func testClose(w *world) {
	before := runtime.NumGoroutine()
	unused := w.h.Open(w.T, w.lane)
	if err := unused.Close(); err != nil {
		w.Errorf("close an unused sink: %v", err)
	}

	s := w.start(1)
	b := w.batch(s, 1, 2)
	w.deliver(s, b)
	w.close(s)
	settles(w.T, before, "idle")

	s = w.start(2)
	if release, ok := w.inject(Unanswered, nil); ok {
		if err := s.Deliver(w.Context(), w.batch(s, 2, 2)); err == nil {
			w.Error("deliver: nil although the answer was lost")
		}
		release()
	}
	w.close(s)
	settles(w.T, before, "after a failure")
}

// settles waits for goroutines that are told to end to be gone.
func settles(t *testing.T, want int, when string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 5000 {
		if runtime.NumGoroutine() <= want {
			return
		}
		<-tick.C
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("closed %s: %d goroutines, %d before\n%s", when, runtime.NumGoroutine(), want, stacks[:runtime.Stack(stacks, true)])
}
