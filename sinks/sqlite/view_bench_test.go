package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/sinktest"
)

func BenchmarkViews(b *testing.B) {
	path := filepath.Join(b.TempDir(), "audit.db")
	s := openSink(b, path, "acme/sink")
	defer s.Close()
	if err := s.Claim(b.Context(), pipeline.Checkpoint{Epoch: "e1", Next: 1}, false); err != nil {
		b.Fatal(err)
	}
	const events = 2000
	records := make([]pipeline.Record, events)
	for i := range records {
		records[i] = sinktest.Record("acme", fmt.Sprint("id-", i), time.Unix(int64(i), 0))
	}
	if err := s.Deliver(b.Context(), sinktest.Batch(pipeline.BatchID{Lane: "acme/sink", Epoch: "e1", Seq: 1}, records)); err != nil {
		b.Fatal(err)
	}
	db := reader(b, path)
	for name, query := range map[string]string{
		"group by type": `SELECT type, count(*) FROM audit_logs GROUP BY 1`,
		"one member":    `SELECT count("api_key.created") FROM audit_logs`,
		"all columns":   `SELECT count(*) FROM (SELECT DISTINCT * FROM audit_logs)`,
		"events":        `SELECT count(*) FROM (SELECT DISTINCT * FROM events)`,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				rows, err := db.Query(query)
				if err != nil {
					b.Fatal(err)
				}
				for rows.Next() {
				}
				if err := errors.Join(rows.Err(), rows.Close()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/events, "us/event")
		})
	}
}
