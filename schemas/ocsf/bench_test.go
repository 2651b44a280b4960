package ocsf_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"auditlog-connector/schemas"
	"auditlog-connector/schemas/ocsf"
)

// BenchmarkAppend maps the samples, one after the other.
func BenchmarkAppend(b *testing.B) {
	events := slices.Collect(maps.Values(samples(b)))
	var line []byte
	size, i := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		line = ocsf.Append(line[:0], events[i%len(events)])
		size += len(line)
		i++
	}
	b.ReportMetric(float64(size)/float64(i), "B/document")
}

// BenchmarkEncodingJSON is what it is compared with: one round trip of the entries
// through encoding/json.
func BenchmarkEncodingJSON(b *testing.B) {
	events := slices.Collect(maps.Values(samples(b)))
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		var v any
		if err := json.Unmarshal(events[i%len(events)].Raw, &v); err != nil {
			b.Fatal(err)
		}
		if _, err := json.Marshal(v); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// BenchmarkAppendFailedLogin is a small event, the most frequent when it matters.
func BenchmarkAppendFailedLogin(b *testing.B) {
	e := sample(b, "login.failed")
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		line = ocsf.Append(line[:0], e)
	}
}

// An event without a list takes a handful of allocations.
func TestAppendAllocatesLittle(t *testing.T) {
	line := make([]byte, 0, 64<<10)
	for name, most := range map[string]float64{"login.failed": 6, "api_key.created": 8, "role.assignment.created": 8} {
		var e *schemas.AuditEvent = sample(t, name)
		if n := testing.AllocsPerRun(100, func() { line = ocsf.Append(line[:0], e) }); n > most {
			t.Errorf("%s: %.0f allocations, want at most %.0f", name, n, most)
		}
	}
}
