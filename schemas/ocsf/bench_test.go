package ocsf_test

import (
	"testing"

	"auditlog-connector/internal/eventtest"
	"auditlog-connector/schemas/ocsf"
)

func BenchmarkAppend(b *testing.B) { eventtest.BenchmarkAppend(b, ocsf.Append) }

func BenchmarkEncodingJSON(b *testing.B) { eventtest.BenchmarkEncodingJSON(b) }

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
		e := sample(t, name)
		if n := testing.AllocsPerRun(100, func() { line = ocsf.Append(line[:0], e) }); n > most {
			t.Errorf("%s: %.0f allocations, want at most %.0f", name, n, most)
		}
	}
}
