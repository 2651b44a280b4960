package sqlite

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/sinktest"
)

var discard = slog.New(slog.DiscardHandler)

func BenchmarkDeliver(b *testing.B) {
	for _, size := range []int{1000, 10000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := openSink(b, filepath.Join(b.TempDir(), "audit.db"), "acme/sink")
			defer s.Close()
			if err := s.Claim(b.Context(), pipeline.Checkpoint{Epoch: "e1", Next: 1}, false); err != nil {
				b.Fatal(err)
			}
			start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			records := make([]pipeline.Record, size)
			for i := range records {
				// IDs are random, as in the log.
				records[i] = sinktest.Record("acme", "", start)
			}
			seq := uint64(0)
			for b.Loop() {
				b.StopTimer()
				seq++
				for i := range records {
					id := fmt.Sprintf("audit_log-%016x", (seq<<32+uint64(i))*0x9e3779b97f4a7c15)
					records[i].ID, records[i].Audit.EventID = id, id
				}
				batch := sinktest.Batch(pipeline.BatchID{Lane: "acme/sink", Epoch: "e1", Seq: seq}, records)
				b.StartTimer()
				if err := s.Deliver(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(seq)*float64(size)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
