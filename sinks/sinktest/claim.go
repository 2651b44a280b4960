package sinktest

import (
	"errors"

	"auditlog-connector/pipeline"
)

func (w *world) claims() {
	w.Helper()
	if !w.h.Claims {
		w.Skip("the destination does not remember")
	}
}

func testForeign(w *world) {
	w.claims()
	const other = "ffff0000"
	s := w.start(1)
	b := w.batch(s, 1, 3)
	w.deliver(s, b)
	w.kill(s)

	s = w.openOnly(w.lane)
	if err := claim(w.Context(), s, checkpoint(other, 1), false); !errors.Is(err, pipeline.ErrForeignEpoch) {
		w.Fatalf("claim by another epoch: %v, want ErrForeignEpoch", err)
	}
	foreign := w.batchOf(s, other, 1, w.batch(s, 7, 2).Records)
	if err := s.Deliver(w.Context(), foreign); !errors.Is(err, pipeline.ErrFenced) {
		w.Fatalf("deliver by another epoch: %v, want ErrFenced", err)
	}
	w.holds(1, b)

	for range 2 { // the first one's answer may be lost
		if err := claim(w.Context(), s, checkpoint(other, 1), true); err != nil {
			w.Fatalf("take over: %v", err)
		}
	}
	w.deliver(s, foreign)
	w.resolved(s, foreign)
	w.holds(1, b, foreign)
	w.kill(s)

	s = w.openOnly(w.lane)
	if err := s.Deliver(w.Context(), w.batch(s, 2, 2)); !errors.Is(err, pipeline.ErrFenced) {
		w.Fatalf("deliver by the former owner: %v, want ErrFenced", err)
	}
	if err := claim(w.Context(), s, checkpoint(epoch, 2), false); !errors.Is(err, pipeline.ErrForeignEpoch) {
		w.Fatalf("claim by the former owner: %v, want ErrForeignEpoch", err)
	}
	w.holds(1, b, foreign)
}

func testAhead(w *world) {
	w.claims()
	s := w.start(1)
	var all []pipeline.Batch
	for seq := range uint64(3) {
		all = append(all, w.batch(s, seq+1, 2))
		w.deliver(s, all[seq])
	}
	w.kill(s)

	s = w.openOnly(w.lane)
	if err := claim(w.Context(), s, checkpoint(epoch, 3), false); !errors.Is(err, pipeline.ErrForeignEpoch) {
		w.Fatalf("claim by a checkpoint that went back: %v, want ErrForeignEpoch", err)
	}
	w.holds(1, all...)
	// A batch that is prepared has used up its number.
	if err := claim(w.Context(), s, checkpoint(epoch, 4), false); err != nil {
		w.Fatalf("claim by the checkpoint that is right: %v", err)
	}
	w.resolved(s, all[2])
	b := w.batch(s, 4, 1)
	w.deliver(s, b)
	w.holds(1, append(all, b)...)
}
