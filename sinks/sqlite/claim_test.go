package sqlite

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks"
)

func TestClaimWarnsIfTheDestinationForgotTheLane(t *testing.T) {
	prepared := &pipeline.Manifest{ID: pipeline.BatchID{Lane: "acme/x", Epoch: "0000000a", Seq: 1}}
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
			t.Chdir(t.TempDir())
			var log bytes.Buffer
			e := sinks.Env{Source: "acme", Sink: "x", Lane: "acme/x", Logger: slog.New(slog.NewTextHandler(&log, nil))}
			s := newSink("audit.db", e)
			t.Cleanup(func() { _ = s.Close() })
			if err := s.Claim(t.Context(), tt.cp, false); err != nil {
				t.Fatal(err)
			}
			warned := strings.Contains(log.String(), "reset --lane acme/x --start earliest --takeover")
			if warned != tt.warn {
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

// The pipeline says which lane and batch an error is about; the sink says which file.
func TestErrorsNameTheFileAndNothingTwice(t *testing.T) {
	t.Chdir(t.TempDir())
	e := sinks.Env{Source: "acme", Sink: "x", Lane: "acme/x", Logger: slog.New(slog.DiscardHandler)}
	s := newSink("audit.db", e)
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Claim(t.Context(), pipeline.Checkpoint{Epoch: "0000000a", Next: 1}, false); err != nil {
		t.Fatal(err)
	}
	claim := s.Claim(t.Context(), pipeline.Checkpoint{Epoch: "0000000b", Next: 1}, false)
	m := pipeline.Manifest{ID: pipeline.BatchID{Lane: "acme/x", Epoch: "0000000c", Seq: 1}, Members: []pipeline.Position{{ID: "e"}}}
	_, resolve := s.Resolve(t.Context(), m)
	deliver := s.Deliver(t.Context(), pipeline.Batch{Manifest: m})
	if !errors.Is(claim, pipeline.ErrForeignEpoch) || !errors.Is(resolve, pipeline.ErrFenced) || !errors.Is(deliver, pipeline.ErrFenced) {
		t.Fatalf("claim: %v; resolve: %v; deliver: %v", claim, resolve, deliver)
	}
	for _, err := range []error{claim, resolve, deliver} {
		text := err.Error()
		if strings.Count(text, "audit.") != 1 || strings.Contains(text, "deliver ") || strings.Contains(text, "resolve ") || strings.Contains(text, "claim ") {
			t.Errorf("%s", text)
		}
	}
}
