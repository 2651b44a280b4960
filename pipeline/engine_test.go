package pipeline_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"auditlog-connector/internal/sim"
	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint"
	"auditlog-connector/pipeline/pipelinetest"
)

var (
	engineSeeds = flag.Int("engine.seeds", 300, "histories of the engine in bubbles")
	engineFirst = flag.Uint64("engine.first", 0, "seed of the first history")
)

// engineHistory is one world in which the real Run lives many lives, in a bubble
// of fake time. Goroutines are scheduled as they like: only invariants are asserted.
type engineHistory struct {
	t     *testing.T
	seed  uint64
	dice  *sim.Dice
	cov   *sim.Coverage
	world *sim.World
	store *checkpoint.Memory
	dests []*pipelinetest.Destination
	aside *asideStore
	start time.Time
	down  []int // lives that a destination is still down for
	calm  atomic.Bool
}

// process is what one life can reach; when it is killed nothing it does has an
// effect any more.
type process struct{ killed, ended atomic.Bool }

var errKilled = errors.New("process was killed")

type processStore struct {
	pipeline.Store
	p *process
	h *engineHistory
}

func (s processStore) Load(ctx context.Context, lane string, start time.Time) (pipeline.Checkpoint, error) {
	if s.p.killed.Load() {
		return pipeline.Checkpoint{}, errKilled
	}
	return s.Store.Load(ctx, lane, start)
}

func (s processStore) Advance(ctx context.Context, lane string, done bool, next *pipeline.Manifest) error {
	if s.p.killed.Load() {
		return errKilled
	}
	if !s.h.calm.Load() && s.h.dice.Chance("advance.error."+lane, 300) {
		return errors.New("no space left on device")
	}
	return s.Store.Advance(ctx, lane, done, next)
}

type processSource struct {
	*sim.Source
	p *process
	h *engineHistory
}

func (s processSource) Page(ctx context.Context, req pipeline.PageRequest) (pipeline.Page, error) {
	if !s.h.calm.Load() {
		time.Sleep(time.Duration(s.h.dice.Roll("page.latency", 800)) * time.Millisecond)
	}
	switch {
	case s.p.ended.Load():
		s.h.t.Errorf("seed %d: a page is asked for after Run returned", s.h.seed)
	case s.p.killed.Load():
		return pipeline.Page{}, errKilled
	}
	return s.Source.Page(ctx, req)
}

func newEngineHistory(t *testing.T, seed uint64, cov *sim.Coverage) *engineHistory {
	h := &engineHistory{t: t, seed: seed, cov: cov, dice: sim.NewDice(seed ^ 0x51ed270b), store: checkpoint.NewMemory(), aside: newAsideStore(), start: time.Now().UTC()}
	h.world = sim.NewWorld(seed, sim.Config{
		Start: h.start, Now: func() time.Time { return time.Now().UTC() }, MaxLate: maxLate, PageLen: 3, Streams: 2, EntryEvery: 2, FaultEvery: 40,
	}, cov)
	for _, k := range pipelinetest.Kinds {
		h.dests = append(h.dests, newDestination(k))
	}
	h.down = make([]int, len(h.dests))
	return h
}

func (h *engineHistory) network(p *process, i int) func(op string) pipelinetest.Fate {
	site := h.dests[i].Kind().String()
	down := h.down[i] > 0
	return func(op string) pipelinetest.Fate {
		time.Sleep(time.Duration(h.dice.Roll("latency."+site, 300)) * time.Millisecond)
		switch {
		case p.killed.Load():
			return pipelinetest.FateLost
		case h.calm.Load():
			return pipelinetest.FatePass
		case down:
			time.Sleep(20 * time.Second)
			return pipelinetest.FateLost
		}
		switch h.dice.Roll("net."+site, 20) {
		case 0:
			return pipelinetest.FateLost
		case 1:
			return pipelinetest.FateUnanswered
		case 2:
			return pipelinetest.FateLate
		case 3:
			return pipelinetest.FateThrottled
		}
		return pipelinetest.FatePass
	}
}

func (h *engineHistory) pipeline(p *process, once bool) (*pipeline.Pipeline, *prometheus.Registry, []*pipelinetest.Sink) {
	sc := pipeline.SourceConfig{Name: "model", Source: processSource{h.world.Open(), p, h}, Concurrency: 3}
	var sinks []*pipelinetest.Sink
	for i, d := range h.dests {
		s := d.Open("model/"+d.Kind().String(), h.network(p, i))
		sinks = append(sinks, s)
		lc := pipeline.LaneConfig{
			Sink: d.Kind().String(), Target: s, Guarantee: d.Kind().Guarantee(), Start: pipeline.Start{At: h.start},
			Batch: pipeline.BatchPolicy{MaxEvents: 5, MaxAge: 4 * time.Second}, Buffer: 8, OnReject: pipeline.RejectQuarantine,
		}
		if wanted := wantedBy(d.Kind()); wanted != nil {
			lc.Filter = func(e *pipeline.Event) bool { return wanted(e.ID) }
		}
		sc.Lanes = append(sc.Lanes, lc)
	}
	reg := prometheus.NewRegistry()
	overlap := []time.Duration{maxLate, 15 * time.Minute, 24 * time.Minute}[h.dice.Roll("overlap", 3)]
	pl, err := pipeline.NewSmall(pipeline.Config{
		Sources: []pipeline.SourceConfig{sc}, Store: processStore{h.store, p, h}, Quarantine: h.aside, Registerer: reg, Once: once,
		PollInterval: 15 * time.Second, Recent: 2 * time.Minute, SweepInterval: 6 * time.Minute, Overlap: overlap, DrainTimeout: 10 * time.Second,
	}, 3, 8, 15*time.Minute)
	if err != nil {
		h.t.Fatal(err)
	}
	return pl, reg, sinks
}

// live runs one life for so long and ends it; killed says how.
func (h *engineHistory) live(long time.Duration, kill bool) {
	p := &process{}
	pl, reg, sinks := h.pipeline(p, false)
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan error, 1)
	go func() { done <- pl.Run(ctx) }()
	time.Sleep(long)
	if kill {
		h.cov.Add("killed")
		p.killed.Store(true)
	} else {
		h.cov.Add("stopped")
	}
	cancel()
	if err := <-done; err != nil {
		h.t.Errorf("seed %d: run: %v", h.seed, err)
	}
	p.ended.Store(true)
	h.finish(reg, sinks, kill)
}

func (h *engineHistory) finish(reg *prometheus.Registry, sinks []*pipelinetest.Sink, killed bool) {
	for _, s := range sinks {
		if err := s.Close(); err != nil {
			h.t.Errorf("seed %d: close: %v", h.seed, err)
		}
	}
	if err := conserved(reg, h.cov); err != nil {
		h.t.Errorf("seed %d: %v", h.seed, err)
	}
}

// conserved checks invariant 7 on a scrape and counts what was exercised.
func conserved(reg *prometheus.Registry, cov *sim.Coverage) error {
	families, err := reg.Gather()
	if err != nil {
		return err
	}
	read, other := make(map[string]float64), make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch f.GetName() {
			case "connector_lane_events_total":
				switch r := label(m, "result"); r {
				case "read":
					read[label(m, "lane")] += m.GetCounter().GetValue()
				case "late_lost":
					if m.GetCounter().GetValue() > 0 {
						return fmt.Errorf("lane %s called entries late although none was later than the overlap", label(m, "lane"))
					}
				default:
					other[label(m, "lane")] += m.GetCounter().GetValue()
				}
			case "connector_lane_events_in_flight":
				other[label(m, "lane")] += m.GetGauge().GetValue()
			case "connector_lane_detached_total":
				cov.AddN("detached", int(m.GetCounter().GetValue()))
			case "connector_lane_attempts_total":
				cov.AddN("attempt: "+label(m, "class"), int(m.GetCounter().GetValue()))
			case "connector_lane_batches_total":
				cov.AddN("batch: "+label(m, "result"), int(m.GetCounter().GetValue()))
			case "connector_source_walks_total":
				cov.AddN("walk: "+label(m, "kind")+" "+label(m, "result"), int(m.GetCounter().GetValue()))
			}
		}
	}
	for lane, n := range read {
		if n != other[lane] {
			return fmt.Errorf("lane %s: read %v, accounted for %v", lane, n, other[lane])
		}
	}
	return nil
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

func (h *engineHistory) run() {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(5+h.dice.Roll("world.pace", 20)) * time.Second):
			}
			if h.calm.Load() {
				continue
			}
			h.world.Tick()
			for _, d := range h.dests {
				if n := d.Late(); n > 0 && h.dice.Chance("late.release", 3) {
					d.Release(h.dice.Roll("late.which", n))
				}
			}
		}
	})
	grant := h.dice.Roll("grant", 4)
	for i := range 5 {
		if i >= grant {
			h.world.Grant()
		}
		for j := range h.down {
			if h.down[j] > 0 {
				h.down[j]--
			} else if h.dice.Chance("destination.down", 8) {
				h.down[j] = 1 + h.dice.Roll("destination.down.long", 2)
				h.cov.Add("destination down for lives")
			}
		}
		h.live(time.Duration(3+h.dice.Roll("life.long", 20))*time.Minute+time.Duration(h.dice.Roll("life.ms", 60000))*time.Millisecond,
			h.dice.Roll("life.kill", 4) > 0)
	}
	h.calm.Store(true)
	h.world.Calm()
	clear(h.down)
	for _, d := range h.dests {
		for d.Late() > 0 {
			d.Release(0)
		}
	}
	if h.dice.Chance("end.once", 2) {
		time.Sleep(time.Hour) // what is written and not yet visible appears
		h.once()
	} else {
		h.live(2*time.Hour, false)
	}
	close(stop)
	wg.Wait()
	h.compare()
}

// once ends the history by a run that stops by itself.
func (h *engineHistory) once() {
	pl, reg, sinks := h.pipeline(&process{}, true)
	if err := pl.Run(h.t.Context()); err != nil {
		h.t.Errorf("seed %d: run once: %v", h.seed, err)
	}
	h.finish(reg, sinks, false)
	h.cov.Add("ended by once")
}

func (h *engineHistory) compare() {
	h.cov.Add("histories")
	h.cov.AddN("entries", len(h.world.Entries()))
	for _, d := range h.dests {
		if v := d.Violations(); len(v) > 0 {
			h.t.Errorf("seed %d: %s: %v", h.seed, d.Kind(), v)
		}
		if err := checkDestination(h.world, d, h.aside, h.start); err != nil {
			h.t.Errorf("seed %d: %s: %v", h.seed, d.Kind(), err)
		}
	}
}

// TestEngine runs the real pipeline through histories of several lives, with kills,
// graceful stops and destinations that are down for whole lives.
func TestEngine(t *testing.T) {
	cov := sim.NewCoverage()
	for n := range *engineSeeds {
		seed := *engineFirst + uint64(n)
		synctest.Test(t, func(t *testing.T) { newEngineHistory(t, seed, cov).run() })
		if t.Failed() {
			t.Fatalf("first failing seed: %d", seed)
		}
	}
	t.Logf("\n%s", cov)
	if missing := cov.Missing("killed", "stopped", "detached", "attempt: in_doubt", "attempt: throttled", "batch: delivered", "batch: resolved",
		"walk: deep ok", "walk: recent ok", "walk: recent error", "destination down for lives", "ended by once", "late arrival", "future-dated"); len(missing) > 0 {
		t.Errorf("never happened: %v", missing)
	}
	if got, want := cov.Of("walk: deep ok"), 2*cov.Of("histories"); got < want {
		t.Errorf("%d complete deep walks in %d histories, want at least two in each", got, cov.Of("histories"))
	}
}
