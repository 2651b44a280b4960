package sinktest

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"auditlog-connector/pipeline"
)

// Local is a sink whose destination is in the folder that the process is in, with a
// marker in it or beside it.
type Local struct {
	// Open opens the sink of [LocalLane].
	Open func(log *slog.Logger) pipeline.Sink
	Name string // of the destination: "audit.db"
	Hint string // what a warning that it does not know the lane says to do
}

// LocalLane is the lane of a [Local].
const LocalLane = "acme/x"

// RunLocal checks what a person is told by the sink.
func RunLocal(t *testing.T, l Local) {
	t.Run("claim warns if the destination forgot the lane", l.forgotten)
	t.Run("errors name the destination and nothing twice", l.errors)
}

// start opens the sink in a folder of its own.
func (l Local) start(t *testing.T, log *slog.Logger) (pipeline.Sink, pipeline.Claimer) {
	t.Helper()
	t.Chdir(t.TempDir())
	s := l.Open(log)
	t.Cleanup(func() { _ = s.Close() })
	return s, s.(pipeline.Claimer)
}

func (l Local) forgotten(t *testing.T) {
	prepared := &pipeline.Manifest{ID: pipeline.BatchID{Lane: LocalLane, Epoch: "0000000a", Seq: 1}}
	for name, tt := range map[string]struct {
		cp   pipeline.Checkpoint
		warn bool
	}{
		"new lane":                {pipeline.Checkpoint{Epoch: "0000000a", Next: 1}, false},
		"first batch in doubt":    {pipeline.Checkpoint{Epoch: "0000000a", Next: 2, Prepared: prepared}, false},
		"a batch was delivered":   {pipeline.Checkpoint{Epoch: "0000000a", Next: 2, Last: 1}, true},
		"and another is in doubt": {pipeline.Checkpoint{Epoch: "0000000a", Next: 3, Last: 1, Prepared: prepared}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			_, s := l.start(t, slog.New(slog.NewTextHandler(&log, nil)))
			if err := s.Claim(t.Context(), tt.cp, false); err != nil {
				t.Fatal(err)
			}
			if warned := strings.Contains(log.String(), l.Hint); warned != tt.warn {
				t.Errorf("warned %v, want %v: %s", warned, tt.warn, &log)
			}
			// The second claim finds what the first one wrote.
			log.Reset()
			if err := s.Claim(t.Context(), tt.cp, false); err != nil || log.Len() > 0 {
				t.Errorf("again: %v, %s", err, &log)
			}
		})
	}
}

// errors checks what the sink leaves to the pipeline to say: which lane and batch an
// error is about.
func (l Local) errors(t *testing.T) {
	s, claimer := l.start(t, slog.New(slog.DiscardHandler))
	if err := claimer.Claim(t.Context(), pipeline.Checkpoint{Epoch: "0000000a", Next: 1}, false); err != nil {
		t.Fatal(err)
	}
	claim := claimer.Claim(t.Context(), pipeline.Checkpoint{Epoch: "0000000b", Next: 1}, false)
	m := pipeline.Manifest{ID: pipeline.BatchID{Lane: LocalLane, Epoch: "0000000c", Seq: 1}, Members: []pipeline.Position{{ID: "e"}}}
	_, resolve := s.Resolve(t.Context(), m)
	deliver := s.Deliver(t.Context(), pipeline.Batch{Manifest: m})
	if !errors.Is(claim, pipeline.ErrForeignEpoch) || !errors.Is(resolve, pipeline.ErrFenced) || !errors.Is(deliver, pipeline.ErrFenced) {
		t.Fatalf("claim: %v; resolve: %v; deliver: %v", claim, resolve, deliver)
	}
	for _, err := range []error{claim, resolve, deliver} {
		text := err.Error()
		if strings.Count(text, l.Name) != 1 || strings.Contains(text, "deliver ") || strings.Contains(text, "resolve ") || strings.Contains(text, "claim ") {
			t.Errorf("%s", text)
		}
	}
}
