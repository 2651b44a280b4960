package pipeline_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/pipelinetest"
)

func TestSinkThatHangsForADayDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, newAuditLog("org"))
		hung := time.Now().Add(24 * time.Hour)
		p.lane("hung", func(op string) pipelinetest.Fate {
			if op == pipelinetest.OpDeliver && time.Now().Before(hung) {
				time.Sleep(time.Until(hung))
			}
			return pipelinetest.FatePass
		})
		p.lane("brisk", nil)
		p.lane("other", nil)
		p.start()
		const every = 20 * time.Second
		const (
			buffer, batch, chunk = 200, 50, 1000
			// A poll, the age of a batch, and a second for what lies between.
			late = 30*time.Second + 5*time.Second + time.Second
		)
		var most uint64
		for n := range int(26 * time.Hour / every) {
			p.log.write("org", fmt.Sprintf("e%05d", n))
			time.Sleep(every)
			if held := p.laneStatus("hung").InFlight; held > most {
				most = held
			}
			if n%30 != 0 {
				continue
			}
			seen := n + 1 - int(late/every) - 1
			for _, name := range []string{"brisk", "other"} {
				if got := len(p.dests[name].Contents()); got < seen {
					t.Fatalf("after %s %s has %d events, want %d at least", time.Duration(n)*every, name, got, seen)
				}
			}
		}
		if most <= batch || most > buffer+batch+chunk {
			t.Errorf("the hung lane held up to %d events, want more than one batch and at most %d", most, buffer+batch+chunk)
		}
		t.Logf("the hung lane held up to %d events", most)
		time.Sleep(time.Minute)
		p.wantConserved()
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		for name := range p.dests {
			p.wantContents(name, p.log.written())
		}
		if counter(t, p, "connector_lane_detached_total", "", "") == 0 {
			t.Error("no lane was detached: the test shows nothing")
		}
	})
}

func TestIdleOrganizationCostsOneRequestPerPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, newAuditLog("org", "tenant"))
		p.cfg.Overlap = 24 * time.Hour
		p.lane("a", nil)
		p.lane("b", nil)
		p.start()
		time.Sleep(24*time.Hour + time.Second)
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		for _, stream := range []string{"org", "tenant"} {
			polls, others := p.log.requests(stream)
			if want := 24*120 + 1; polls < want-2 || polls > want+2 {
				t.Errorf("%s: %d polls in a day, want one every 30 s", stream, polls)
			}
			// A deep walk of a day and an hour is two spans; the lanes' first walk two more.
			if others > 24*2+2 {
				t.Errorf("%s: %d other requests in a day, want two per hour", stream, others)
			}
		}
		if deep := counter(t, p, "connector_source_walks_total", "kind", "deep"); deep < 2*23 || deep > 2*24 {
			t.Errorf("%v deep walks of two streams in a day, want one an hour", deep)
		}
	})
}

func TestGracefulStopFinishesThePreparedBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, newAuditLog("org"))
		p.lane("slow", func(op string) pipelinetest.Fate {
			if op == pipelinetest.OpDeliver {
				time.Sleep(10 * time.Second)
			}
			return pipelinetest.FatePass
		}).Batch.MaxEvents = 10
		for n := range 35 {
			p.log.write("org", fmt.Sprintf("e%02d", n))
		}
		p.start()
		time.Sleep(15 * time.Second) // one batch is in, the second under way
		began := time.Now()
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("stopping took %s, want as long as the batch under way", took)
		}
		p.wantConserved()
		s := p.laneStatus("slow")
		if s.Delivered != 20 || s.Released != 15 || s.InFlight != 0 {
			t.Errorf("delivered %d, released %d, in flight %d, want 20, 15, 0", s.Delivered, s.Released, s.InFlight)
		}
		if cp, err := p.store.Inspect("acme/slow"); err != nil || cp.Prepared != nil {
			t.Errorf("prepared %v, %v, want none", cp.Prepared, err)
		}
		p.restart()
		p.lane("slow", nil)
		p.start()
		time.Sleep(time.Minute)
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		p.wantContents("slow", p.log.written())
	})
}

// blockedSink accepts nothing until its context is done.
type blockedSink struct{ pipeline.Sink }

func (s blockedSink) Deliver(ctx context.Context, _ pipeline.Batch) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestDrainTimeoutLeavesTheBatchPrepared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, newAuditLog("org"))
		d := pipelinetest.NewDestination(pipelinetest.Transactions)
		p.dests["stuck"] = d
		p.sink("stuck", blockedSink{d.Open("acme/stuck", nil)})
		for n := range 5 {
			p.log.write("org", fmt.Sprintf("e%02d", n))
		}
		p.start()
		time.Sleep(time.Minute)
		began := time.Now()
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 25*time.Second {
			t.Errorf("stopping took %s, want the drain timeout", took)
		}
		p.wantConserved()
		cp, err := p.store.Inspect("acme/stuck")
		if err != nil || cp.Prepared == nil || len(cp.Prepared.Members) != 5 {
			t.Fatalf("prepared %+v, %v, want the batch of five", cp.Prepared, err)
		}
		p.restart()
		p.lane("stuck", nil)
		p.start()
		time.Sleep(time.Minute)
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		p.wantContents("stuck", p.log.written())
	})
}

func TestStreamRefusedForHoursLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, newAuditLog("org", "tenant"))
		p.lane("a", nil)
		p.lane("b", nil)
		p.start()
		write := func(phase string, n int) {
			for i := range n {
				p.log.write("org", fmt.Sprintf("o-%s-%02d", phase, i))
				p.log.write("tenant", fmt.Sprintf("t-%s-%02d", phase, i))
				time.Sleep(10 * time.Minute)
			}
		}
		write("before", 6)
		p.log.refuse("tenant", true)
		write("refused", 40)
		if s := p.laneStatus("a"); s.State == "halted" || s.Delivered != 6*2+40 {
			t.Errorf("org waits for tenant: %+v", s)
		}
		for _, st := range p.Status().Sources[0].Streams {
			if want := map[string]string{"org": "ok", "tenant": "refused"}[st.Name]; st.State != want {
				t.Errorf("stream %s is %s, want %s", st.Name, st.State, want)
			}
		}
		p.log.refuse("tenant", false)
		time.Sleep(11 * time.Minute) // asked again every five
		p.wantContents("a", p.log.written())
		write("after", 6)
		p.wantConserved()
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		p.wantContents("a", p.log.written())
		p.wantContents("b", p.log.written())
	})
}

func TestFiltersArePerLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, newAuditLog("org"))
		even := func(e *pipeline.Event) bool { return strings.HasSuffix(e.ID, "0") }
		p.lane("some", nil).Filter = even
		p.lane("none", nil).Filter = func(*pipeline.Event) bool { return false }
		p.lane("all", nil)
		p.start()
		for n := range 300 {
			p.log.write("org", fmt.Sprintf("e%03d", n))
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Minute)
		p.wantConserved()
		mark := p.laneStatus("none").Watermarks["org"]
		if age := time.Since(mark); age > 2*time.Hour {
			t.Errorf("the lane that takes nothing is at %s, %s ago: it would read for ever longer", mark, age)
		}
		if s := p.laneStatus("some"); s.Delivered != 30 || s.Filtered < 270 {
			t.Errorf("delivered %d, filtered %d, want 30 and 270 at least", s.Delivered, s.Filtered)
		}
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		want := p.log.written()
		p.wantContents("all", want)
		for id := range want {
			if !strings.HasSuffix(id, "0") {
				delete(want, id)
			}
		}
		p.wantContents("some", want)
		p.wantContents("none", nil)
	})
}

func TestLaterThanTheOverlapIsCountedAndNotHidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, newAuditLog("org"))
		p.cfg.Overlap, p.cfg.Recent, p.cfg.SweepInterval = 10*time.Minute, 3*time.Hour, 10*time.Minute
		p.lane("a", nil)
		p.start()
		for n := range 60 {
			p.log.write("org", fmt.Sprintf("e%03d", n))
			time.Sleep(5 * time.Minute)
		}
		p.log.writeLate("org", "hours-late", 2*time.Hour)
		p.log.writeLate("org", "just-in-time", 9*time.Minute)
		time.Sleep(time.Hour)
		p.wantConserved()
		s := p.laneStatus("a")
		if s.LateLost == 0 || !strings.Contains(s.Reason, "overlap") {
			t.Errorf("late_lost %d, reason %q, want the late entry told", s.LateLost, s.Reason)
		}
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		want := p.log.written()
		delete(want, "hours-late")
		p.wantContents("a", want)
	})
}

func TestMetricsAreWellNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, newAuditLog("org"))
		var n atomic.Int64
		p.lane("a", func(op string) pipelinetest.Fate {
			if n.Add(1)%3 == 0 {
				return pipelinetest.FateLost
			}
			return pipelinetest.FatePass
		})
		p.start()
		for i := range 20 {
			p.log.write("org", fmt.Sprintf("e%02d", i))
			time.Sleep(10 * time.Minute)
		}
		problems, err := testutil.GatherAndLint(p.reg)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range problems {
			t.Errorf("%s: %s", problem.Metric, problem.Text)
		}
		families, err := p.reg.Gather()
		if err != nil || len(families) < 15 {
			t.Errorf("%d metrics, %v: the lint saw too little", len(families), err)
		}
		for _, f := range families {
			if !strings.HasPrefix(f.GetName(), "connector_") {
				t.Errorf("%s is outside the namespace", f.GetName())
			}
		}
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	})
}

// counter sums a counter over the series whose label has value.
func counter(t *testing.T, p *plant, name, labelName, value string) (sum float64) {
	t.Helper()
	families, err := p.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && label(m, labelName) == value {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}
