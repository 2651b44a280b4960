package eventtest

import (
	"bytes"
	"encoding/json"
	"testing"

	"auditlog-connector/schemas"
)

// compact returns the events of all samples, as compact as the API serves them.
func compact(b *testing.B) []schemas.AuditEvent {
	normalize := Normalizer(b)
	var events []schemas.AuditEvent
	for _, s := range Samples(b) {
		var body bytes.Buffer
		if err := json.Compact(&body, s.Event.Raw); err != nil {
			b.Fatal(err)
		}
		events = append(events, normalize(s.Event.EventID, s.Event.EffectiveAt, body.Bytes()))
	}
	return events
}

// BenchmarkAppend makes one document of each sample in turn: time and memory of one
// event.
func BenchmarkAppend(b *testing.B, add func(dst []byte, e *schemas.AuditEvent) []byte) {
	events := compact(b)
	size := 0
	var dst []byte
	for i := range events {
		size += len(add(nil, &events[i]))
	}
	b.SetBytes(int64(size / len(events)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		dst = add(dst[:0], &events[i%len(events)])
	}
}

// BenchmarkEncodingJSON is the yardstick: a round trip of the same entries through
// encoding/json.
func BenchmarkEncodingJSON(b *testing.B) {
	events := compact(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		var v any
		if err := json.Unmarshal(events[i%len(events)].Raw, &v); err != nil {
			b.Fatal(err)
		}
		if _, err := json.Marshal(v); err != nil {
			b.Fatal(err)
		}
	}
}
