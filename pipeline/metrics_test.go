package pipeline_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/pipelinetest"
)

// gauge returns the sum of a gauge over the series whose label has value.
func (p *plant) gauge(name, labelName, value string) (sum float64) {
	p.t.Helper()
	families, err := p.reg.Gather()
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && label(m, labelName) == value {
				sum += m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// observed returns how many observations a histogram has, and their sum.
func (p *plant) observed(name string) (n uint64, sum float64) {
	p.t.Helper()
	families, err := p.reg.Gather()
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				n += m.GetHistogram().GetSampleCount()
				sum += m.GetHistogram().GetSampleSum()
			}
		}
	}
	return n, sum
}

func TestDelaysAreThoseOfTheSource(t *testing.T) {
	const near, seen = "connector_source_delay_near_overlap_total", "connector_source_delay_seconds"
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, newAuditLog("org"))
		p.lane("a", nil)
		p.log.writeLate("org", "before", 50*time.Minute)
		p.start()
		time.Sleep(3 * time.Hour)
		if n, _ := p.observed(seen); n != 0 {
			t.Errorf("%d delays, although nobody knows when the entry from before the start appeared", n)
		}
		p.log.write("org", "prompt")
		time.Sleep(time.Minute)
		if n, sum := p.observed(seen); n != 1 || sum > 31 {
			t.Errorf("%d delays, %v s, want one below a poll's interval", n, sum)
		}
		p.log.writeLate("org", "somewhat late", 20*time.Minute)
		time.Sleep(2 * time.Hour)
		if n := counter(t, p, near, "source", "acme"); n != 0 {
			t.Errorf("%v entries near the overlap, want none", n)
		}
		p.log.refuse("org", true)
		time.Sleep(2 * time.Hour)
		p.log.write("org", "while nobody could look")
		time.Sleep(110 * time.Minute)
		p.log.refuse("org", false)
		time.Sleep(2 * time.Hour)
		if n, _ := p.observed(seen); n != 3 || counter(t, p, near, "source", "acme") != 0 {
			t.Errorf("%d delays, %v of them near: the source's absence is not an entry's", n, counter(t, p, near, "source", "acme"))
		}
		p.log.writeLate("org", "almost too late", 100*time.Minute)
		time.Sleep(2 * time.Hour)
		if n := counter(t, p, near, "source", "acme"); n != 1 {
			t.Errorf("%v entries near the overlap, want 1", n)
		}
		if n, _ := p.observed("connector_lane_freshness_seconds"); n != 5 {
			t.Errorf("the freshness of %d events, want 5", n)
		}
		if got := p.gauge("connector_source_last_event_timestamp_seconds", "source", "acme"); got < float64(time.Now().Add(-14*time.Hour).Unix()) {
			t.Errorf("last event at %v", got)
		}
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		p.wantContents("a", p.log.written())
	})
}

func TestStatesAddUpToOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, newAuditLog("org", "tenant"))
		var broken atomic.Bool
		p.lane("a", nil)
		p.lane("b", func(op string) pipelinetest.Fate {
			if op == pipelinetest.OpDeliver && broken.Load() {
				return pipelinetest.FateLost
			}
			return pipelinetest.FatePass
		})
		p.start()
		want := func(name, labelName, value string, n float64) {
			t.Helper()
			if got := p.gauge(name, labelName, value); got != n {
				t.Errorf("%s of %s %s is %v, want %v", name, labelName, value, got, n)
			}
		}
		each := func() {
			t.Helper()
			for _, lane := range []string{"acme/a", "acme/b"} {
				want("connector_lane_state", "lane", lane, 1)
			}
			want("connector_source_state", "source", "acme", 1)
			for _, stream := range []string{"org", "tenant"} {
				want("connector_source_stream_state", "stream", stream, 1)
			}
		}
		time.Sleep(time.Minute)
		each()
		want("connector_lane_attached", "lane", "acme/b", 1)
		want("connector_lane_recovered", "lane", "acme/b", 1)
		if n := p.gauge("connector_overlap_seconds", "", ""); n != p.cfg.Overlap.Seconds() {
			t.Errorf("overlap %v", n)
		}
		p.log.refuse("tenant", true)
		broken.Store(true)
		p.log.write("org", "e")
		time.Sleep(time.Minute)
		each()
		want("connector_lane_state", "state", "in_doubt", 1)
		want("connector_source_stream_state", "state", "refused", 1)
		want("connector_lane_events_in_flight", "lane", "acme/b", 1)
		broken.Store(false)
		time.Sleep(2 * time.Minute)
		want("connector_lane_state", "state", "following", 2)
		if got := p.laneStatus("b"); got.LastDelivery == nil || got.FreshnessSeconds == nil || *got.FreshnessSeconds < 60 {
			t.Errorf("last delivery %v, freshness %v", got.LastDelivery, got.FreshnessSeconds)
		}
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestRejectedEventsAreCountedWhateverIsDoneAboutThem(t *testing.T) {
	for name, policy := range map[string]pipeline.RejectPolicy{"halt": pipeline.RejectHalt, "quarantine": pipeline.RejectQuarantine} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlant(t, newAuditLog("org"))
				lane := p.lane("a", nil)
				lane.OnReject = policy
				p.dests["a"].SetReject(func(r *pipeline.Record) error {
					if strings.HasPrefix(r.ID, "bad") {
						return errors.New("no")
					}
					return nil
				})
				p.start()
				time.Sleep(time.Minute)
				for i := range 3 {
					p.log.write("org", fmt.Sprintf("bad%d", i))
					p.log.write("org", fmt.Sprintf("good%d", i))
				}
				time.Sleep(time.Minute)
				if n := counter(t, p, "connector_lane_rejected_events_total", "lane", "acme/a"); n != 3 {
					t.Errorf("%v rejected, want 3", n)
				}
				if err := p.stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
