package pipeline_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"auditlog-connector/internal/sim"
	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint"
	"auditlog-connector/pipeline/pipelinetest"
)

var (
	simSeeds = flag.Int("sim.seeds", 1000, "histories of the model world")
	simTrace = flag.Int("sim.trace", -1, "say what the lane of this index does")
	simFirst = flag.Uint64("sim.first", 0, "seed of the first history")
)

// crash ends a process's life.
type crash struct{ at string }

// history is one world with all the lives lived in it, stepped in one goroutine.
type history struct {
	seed  uint64
	world *sim.World
	dice  *sim.Dice
	cov   *sim.Coverage
	now   time.Time     // the truth
	skew  time.Duration // how far our clock is ahead of it
	calm  bool

	store  *checkpoint.Memory
	backup *checkpoint.Memory
	dests  []*pipelinetest.Destination
	lanes  []string

	overlap  time.Duration
	recent   time.Duration
	aside    *asideStore
	joined   map[string]int  // streams that the lane's checkpoint has had
	doubtful map[string]bool // lanes with a batch in doubt when the last life ended
	prefix   int
	claimed  int // the prefix that the last process claimed
	deepLive int
}

const maxLate = 12 * time.Minute

var simStart = time.Date(2026, 1, 1, 1, 40, 0, 0, time.UTC)

// laneStart is where lane i begins: all but the first leave the oldest entries out.
func laneStart(i int) time.Time { return simStart.Add(time.Duration(i) * 7 * time.Minute) }

func newHistory(seed uint64, cov *sim.Coverage) *history {
	h := &history{seed: seed, cov: cov, dice: sim.NewDice(seed ^ 0x9e3779b97f4a7c15), now: simStart, aside: newAsideStore(), joined: make(map[string]int), doubtful: make(map[string]bool)}
	h.world = sim.NewWorld(seed, sim.Config{
		Start: simStart, Now: func() time.Time { return h.now }, MaxLate: maxLate, PageLen: 3, Streams: 2, EntryEvery: 5, FaultEvery: 60,
	}, cov)
	epochs := 0
	h.store = checkpoint.NewMemory(checkpoint.WithEpochs(func() string {
		epochs++
		return fmt.Sprintf("%08x", epochs)
	}))
	h.world.OnPage(func() {
		if h.dice.Chance("page.tick", 6) {
			h.tick()
		}
		h.crashPoint("page", 3000)
	})
	for _, k := range pipelinetest.Kinds {
		h.dests = append(h.dests, newDestination(k))
		h.lanes = append(h.lanes, k.String())
	}
	return h
}

func (h *history) tick() {
	h.now = h.now.Add(time.Duration(h.dice.Roll("tick", 3)) * time.Minute).Add(time.Duration(h.dice.Roll("tick.second", 3)) * time.Second)
	h.world.Tick()
	for _, d := range h.dests {
		if n := d.Late(); n > 0 && h.dice.Chance("late.release", 4) {
			d.Release(h.dice.Roll("late.which", n))
		}
	}
}

func (h *history) crashPoint(at string, n int) {
	if !h.calm && h.dice.Chance("crash."+at, n) {
		h.cov.Add("killed")
		panic(crash{at})
	}
}

// network decides the fate of a request to a destination.
func (h *history) network(kind string) func(op string) pipelinetest.Fate {
	return func(op string) pipelinetest.Fate {
		h.crashPoint(op, 400)
		if h.calm {
			return pipelinetest.FatePass
		}
		if h.dice.Chance("net.tick", 4) {
			h.tick()
		}
		switch h.dice.Roll("net."+kind, 24) {
		case 0:
			h.crashPoint("lost", 20)
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

// crashStore is a store whose process may die before and after every write, and
// whose writes may fail.
type crashStore struct {
	pipeline.Store
	h *history
}

func (s crashStore) Advance(ctx context.Context, lane string, done bool, next *pipeline.Manifest) error {
	s.h.crashPoint("before advance", 300)
	if !s.h.calm && s.h.dice.Chance("advance.error", 200) {
		return errors.New("no space left on device")
	}
	if err := s.Store.Advance(ctx, lane, done, next); err != nil {
		return err
	}
	if next != nil && len(next.Members) > 0 {
		s.h.doubtful[lane] = true
	} else if done {
		delete(s.h.doubtful, lane)
	}
	s.h.crashPoint("after advance", 300)
	if next != nil && len(next.Watermarks) > s.h.joined[lane] {
		// All that the lane knows of a stream may be what a batch in doubt says.
		s.h.joined[lane] = len(next.Watermarks)
		s.h.crashPoint("after joining", 3)
	}
	return nil
}

func (h *history) config(store pipeline.Store, which func(i int) bool) pipeline.Config {
	sc := pipeline.SourceConfig{Name: "model", Source: h.world.Open(), Concurrency: 1}
	for i, d := range h.dests {
		if !which(i) {
			continue
		}
		lane := "model/" + h.lanes[i]
		sink := d.Open(lane, h.network(h.lanes[i]))
		sink.OnAnswer(func(op string) { h.crashPoint("answer", 400) })
		lc := pipeline.LaneConfig{
			Sink: h.lanes[i], Target: sink, Guarantee: d.Kind().Guarantee(), Start: pipeline.Start{At: laneStart(i)},
			Batch: pipeline.BatchPolicy{MaxEvents: 5}, Buffer: 12, OnReject: pipeline.RejectQuarantine,
		}
		if wanted := wantedBy(d.Kind()); wanted != nil {
			lc.Filter = func(e *pipeline.Event) bool { return wanted(e.ID) }
		}
		sc.Lanes = append(sc.Lanes, lc)
	}
	return pipeline.Config{
		Sources: []pipeline.SourceConfig{sc}, Store: store, Quarantine: h.aside, PollInterval: 30 * time.Second, Recent: h.recent,
		SweepInterval: 10 * time.Minute, Overlap: h.overlap,
	}
}

// life lives one process: steps of it, or, in a calm world, until nothing is left
// to do. It reports whether it was killed.
func (h *history) life(steps int, drain bool) (killed bool, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case crash:
			killed = true
		default:
			panic(r)
		}
	}()
	ctx := context.Background()
	f, err := pipeline.NewLife(h.config(crashStore{h.store, h}, func(int) bool { return true }), pipeline.Clock{
		Now: func() time.Time { return h.now.Add(h.skew) },
		Sleep: func(d time.Duration) {
			h.now = h.now.Add(d)
			h.tick()
			h.crashPoint("sleep", 3000)
		},
	}, 3, 8, 15*time.Minute)
	if err != nil {
		return false, err
	}
	f.OnEvent = h.cov.Add
	f.TapeEvents = 4 + h.dice.Roll("tape", 40)
	f.OnAttempt = func(lane string, a pipeline.Attempt) { h.attempt(lane, a) }
	if len(h.doubtful) > 0 {
		h.cov.AddN("in doubt at start", len(h.doubtful))
	}
	if err := f.Begin(ctx); isFull(err) {
		return true, nil // ended before it began
	} else if err != nil {
		return false, err
	}
	if *simTrace >= 0 {
		fmt.Printf("%s life overlap %s skew %s:%s\n", h.now.Format("15:04:05"), h.overlap, h.skew, f.Lanes[*simTrace].Progress())
	}
	h.claimed = h.prefix
	for n, idle := 0, 0; n < steps || drain && idle < 12; n++ {
		if n > 3000 {
			return false, fmt.Errorf("the world never comes to rest: %s", f.Describe())
		}
		h.tick()
		// Before the source has answered, the time since the start is taken from a
		// clock that only runs forward, which this one does not have.
		if f.Contact() && h.dice.Chance("clock.jump", 200) {
			h.jump()
		}
		busy, err := h.step(ctx, f, drain)
		if err != nil {
			return false, err
		}
		if busy {
			idle = 0
		} else {
			idle++
		}
	}
	for _, l := range f.Lanes {
		if err := l.Conserved(); err != nil {
			return false, err
		}
	}
	return false, nil
}

func (h *history) jump() {
	h.skew = []time.Duration{0, 2 * time.Hour, -2 * time.Hour, 7 * time.Second}[h.dice.Roll("clock.skew", 4)]
	h.cov.Add("clock jumped")
}

func (h *history) attempt(lane string, a pipeline.Attempt) {
	switch {
	case a.Resolved && a.Outcome == pipeline.OutcomeCommitted:
		h.cov.Add("resolved as committed")
	case a.Resolved && a.Outcome == pipeline.OutcomeAbsent:
		h.cov.Add("resolved as absent")
	case a.Resolved:
		h.cov.Add("resolved as unknown")
	}
	if a.Resolved && a.Delivered {
		h.cov.Add("redelivered")
	}
	if a.Doubt && a.Delivered && !a.Settled {
		h.cov.Add("in doubt live")
	}
}

// step lets every part of the process do something, or not.
func (h *history) step(ctx context.Context, f *pipeline.Life, drain bool) (busy bool, err error) {
	for i, l := range f.Lanes {
		if l.Queued() >= 10 {
			busy = true
			continue
		}
		took, err := l.Take(ctx, drain || h.dice.Chance("lane.begin", 2))
		if i == *simTrace && took {
			fmt.Printf("%s take queued %s\n", h.now.Format("15:04:05"), l.Queue())
		}
		if err != nil {
			return busy, err
		}
		busy = busy || took || !l.Following()
	}
	if h.dice.Chance("discover", 10) || drain {
		if err := f.Discover(ctx); err != nil {
			return busy, err
		}
	}
	for _, s := range f.Streams() {
		if h.dice.Chance("poll", 3) {
			h.cov.Add("recent walk")
			f.Poll(ctx, s)
		}
		if h.dice.Chance("sweep", 2) {
			if f.Sweep(ctx, s, h.dice.Chance("sweep.begin", 4)) {
				h.cov.Add("deep walk")
				if !drain {
					h.deepLive++
				}
			}
		}
	}
	for range h.dice.Roll("pump", 4) {
		f.Pump()
	}
	for i, l := range f.Lanes {
		if l.Queued() > 0 || !l.Settled() || h.dice.Chance("lane.stride", 10) {
			busy = busy || l.Queued() > 0 || !l.Settled()
			if !drain && !h.dice.Chance("lane.deliver", 3) {
				continue
			}
			err := l.Deliver(ctx, h.dice.Roll("lane.batch", 6))
			if i == *simTrace {
				fmt.Printf("%s deliver%s: %v\n", h.now.Format("15:04:05"), l.Progress(), err)
			}
			if err != nil {
				if isFull(err) {
					return busy, nil // the life of the lane ends; the process goes on without it
				}
				return busy, err
			}
		}
	}
	return busy || f.Waiting() > 0, nil
}

func isFull(err error) bool { return err != nil && !pipeline.IsPermanent(err) && errorsIsNone(err) }

func errorsIsNone(err error) bool {
	for _, e := range []error{pipeline.ErrFenced, pipeline.ErrForeignEpoch, pipeline.ErrHistoryLost, pipeline.ErrInDoubt, pipeline.ErrCorrupt} {
		if errors.Is(err, e) {
			return false
		}
	}
	return true
}

// restore begins a life from an old backup: destinations that know better must refuse it.
func (h *history) restore() (err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(crash); !ok {
				panic(r)
			}
		}
	}()
	old := h.backup.Snapshot()
	for i, d := range h.dests {
		if !d.Kind().Claims() || d.Kind() == pipelinetest.Objects && h.claimed != h.prefix {
			continue
		}
		then, err := old.Load(context.Background(), "model/"+h.lanes[i], simStart)
		if err != nil {
			return err
		}
		today, err := h.store.Load(context.Background(), "model/"+h.lanes[i], simStart)
		if err != nil {
			return err
		}
		last := today.Next // of the batches that are surely there
		if today.Prepared != nil {
			last--
		}
		if then.Epoch != today.Epoch || last <= then.Next {
			continue
		}
		sink := d.Open("model/"+h.lanes[i], func(string) pipelinetest.Fate { return pipelinetest.FatePass })
		if err := sink.Claim(context.Background(), then, false); !errors.Is(err, pipeline.ErrForeignEpoch) {
			return fmt.Errorf("%s: a checkpoint at batch %d was accepted although the destination is at %d: %v", h.lanes[i], then.Next, last, err)
		}
		h.cov.Add("old checkpoint refused")
	}
	return nil
}

func (h *history) run() error {
	grant := h.dice.Roll("grant", 10)
	overlaps := []time.Duration{maxLate, maxLate, 15 * time.Minute, 24 * time.Minute}
	for i := range 12 {
		was := h.overlap
		h.overlap = overlaps[h.dice.Roll("overlap", len(overlaps))]
		if i > 0 && h.overlap > was {
			h.cov.Add("overlap raised between lives")
		}
		h.recent = 2 * time.Minute
		if h.dice.Chance("recent.long", 4) {
			h.recent = 20 * time.Minute // longer than some overlaps
		}
		if i >= grant {
			h.world.Grant()
		}
		if i > 0 && h.dice.Chance("life.refused", 4) {
			h.world.Refuse(15 * time.Minute)
		}
		if h.dice.Chance("life.jump", 3) {
			h.jump()
		}
		if h.backup != nil && h.dice.Chance("restore", 4) {
			if err := h.restore(); err != nil {
				return err
			}
		}
		if h.dice.Chance("prefix", 4) {
			h.prefix++
			h.dests[0].SetPrefix(fmt.Sprintf("p%d", h.prefix))
			if h.doubtful["model/"+h.lanes[0]] {
				h.cov.Add("configuration changed while in doubt")
			}
		}
		if h.dice.Chance("backup", 3) {
			h.backup = h.store.Snapshot()
		}
		if _, err := h.life(60, false); err != nil {
			return fmt.Errorf("life %d: %w", i, err)
		}
	}
	return h.end()
}

// end lets everything come to rest and compares.
func (h *history) end() error {
	h.calm = true
	h.world.Calm()
	for _, d := range h.dests {
		for d.Late() > 0 {
			d.Release(0)
		}
	}
	h.now = h.now.Add(1000 * time.Minute)
	if _, err := h.life(0, true); err != nil {
		return fmt.Errorf("last life: %w", err)
	}
	h.cov.Add("histories")
	h.cov.AddN("entries", len(h.world.Entries()))
	h.cov.AddN("in quarantine at the end", h.aside.size())
	if h.deepLive >= 2 {
		h.cov.Add("histories with two live deep walks")
	}
	for i, d := range h.dests {
		if v := d.Violations(); len(v) > 0 {
			return fmt.Errorf("%s: %v", h.lanes[i], v)
		}
		if err := checkDestination(h.world, d, h.aside, laneStart(i)); err != nil {
			return fmt.Errorf("%s: %w\n%s", h.lanes[i], err, h.copies(d))
		}
	}
	return nil
}

// copies says which batches hold what is there more than once.
func (h *history) copies(d *pipelinetest.Destination) (out string) {
	n := d.Contents()
	for _, a := range d.Batches() {
		for _, id := range a.Events {
			if n[id] > 1 {
				out += fmt.Sprintf("%s in %s at %q\n", id, a.ID, a.Place)
			}
		}
	}
	return out
}

// TestModelWorld lives many histories with the product's own ledger, reader and
// settler. It fails if anything is lost or repeated, and if the world was too kind
// to prove anything.
func TestModelWorld(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	cov := sim.NewCoverage()
	var next atomic.Uint64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for !t.Failed() {
				n := next.Add(1) - 1
				if n >= uint64(*simSeeds) {
					return
				}
				seed := *simFirst + n
				if err := newHistory(seed, cov).run(); err != nil {
					t.Errorf("seed %d: %v", seed, err)
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	t.Logf("\n%s", cov)
	if *simSeeds < 100 {
		return // a few histories are lived to look at them
	}
	if missing := cov.Missing("in doubt at start", "in doubt live", "resolved as committed", "resolved as absent", "resolved as unknown", "redelivered",
		"detached", "shared walk at the start", "seat at the shared walk lost", "short catch-up", "long catch-up", "late arrival", "future-dated", "killed", "stream switched on", "stream refused for a while",
		"overlap raised between lives", "clock jumped", "configuration changed while in doubt", "old checkpoint refused", "deep walk", "recent walk",
		"entry in both streams", "late by all that the overlap allows", "in quarantine at the end"); len(missing) > 0 {
		t.Errorf("never happened: %v", missing)
	}
	if got, want := cov.Of("histories with two live deep walks"), cov.Of("histories"); got*100 < want*95 {
		t.Errorf("only %d of %d histories had two complete live deep walks", got, want)
	}
}
