package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Pipeline exports the logs of its sources to their sinks. Make one with [New].
type Pipeline struct {
	cfg    Config
	chains []*chain
	lanes  []*lane
	metric *metrics
}

// New makes a pipeline and registers its metrics. It returns an error if cfg
// cannot work; nothing is contacted.
func New(cfg Config) (*Pipeline, error) { return build(cfg, wallClock) }

func build(cfg Config, clk clock) (*Pipeline, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Store == nil {
		return nil, errors.New("pipeline: no checkpoint store")
	}
	p := &Pipeline{cfg: cfg, metric: newMetrics()}
	names := make(map[string]bool)
	for _, sc := range cfg.Sources {
		c := &chain{
			name: sc.Name, source: sc.Source, fanout: newFanout(), clock: clk, metric: p.metric,
			log: cfg.Logger.With("source", sc.Name),
			cfg: chainConfig{
				poll: cfg.PollInterval, recent: cfg.Recent, sweep: cfg.SweepInterval, drain: cfg.DrainTimeout, once: cfg.Once,
				concurrency: max(sc.Concurrency, 1),
				// Event times are whole seconds, and so is every bound of a walk.
				overlap: (cfg.Overlap + time.Second - 1).Truncate(time.Second),
			},
		}
		c.streams = newStreams(c.log)
		p.metric.addSource(sc.Name)
		c.reader = &reader{
			name: sc.Name, source: sc.Source, clock: clk, log: c.log, limits: defaultLimits,
			metric: &sourceMetrics{name: sc.Name, m: p.metric}, aside: c.setAside(cfg.Quarantine), tracer: cfg.Tracer,
		}
		for _, lc := range sc.Lanes {
			l := newLane(sc.Name+"/"+lc.Sink, lc, c, cfg)
			if names[l.name] {
				return nil, fmt.Errorf("pipeline: lane %s is there twice", l.name)
			}
			if lc.OnReject == RejectQuarantine && cfg.Quarantine == nil {
				return nil, fmt.Errorf("pipeline: lane %s quarantines rejected records, and there is no quarantine", l.name)
			}
			names[l.name] = true
			p.metric.addLane(l.name)
			c.lanes, p.lanes = append(c.lanes, l), append(p.lanes, l)
		}
		p.chains = append(p.chains, c)
	}
	if cfg.Registerer != nil {
		if err := p.metric.register(cfg.Registerer, &stateCollector{p}); err != nil {
			return nil, fmt.Errorf("pipeline: register metrics: %w", err)
		}
	}
	return p, nil
}

func newLane(name string, lc LaneConfig, c *chain, cfg Config) *lane {
	l := &lane{
		name: name, cfg: lc, chain: c, store: cfg.Store, clock: c.clock, once: cfg.Once, counts: &laneCounts{}, repairs: make(chan repair),
		metric: c.metric, log: cfg.Logger.With("lane", name), policy: lc.Batch, tracer: cfg.Tracer,
	}
	l.policy.MaxEvents = max(l.policy.MaxEvents, 1)
	if l.policy.MaxBytes <= 0 {
		l.policy.MaxBytes = 1 << 40
	}
	l.settle = settler{
		sink: lc.Target, clock: c.clock, quarantine: cfg.Quarantine, onReject: lc.OnReject, inDoubt: lc.InDoubt,
		once: cfg.Once, report: l.attempted,
	}
	l.settle.rebuild = func(ctx context.Context, m Manifest) ([]Record, error) {
		records, err := c.rebuild(ctx, m)
		lc.redact(records)
		return records, err
	}
	return l
}

// attempted takes in how an attempt at a batch went: logged once per change of
// state, counted always.
func (l *lane) attempted(a settling) {
	changed, class := l.view.attempted(a), l.metric.attempt(l.name, a)
	log := l.traceAttempt(a, class)
	if a.err == nil {
		if changed {
			log.Info("batch settled", "how", class)
		}
		return
	}
	if changed {
		log.Warn("batch not settled", "class", class, "err", a.err)
	}
}

// setAside returns what the reader does with entries that are kept out.
func (c *chain) setAside(q Quarantine) func(context.Context, Aside) error {
	var mu sync.Mutex
	done := make(map[string]bool) // by ID, of this process
	return func(ctx context.Context, a Aside) error {
		mu.Lock()
		defer mu.Unlock()
		if done[a.ID] {
			return nil
		}
		if q == nil {
			return errors.New("there is no quarantine")
		}
		if err := q.SetAside(ctx, c.name, a); err != nil {
			return err
		}
		c.metric.setAside.WithLabelValues(c.name).Inc()
		c.log.Warn("entry set aside", "event_id", a.ID, "reason", a.Reason)
		done[a.ID] = true
		return nil
	}
}

// Run exports until ctx is done, or, with Once, until every lane has delivered what
// was visible when it began. It is called once.
//
// When ctx is done, reading stops, batches that are prepared are finished within
// DrainTimeout, the rest is dropped (it will be read again), and Run returns nil.
// Without Once a lane that needs an operator is halted and the others go on; Status
// says why. With Once, Run returns the errors of such lanes, each with lane and batch.
func (p *Pipeline) Run(ctx context.Context) error {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	drain := context.AfterFunc(ctx, func() {
		p.cfg.Logger.Info("stopping", "drain_timeout", p.cfg.DrainTimeout)
		t := time.AfterFunc(p.cfg.DrainTimeout, cancel)
		context.AfterFunc(hard, func() { t.Stop() })
	})
	defer drain()
	errs := make([]error, len(p.chains))
	var wg sync.WaitGroup
	for i, c := range p.chains {
		c.reader.began = c.clock.now() // before any lane attaches
		wg.Go(func() { errs[i] = c.run(ctx, hard) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Repair ends the present life of a lane, halted or not, calls do while nothing
// touches the lane's checkpoint, and begins a new life from what the checkpoint
// holds then. It returns do's error, or an error if there is no such lane, ctx is
// done. A batch that is being delivered is given DrainTimeout to finish. A pipeline
// that does not run answers when ctx is done.
func (p *Pipeline) Repair(ctx context.Context, lane string, do func() error) error {
	for _, l := range p.lanes {
		if l.name != lane {
			continue
		}
		done := make(chan error, 1)
		select {
		case l.repairs <- repair{do, done}:
		case <-ctx.Done():
			return fmt.Errorf("repair lane %s: %w", lane, ctx.Err())
		}
		return <-done
	}
	return fmt.Errorf("repair lane %s: there is no such lane", lane)
}

// Status describes the pipeline now. It may be called at any time.
func (p *Pipeline) Status() Status {
	var st Status
	for _, c := range p.chains {
		st.Sources = append(st.Sources, c.status())
	}
	for _, l := range p.lanes {
		st.Lanes = append(st.Lanes, l.status())
	}
	return st
}

// Ready reports whether every lane has recovered, none is halted, and the sources
// have not failed for good.
func (p *Pipeline) Ready() bool {
	for _, c := range p.chains {
		if c.status().State == "refused" {
			return false
		}
	}
	for _, l := range p.lanes {
		if st := l.status(); st.State == stateHalted || !st.Recovered {
			return false
		}
	}
	return true
}

// status sums up the source's streams: the source fails when all of them do.
func (c *chain) status() SourceStatus {
	st := SourceStatus{Name: c.name, State: "starting", Streams: c.streams.status(), LastEvent: timePtr(c.streams.lastEvent())}
	rank := []string{"ok", "starting", "failing", "refused"} // the best of the streams
	for _, state := range rank {
		for _, s := range st.Streams {
			if s.State == state {
				st.State = state
				if state != "refused" && c.reader.throttled() {
					st.State = "throttled"
				}
				return st
			}
		}
	}
	return st
}
