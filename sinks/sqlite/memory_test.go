package sqlite

import (
	"testing"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
)

func TestMemoryHasWhatItsSinksDeliver(t *testing.T) {
	t.Chdir(t.TempDir())
	var dbs []*Memory
	for range 2 { // two at the same time know nothing of one another
		m, err := OpenMemory(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
		dbs = append(dbs, m)
	}
	for _, lane := range []string{"a/live", "b/live"} {
		s := dbs[0].Sink(env(lane))
		cp := pipeline.Checkpoint{Epoch: "0000000a", Next: 1}
		if err := s.(pipeline.Claimer).Claim(t.Context(), cp, false); err != nil {
			t.Fatal(err)
		}
		at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
		p := pipeline.Position{Time: at, ID: "e1"}
		b := pipeline.Batch{
			Manifest: pipeline.Manifest{ID: pipeline.BatchID{Lane: lane, Epoch: cp.Epoch, Seq: 1}, Members: []pipeline.Position{p}},
			Records:  []pipeline.Record{{Event: pipeline.Event{Raw: pipeline.Raw{Position: p}, Audit: schemas.AuditEvent{EventID: "e1", EventType: "login.failed", EffectiveAt: at, Source: lane, Raw: []byte("{}")}}}},
		}
		for range 2 {
			if err := s.Deliver(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	for i, want := range []int{2, 0} {
		var n int
		if err := dbs[i].DB().QueryRowContext(t.Context(), "SELECT count(*) FROM events").Scan(&n); err != nil || n != want {
			t.Errorf("database %d has %d events, %v, want %d", i, n, err, want)
		}
	}
	if _, err := dbs[0].DB().ExecContext(t.Context(), "DELETE FROM audit_events"); err == nil {
		t.Error("the connection for reading writes")
	}
}
