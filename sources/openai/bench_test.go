package openai

import (
	"testing"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
)

// BenchmarkPageToAvro is the way of an event from the bytes of a page to its record
// in Avro, in one goroutine: pages of 100 of the samples, as compact as served.
func BenchmarkPageToAvro(b *testing.B) {
	raws, _ := compacted(b)
	page := []byte(`{"object":"list","data":[`)
	for i := range 100 {
		if i > 0 {
			page = append(page, ',')
		}
		page = append(page, raws[i%len(raws)].Body...)
	}
	page = append(page, `],"has_more":false}`...)
	s := &Source{}
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	events := 0
	var avro []byte
	for b.Loop() {
		p, err := s.read(page, pipeline.PageRequest{Stream: StreamOrganization}, cursor{})
		if err != nil {
			b.Fatal(err)
		}
		avro = avro[:0]
		for i := range p.Entries {
			e := normalize("acme", p.Entries[i])
			avro = schemas.Encode(avro, &e.Audit)
		}
		events += len(p.Entries)
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
