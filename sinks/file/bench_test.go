package file

import (
	"fmt"
	"testing"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/sinktest"
)

func BenchmarkDeliver(b *testing.B) {
	for _, schema := range []string{"normalized", "raw"} {
		for _, size := range []int{1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", schema, size), func(b *testing.B) {
				c := plain(b.TempDir())
				c.Schema = schema
				s := openSink(c, lane)
				defer s.Close()
				claim(b, s, 1)
				records := make([]pipeline.Record, size)
				for i := range records {
					records[i] = sinktest.Record("acme", fmt.Sprint("event-", i), time.Unix(int64(i), 0))
				}
				seq := uint64(0)
				for b.Loop() {
					seq++
					deliver(b, s, sinktest.Batch(pipeline.BatchID{Lane: lane, Epoch: "e1", Seq: seq}, records))
				}
				b.SetBytes(s.side.Length / int64(seq))
				b.ReportMetric(float64(seq)*float64(size)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}
