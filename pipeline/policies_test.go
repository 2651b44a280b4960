package pipeline_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/pipelinetest"
)

// tooLong refuses e02.
func tooLong(r *pipeline.Record) error {
	if r.ID == "e02" {
		return errors.New("field too long")
	}
	return nil
}

func TestRejectedRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, newAuditLog("org"))
		p.lane("halt", nil).OnReject = pipeline.RejectHalt
		p.lane("aside", nil).OnReject = pipeline.RejectQuarantine
		p.lane("fine", nil)
		p.dests["halt"].SetReject(tooLong)
		p.dests["aside"].SetReject(tooLong)
		for n := range 5 {
			p.log.write("org", fmt.Sprintf("e%02d", n))
		}
		p.start()
		time.Sleep(time.Minute)
		p.log.write("org", "later")
		time.Sleep(time.Hour)
		p.wantConserved()

		s := p.laneStatus("halt")
		if s.State != "halted" || !strings.Contains(s.Reason, "field too long") || !strings.Contains(s.Hint, "on_reject: quarantine") {
			t.Errorf("the lane is %s because %q, hint %q", s.State, s.Reason, s.Hint)
		}
		if p.Ready() {
			t.Error("ready, with a halted lane")
		}
		if s := p.laneStatus("aside"); s.State != "following" || s.Quarantined != 1 || s.Delivered != 5 {
			t.Errorf("the lane with a quarantine: %+v", s)
		}
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		want := p.log.written()
		p.wantContents("fine", want)
		delete(want, "e02")
		p.wantContents("aside", want)
		if got := p.aside.contents("acme/aside"); len(got) != 1 || got["e02"] != 1 {
			t.Errorf("in quarantine: %v, want e02", got)
		}
		if p.dests["halt"].Contents()["later"] != 0 {
			t.Error("the halted lane went on")
		}
	})
}

// TestHaltedLane: a batch in doubt, a destination that cannot tell, and a policy
// that would rather halt.
func TestHaltedLane(t *testing.T) {
	lost := func(op string) pipelinetest.Fate {
		if op == pipelinetest.OpDeliver {
			return pipelinetest.FateUnanswered
		}
		return pipelinetest.FatePass
	}
	plantWith := func(t *testing.T) *plant {
		p := newPlant(t, newAuditLog("org"))
		d := pipelinetest.NewDestination(pipelinetest.Appends)
		p.dests["hec"] = d
		lc := p.sink("hec", d.Open("acme/hec", lost))
		lc.InDoubt, lc.Guarantee = pipeline.DoubtHalt, pipeline.AtLeastOnce
		p.lane("fine", nil)
		for n := range 5 {
			p.log.write("org", fmt.Sprintf("e%02d", n))
		}
		return p
	}
	t.Run("stays up and says why", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := plantWith(t)
			p.start()
			time.Sleep(time.Hour)
			p.log.write("org", "later")
			time.Sleep(time.Hour)
			s := p.laneStatus("hec")
			if s.State != "halted" || !strings.Contains(s.Reason, pipeline.ErrInDoubt.Error()) || s.Batch == "" || !strings.Contains(s.Hint, "resolve") {
				t.Errorf("status %+v", s)
			}
			if p.Ready() {
				t.Error("ready, with a halted lane")
			}
			p.wantConserved()
			if err := p.stop(); err != nil {
				t.Errorf("a long run returns %v", err)
			}
			p.wantContents("fine", p.log.written())
			if n := p.dests["hec"].Contents()["e00"]; n != 1 {
				t.Errorf("%d copies where the lane halted, want the one in doubt", n)
			}
			// The next process asks again, and halts again.
			if cp, err := p.store.Inspect("acme/hec"); err != nil || cp.Prepared == nil {
				t.Errorf("prepared %v, %v, want the batch in doubt", cp.Prepared, err)
			}
		})
	})
	t.Run("is an error with once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := plantWith(t)
			p.cfg.Once = true
			p.start()
			err := <-p.done
			if !errors.Is(err, pipeline.ErrInDoubt) {
				t.Fatalf("run returns %v, want %v", err, pipeline.ErrInDoubt)
			}
			for _, part := range []string{"acme/hec", "00000000000000000001"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not name %s", err, part)
				}
			}
			p.wantContents("fine", p.log.written())
			p.wantConserved()
		})
	})
}

func TestOnceReturnsWhatTheSourceRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, newAuditLog("org", "tenant"))
		p.log.refuse("tenant", true)
		p.lane("a", nil)
		p.log.write("org", "e00")
		p.cfg.Once = true
		p.start()
		if err := <-p.done; !errors.Is(err, pipeline.ErrRefused) || !strings.Contains(err.Error(), "tenant") {
			t.Errorf("run returns %v, want the refusal of tenant", err)
		}
		p.wantContents("a", p.log.written())
	})
}

func TestOnceDeliversWhatIsVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, newAuditLog("org", "tenant"))
		for n := range 130 {
			p.log.writeLate("org", fmt.Sprintf("o%03d", n), time.Duration(n)*20*time.Second)
			p.log.writeLate("tenant", fmt.Sprintf("t%03d", n), time.Duration(n)*20*time.Second)
		}
		p.lane("a", nil)
		p.lane("b", nil)
		p.cfg.Once = true
		p.start()
		if err := <-p.done; err != nil {
			t.Error(err)
		}
		p.wantContents("a", p.log.written())
		p.wantContents("b", p.log.written())
		p.wantConserved()
	})
}
