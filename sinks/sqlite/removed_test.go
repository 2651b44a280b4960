package sqlite

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks"
	"auditlog-connector/sinks/sinktest"
)

func TestDatabaseThatIsRemovedWhileItIsWrittenStopsTheLane(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	s := newSink(path, sinks.Env{Source: "acme", Sink: "x", Lane: "acme/x", Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Claim(t.Context(), pipeline.Checkpoint{Epoch: "0000000a", Next: 1}, false); err != nil {
		t.Fatal(err)
	}
	id := pipeline.BatchID{Lane: "acme/x", Epoch: "0000000a", Seq: 1}
	b := sinktest.Batch(id, []pipeline.Record{sinktest.Record("acme", "e1", time.Unix(1_700_000_000, 0).UTC())})
	b.Place = s.Place(b.Manifest)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	err := s.Deliver(t.Context(), b)
	if !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "removed or replaced") {
		t.Errorf("got %v, want a permanent error that names the file", err)
	}
}
