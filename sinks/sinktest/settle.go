package sinktest

import (
	"testing"

	"auditlog-connector/pipeline"
)

// Settle does what the pipeline does with a batch in doubt: it asks what became of it,
// and delivers it unless it is there.
func Settle(t testing.TB, s pipeline.Sink, b pipeline.Batch) {
	t.Helper()
	out, err := s.Resolve(t.Context(), b.Manifest)
	if err == nil && out != pipeline.OutcomeCommitted {
		err = s.Deliver(t.Context(), b)
	}
	if err != nil {
		t.Fatalf("settle %s: %v", b.ID, err)
	}
}

// Exactly checks that got, copies by event ID, has the events of batches once each and
// no other.
func Exactly(t testing.TB, got map[string]int, batches ...pipeline.Batch) {
	t.Helper()
	want := 0
	for _, b := range batches {
		want += len(b.Records)
		for _, r := range b.Records {
			if got[r.ID] != 1 {
				t.Errorf("event %s: %d copies, want 1", r.ID, got[r.ID])
			}
		}
	}
	if len(got) != want {
		t.Errorf("%d events, want %d", len(got), want)
	}
}
