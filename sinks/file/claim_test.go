package file

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks"
	"auditlog-connector/sinks/sinktest"
)

func TestWhatAPersonIsTold(t *testing.T) {
	sinktest.RunLocal(t, sinktest.Local{
		Open: func(log *slog.Logger) pipeline.Sink {
			return newSink(&Config{Path: "audit.jsonl", Schema: "normalized", Rotate: rotateNone},
				sinks.Env{Source: "acme", Sink: "x", Lane: sinktest.LocalLane, Logger: log})
		},
		Name: "audit.jsonl", Hint: "reset --lane acme/x --start earliest",
	})
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
