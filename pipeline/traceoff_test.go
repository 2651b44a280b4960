package pipeline

import (
	"log/slog"
	"testing"
	"time"
)

// untraced is what tracing adds to the way of a page and of a batch, without a tracer.
func untraced() func() {
	r := &reader{}
	l := &lane{clock: wallClock, log: slog.New(slog.DiscardHandler)}
	b := &Batch{Manifest: Manifest{Members: make([]Position, 1000), Watermarks: map[string]time.Time{"a": {}}}, Records: make([]Record, 1000)}
	return func() {
		var p Page
		r.trace(&p, PageRequest{}, "ok", time.Time{}, time.Time{})
		l.beginTrace(b, false)
		l.traceAttempt(settling{}, "delivered")
		l.endTrace(nil)
	}
}

func TestTracingThatIsOffAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, untraced()); n != 0 {
		t.Errorf("%v allocations for a page and a batch, want none", n)
	}
}

func BenchmarkTracingOff(b *testing.B) {
	f := untraced()
	b.ReportAllocs()
	for b.Loop() {
		f()
	}
}
