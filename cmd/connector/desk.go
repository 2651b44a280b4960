package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint"
	"auditlog-connector/sinks"
	"auditlog-connector/sources"
)

// desk does what an operator asks, in the process that has the checkpoint: the
// connector itself, or the operator's command if none is running.
type desk struct {
	store      *checkpoint.File
	quarantine *checkpoint.Quarantine
	settings   *settings

	// running describes the pipeline; nil: none is running.
	running func() pipeline.Status
	// repair calls do while nothing else touches the lane.
	repair func(ctx context.Context, lane string, do func() error) error
	// source and sink return those of a configured lane, open.
	source func(ctx context.Context, l laneSettings) (pipeline.Source, error)
	sink   func(ctx context.Context, l laneSettings) (pipeline.Sink, error)
	now    func() time.Time
	log    *slog.Logger
	opened closers // by the desk
}

// stoppedDesk works on what a stopped connector left; it takes store over.
func (a *app) stoppedDesk(s *settings, store *checkpoint.File) *desk {
	log := a.logger(s.file.Log, a.stderr, isTerminal(a.stderr))
	d := &desk{store: store, quarantine: s.quarantine(), settings: s, now: a.now, log: slog.New(slog.DiscardHandler)}
	d.opened.add("checkpoint "+s.file.Checkpoint.Path, store)
	d.repair = func(_ context.Context, _ string, do func() error) error { return do() }
	d.source = func(ctx context.Context, l laneSettings) (pipeline.Source, error) {
		for _, c := range s.sources {
			if c.name == l.source {
				src, err := c.Open(ctx, sources.Env{Source: c.name, Logger: log, Now: a.now})
				if err != nil {
					return nil, fmt.Errorf("open source %s: %w", c.name, err)
				}
				d.opened.add("source "+c.name, src)
				return src, nil
			}
		}
		return nil, fmt.Errorf("lane %s: there is no source %s", l.name(), l.source)
	}
	d.sink = func(ctx context.Context, l laneSettings) (pipeline.Sink, error) {
		sink, err := l.configured.Open(ctx, sinks.Env{Source: l.source, Sink: l.sink.Name, Lane: l.name(), Logger: log})
		if err != nil {
			return nil, fmt.Errorf("open lane %s: %w", l.name(), err)
		}
		d.opened.add("lane "+l.name(), sink)
		return sink, nil
	}
	return d
}

// repairWait is how long a lane that runs may take to notice an operator. One
// whose source was never reached does not.
const repairWait = 30 * time.Second

// runningDesk works on the lanes of p, which has the parts of cfg.
func (a *app) runningDesk(s *settings, p *pipeline.Pipeline, cfg pipeline.Config, store *checkpoint.File, log *slog.Logger) *desk {
	d := &desk{store: store, quarantine: s.quarantine(), settings: s, running: p.Status, now: a.now, log: log}
	lane := func(l laneSettings) (*pipeline.SourceConfig, *pipeline.LaneConfig) {
		for i := range cfg.Sources {
			for j := range cfg.Sources[i].Lanes {
				if cfg.Sources[i].Name+"/"+cfg.Sources[i].Lanes[j].Sink == l.name() {
					return &cfg.Sources[i], &cfg.Sources[i].Lanes[j]
				}
			}
		}
		return nil, nil
	}
	d.source = func(_ context.Context, l laneSettings) (pipeline.Source, error) {
		src, _ := lane(l)
		return src.Source, nil
	}
	d.sink = func(_ context.Context, l laneSettings) (pipeline.Sink, error) {
		_, target := lane(l)
		return target.Target, nil
	}
	d.repair = func(ctx context.Context, name string, do func() error) error {
		if _, ok := s.lane(name); !ok {
			return do() // it is in the checkpoint only, and nobody uses it
		}
		waiting, cancel := context.WithTimeout(ctx, repairWait)
		defer cancel()
		err := p.Repair(waiting, name, do)
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return fmt.Errorf("lane %s has not begun, because its source was not reached yet; stop the connector and repeat the command", name)
		}
		return err
	}
	return d
}

// quarantine returns the quarantine beside the checkpoint.
func (s *settings) quarantine() *checkpoint.Quarantine {
	return checkpoint.NewQuarantine(filepath.Join(filepath.Dir(s.file.Checkpoint.Path), "quarantine"))
}

// lane returns the configured lane of that name.
func (s *settings) lane(name string) (laneSettings, bool) {
	for _, l := range s.lanes {
		if l.name() == name {
			return l, true
		}
	}
	return laneSettings{}, false
}

// Close implements [operator].
func (d *desk) Close() error { return d.opened.close() }

// lanes returns the lanes of the checkpoint, and with configured those of the
// configuration as well.
func (d *desk) lanes(configured bool) ([]string, error) {
	lanes, err := d.store.Lanes()
	if err != nil {
		return nil, err
	}
	if configured {
		for _, l := range d.settings.lanes {
			lanes = append(lanes, l.name())
		}
		slices.Sort(lanes)
		lanes = slices.Compact(lanes)
	}
	return lanes, nil
}

// known makes sure that there is such a lane.
func (d *desk) known(lane string, configured bool) error {
	lanes, err := d.lanes(configured)
	if err != nil {
		return err
	}
	if !slices.Contains(lanes, lane) {
		return unknownLane(lane, lanes)
	}
	return nil
}

func (d *desk) checkpoints(_ context.Context, q laneQuestion) ([]laneCheckpoint, error) {
	lanes, err := d.lanes(false)
	if err != nil {
		return nil, err
	}
	if q.Lane != "" {
		if !slices.Contains(lanes, q.Lane) {
			return nil, unknownLane(q.Lane, lanes)
		}
		lanes = []string{q.Lane}
	}
	all := make([]laneCheckpoint, 0, len(lanes))
	for _, lane := range lanes {
		all = append(all, d.inspect(lane))
	}
	return all, nil
}

// inspect describes a lane's checkpoint; one that cannot be read says so.
func (d *desk) inspect(lane string) laneCheckpoint {
	cp, err := d.store.Inspect(lane)
	if err != nil {
		return laneCheckpoint{Lane: lane, Streams: map[string]streamProgress{}, Error: err.Error()}
	}
	return describeCheckpoint(lane, cp)
}

func (d *desk) resolve(ctx context.Context, q resolveQuestion) (laneCheckpoint, error) {
	if err := d.known(q.Lane, false); err != nil {
		return laneCheckpoint{}, err
	}
	var before pipeline.Checkpoint
	err := d.repair(ctx, q.Lane, func() (err error) {
		if before, err = d.store.Inspect(q.Lane); err != nil {
			return err
		}
		if before.Prepared == nil {
			return fmt.Errorf("lane %s has no batch in doubt: there is nothing to resolve", q.Lane)
		}
		return d.settle(q.Lane, before, q.Committed)
	})
	if err != nil {
		return laneCheckpoint{}, err
	}
	d.log.Warn("operator resolved a batch", "lane", q.Lane, "batch", before.Prepared.ID.String(), "committed", q.Committed)
	return describeCheckpoint(q.Lane, before), nil
}

// settle records what is known of the lane's prepared batch.
func (d *desk) settle(lane string, cp pipeline.Checkpoint, committed bool) error {
	if !committed {
		if err := d.quarantine.DropRetry(lane, cp.Prepared.ID.Seq); err != nil {
			return err
		}
	}
	if err := d.store.Resolve(lane, committed); err != nil {
		return err
	}
	return d.tidy(context.Background(), lane)
}

// tidy brings the quarantine up to date with the lane's checkpoint.
func (d *desk) tidy(ctx context.Context, lane string) error {
	_, err := checkpoint.WithQuarantine(d.store, d.quarantine).Load(ctx, lane, time.Time{})
	return err
}

func (d *desk) reset(ctx context.Context, q resetQuestion) (laneCheckpoint, error) {
	if err := d.known(q.Lane, true); err != nil {
		return laneCheckpoint{}, err
	}
	start, err := d.start(ctx, q)
	if err != nil {
		return laneCheckpoint{}, err
	}
	err = d.repair(ctx, q.Lane, func() error {
		if err := d.store.Reset(q.Lane, start, q.Takeover); err != nil {
			return err
		}
		return d.tidy(context.Background(), q.Lane)
	})
	if err != nil {
		return laneCheckpoint{}, err
	}
	d.log.Warn("operator reset the lane", "lane", q.Lane, "start", start, "takeover", q.Takeover)
	return d.inspect(q.Lane), nil
}

// start returns the time that q means; now is the source's.
func (d *desk) start(ctx context.Context, q resetQuestion) (time.Time, error) {
	var s startTime
	if err := s.UnmarshalScalar(q.Start); err != nil {
		return time.Time{}, usage(fmt.Errorf("start %q: %w (earliest, now, or a time such as 2026-11-01T00:00:00Z)", q.Start, err))
	}
	switch {
	case !s.Now && s.At.IsZero():
		return pipeline.Earliest, nil
	case !s.Now:
		return s.At.Truncate(time.Second), nil
	}
	l, ok := d.settings.lane(q.Lane)
	if !ok {
		return time.Time{}, usage(fmt.Errorf("start now is the source's time, and the configuration has no lane %s; write a time instead", q.Lane))
	}
	src, err := d.source(ctx, l)
	if err != nil {
		return time.Time{}, err
	}
	now, err := sourceTime(ctx, src, d.now)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask source %s for its time: %w (write a time instead of now to do without)", l.source, err)
	}
	return now, nil
}

// sourceTime asks a source for its time: a host clock that is wrong must not
// decide where a lane begins.
func sourceTime(ctx context.Context, src pipeline.Source, clock func() time.Time) (time.Time, error) {
	req := pipeline.PageRequest{Since: clock().UTC().Truncate(time.Second), Limit: 1, Urgent: true}
	if s, ok := src.(pipeline.Streamer); ok {
		streams, err := s.Streams(ctx)
		if err != nil {
			return time.Time{}, err
		}
		if len(streams) == 0 {
			return time.Time{}, errors.New("it names no stream")
		}
		req.Stream = streams[0]
	}
	page, err := src.Page(ctx, req)
	switch {
	case err != nil:
		return time.Time{}, err
	case page.Now.IsZero():
		return clock().UTC().Truncate(time.Second), nil
	}
	return page.Now.UTC().Truncate(time.Second), nil
}
