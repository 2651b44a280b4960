package file

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
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
			s := newSink(&Config{Path: "audit.jsonl", Schema: "normalized", Rotate: rotateNone}, e)
			t.Cleanup(func() { _ = s.Close() })
			if err := s.Claim(t.Context(), tt.cp, false); err != nil {
				t.Fatal(err)
			}
			warned := strings.Contains(log.String(), "reset --lane acme/x --start earliest")
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
	s := newSink(&Config{Path: "audit.jsonl", Schema: "normalized", Rotate: rotateNone}, e)
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

func TestTakeoverAcceptsAFileThatWasCut(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"cut":     func(path string) error { return os.Truncate(path, 10) },
		"removed": os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openSink(plain(dir), lane)
			claim(t, s, 1)
			b := batch(1, 3)
			path := s.Place(b.Manifest)
			if err := errors.Join(s.Deliver(t.Context(), b), s.Close(), damage(path)); err != nil {
				t.Fatal(err)
			}
			s = openSink(plain(dir), lane)
			defer s.Close()
			err := s.Claim(t.Context(), pipeline.Checkpoint{Epoch: "e1", Next: 2}, false)
			if !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "reset --lane "+lane+" --start earliest --takeover") {
				t.Fatalf("claim: %v, want a permanent error that tells what to do", err)
			}
			if err := s.Claim(t.Context(), pipeline.Checkpoint{Epoch: "e2", Next: 1}, true); err != nil {
				t.Fatalf("take over: %v", err)
			}
			again := b
			again.ID.Epoch = "e2"
			if err := s.Deliver(t.Context(), again); err != nil {
				t.Fatal(err)
			}
			want := 3
			if name == "cut" {
				want++ // what was left of the first line
			}
			if got := strings.Count(read(t, path), "\n"); got != want {
				t.Errorf("%d lines, want %d", got, want)
			}
		})
	}
}
