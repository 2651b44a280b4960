package checkpoint

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"auditlog-connector/pipeline"
)

// BenchmarkAdvance is one synced step with a batch of 1,000 members and 100,000
// that are remembered.
func BenchmarkAdvance(b *testing.B) {
	f, err := Open(filepath.Join(b.TempDir(), "checkpoint.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	cp, err := f.Load(b.Context(), "acme/a", crashStart)
	if err != nil {
		b.Fatal(err)
	}
	seq := cp.Next
	for b.Loop() {
		m := manifest(cp, seq)
		at := crashStart.Add(time.Duration(seq) * time.Second)
		for i := range 1000 {
			m.Members = append(m.Members, pipeline.Position{Time: at, ID: fmt.Sprintf("audit_log-%d-%020d", seq, i)})
		}
		m.Floors["organization"] = at.Add(-100 * time.Second)
		if m.Floors["organization"].Before(crashStart) {
			m.Floors["organization"] = crashStart
		}
		if err := f.Advance(b.Context(), "acme/a", seq > cp.Next, m); err != nil {
			b.Fatal(err)
		}
		seq++
	}
}
