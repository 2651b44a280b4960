package eventtest

import (
	"encoding/json"
	"testing"

	"auditlog-connector/schemas"
)

// BenchmarkAppend makes one document of each sample in turn: time and memory of one
// event.
func BenchmarkAppend(b *testing.B, add func(dst []byte, e *schemas.AuditEvent) []byte) {
	events := Compact(b)
	size := 0
	var dst []byte
	for i := range events {
		size += len(add(nil, &events[i].Event))
	}
	b.SetBytes(int64(size / len(events)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		dst = add(dst[:0], &events[i%len(events)].Event)
	}
}

// BenchmarkEncodingJSON is the yardstick: a round trip of the same entries through
// encoding/json.
func BenchmarkEncodingJSON(b *testing.B) {
	events := Compact(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		var v any
		if err := json.Unmarshal(events[i%len(events)].Event.Raw, &v); err != nil {
			b.Fatal(err)
		}
		if _, err := json.Marshal(v); err != nil {
			b.Fatal(err)
		}
	}
}
