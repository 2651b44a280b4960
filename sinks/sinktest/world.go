package sinktest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"auditlog-connector/pipeline"
)

const epoch = "0a1b2c3d"

// world is one test's lanes at the destination.
type world struct {
	*testing.T
	h      Harness
	source string
	lane   string
	open   map[pipeline.Sink]bool
	sent   map[string]bool // event IDs handed over, of this test
}

func newWorld(t *testing.T, h Harness, n int) *world {
	w := &world{T: t, h: h, open: make(map[pipeline.Sink]bool), sent: make(map[string]bool)}
	w.source = fmt.Sprintf("source-%02d", n)
	w.lane = w.source + "/sink"
	t.Cleanup(func() {
		for s := range w.open {
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
	})
	return w
}

// sub is a world of its own for a subtest.
func (w *world) sub(t *testing.T, n int) *world {
	s := newWorld(t, w.h, 0)
	s.source = fmt.Sprintf("%s-%02d", w.source, n)
	s.lane = s.source + "/sink"
	return s
}

// start opens a sink of the world's lane and claims the lane for a checkpoint
// whose next batch is next.
func (w *world) start(next uint64) pipeline.Sink {
	w.Helper()
	return w.startLane(w.lane, next)
}

func (w *world) startLane(lane string, next uint64) pipeline.Sink {
	w.Helper()
	s := w.openOnly(lane)
	if err := claim(w.Context(), s, checkpoint(epoch, next), false); err != nil {
		w.Fatalf("claim: %v", err)
	}
	return s
}

func (w *world) openOnly(lane string) pipeline.Sink {
	w.Helper()
	s := w.h.Open(w.T, lane)
	w.open[s] = true
	return s
}

// kill ends the process that s belongs to.
func (w *world) kill(s pipeline.Sink) {
	w.Helper()
	if w.h.Kill == nil {
		return
	}
	w.h.Kill(w.T, s)
	delete(w.open, s)
}

func (w *world) close(s pipeline.Sink) {
	w.Helper()
	delete(w.open, s)
	if err := s.Close(); err != nil {
		w.Errorf("close: %v", err)
	}
}

func checkpoint(epoch string, next uint64) pipeline.Checkpoint {
	return pipeline.Checkpoint{Epoch: epoch, Next: next, Start: pipeline.Earliest}
}

func claim(ctx context.Context, s pipeline.Sink, cp pipeline.Checkpoint, takeover bool) error {
	c, ok := s.(pipeline.Claimer)
	if !ok {
		return nil
	}
	return c.Claim(ctx, cp, takeover)
}

// batch makes the lane's batch seq of n events, placed by s.
func (w *world) batch(s pipeline.Sink, seq uint64, n int) pipeline.Batch {
	records := make([]pipeline.Record, n)
	for i := range records {
		id := fmt.Sprintf("%s-event-%d-%d", w.source, seq, i)
		records[i] = Record(w.source, id, epochStart.Add(time.Duration(seq)*7*time.Hour+time.Duration(i/3)*time.Second))
	}
	return w.batchOf(s, epoch, seq, records)
}

func (w *world) batchOf(s pipeline.Sink, epoch string, seq uint64, records []pipeline.Record) pipeline.Batch {
	b := Batch(pipeline.BatchID{Lane: w.lane, Epoch: epoch, Seq: seq}, records)
	place(s, &b)
	for _, r := range records {
		w.sent[r.ID] = true
	}
	return b
}

func place(s pipeline.Sink, b *pipeline.Batch) {
	if p, ok := s.(pipeline.Placer); ok {
		b.Place = p.Place(b.Manifest)
	}
}

func (w *world) deliver(s pipeline.Sink, b pipeline.Batch) {
	w.Helper()
	if err := s.Deliver(w.Context(), b); err != nil {
		w.Fatalf("deliver %s: %v", b.ID, err)
	}
}

// settle does what the pipeline does with a batch until it knows that it arrived.
func (w *world) settle(s pipeline.Sink, b pipeline.Batch, doubt bool) {
	w.Helper()
	var err error
	for range 6 {
		if doubt {
			var out pipeline.Outcome
			out, err = s.Resolve(w.Context(), b.Manifest)
			w.check(err)
			if err != nil {
				continue
			}
			if out == pipeline.OutcomeCommitted {
				return
			}
		}
		if err = s.Deliver(w.Context(), b); err == nil {
			return
		}
		w.check(err)
		doubt = true
	}
	w.Fatalf("settle %s: still in doubt: %v", b.ID, err)
}

// check stops the test at an error that is not one of doubt.
func (w *world) check(err error) {
	w.Helper()
	if errors.Is(err, pipeline.ErrFenced) || pipeline.IsPermanent(err) || errors.As(err, new(*pipeline.RejectedError)) {
		w.Fatalf("final error: %v", err)
	}
}

// holds checks that the destination has each event of the batches copies times
// (more often, if the sink promises no more), and no other event of this test.
func (w *world) holds(copies int, batches ...pipeline.Batch) {
	w.Helper()
	got := w.h.Contents(w.T)
	want := make(map[string]bool)
	for _, b := range batches {
		for _, r := range b.Records {
			want[r.ID] = true
			if n := got[r.ID]; n != copies && (n < copies || w.h.Guarantee == pipeline.ExactlyOnce) {
				w.Fatalf("event %q of batch %d: %d copies, want %d (%s)", r.ID, b.ID.Seq, n, copies, w.h.Guarantee)
			}
		}
	}
	for id := range w.sent {
		if n := got[id]; n > 0 && !want[id] {
			w.Fatalf("event %q is there %d times and must not be", id, n)
		}
	}
}

// resolved checks what the sink says of a batch that is there.
func (w *world) resolved(s pipeline.Sink, b pipeline.Batch) {
	w.Helper()
	switch out, err := s.Resolve(w.Context(), b.Manifest); {
	case err != nil:
		w.Fatalf("resolve %s: %v", b.ID, err)
	case w.h.Resolves && out != pipeline.OutcomeCommitted:
		w.Fatalf("resolve %s: %s, want committed", b.ID, out)
	case w.h.Guarantee == pipeline.AtLeastOnce && out == pipeline.OutcomeAbsent:
		w.Fatalf("resolve %s: absent, but it is there, and delivering it again repeats it", b.ID)
	}
}

// rejects returns what err says was refused for good.
func rejects(err error) map[int]error {
	var r *pipeline.RejectedError
	if errors.As(err, &r) {
		return r.Records
	}
	return nil
}
