package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"auditlog-connector/internal/tracing"
	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint"
	"auditlog-connector/sinks"
	"auditlog-connector/sources"
)

func (a *app) runCommand() *cobra.Command {
	var file string
	var once bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Exports until it is stopped",
		Long: `run reads the sources of the configuration and delivers to its sinks. It goes on
where it left off, whatever ended it, and stops in good order on SIGTERM or
SIGINT; a second signal ends it at once, which loses nothing.

With --once it ends when every lane has delivered all that was visible when it
began. Exit code 3 means that a lane needs an operator.`,
		Example: `  OPENAI_ADMIN_KEY=sk-admin-… connector run
  connector run --config connector.yaml
  connector run --config connector.yaml --once --log-level warn`,
		Args: cobra.NoArgs,
		RunE: a.verb(func(ctx context.Context, _ []string) error {
			s, err := a.load(file, true)
			if err != nil {
				if s != nil {
					printWarnings(a.stderr, s.name, s.problems)
				}
				return err
			}
			return a.export(ctx, s, once)
		}),
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&once, "once", false, "end when everything visible now is delivered")
	return cmd
}

// export opens what s names, runs the pipeline until ctx is done or, with once,
// everything is delivered, and closes it all.
func (a *app) export(ctx context.Context, s *settings, once bool) (err error) {
	terminal := isTerminal(a.stderr)
	line := &statusLine{w: a.stderr}
	trouble := newRecentTrouble(a.now)
	log := trouble.watch(a.logger(s.file.Log, line, terminal))
	for _, p := range s.problems {
		log.Warn("configuration warning", "file", s.name, "line", p.Line, "path", p.Path, "problem", p.Message, "hint", p.Hint)
	}
	var opened closers
	defer func() { err = errors.Join(err, opened.close()) }()
	traces := tracing.Start(a.lookupEnv, programVersion().Version, log)
	if traces != nil {
		opened.add("traces", traces) // first, so that the end of all else is not delayed
	}

	metrics := newMetricRegistry()
	registerDisk(metrics, s.file.Checkpoint.Path)
	cfg, store, err := a.open(ctx, s, &opened, metrics, log)
	if err != nil {
		if once {
			return &exitError{onceCode(err), err}
		}
		return err
	}
	// Behind the checkpoint: a second process is told of the lock, not of the address.
	endpoint, err := listenHTTP(s, once, log)
	if err != nil {
		return err
	}
	opened.add("http.listen", endpoint)
	cfg.Once = once
	cfg.Registerer = metrics
	if traces != nil {
		cfg.Tracer = traces
	}
	p, err := pipeline.New(cfg)
	if err != nil {
		return err
	}
	log.Info("started", "version", programVersion().Version, "config", s.name, "lanes", len(s.lanes), "once", once)
	endpoint.serve(s, p.Status, metrics, trouble, log)
	stopDump := dumpOnSignal(log, p.Status)
	defer stopDump()
	stopControl := serveControl(ctx, s.file.Checkpoint.Path, a.runningDesk(s, p, cfg, store, log), log)
	stopProgress := func() {}
	if terminal {
		stopProgress = showProgress(ctx, line, once, p.Status, a.now)
	}
	err = p.Run(ctx)
	stopProgress()
	stopControl()
	a.logEnd(ctx, log, p.Status())
	if err != nil && once {
		return &exitError{onceCode(err), hinted(err, p.Status())}
	}
	return err
}

// logEnd says what was done.
func (a *app) logEnd(ctx context.Context, log *slog.Logger, st pipeline.Status) {
	for _, l := range st.Lanes {
		log.Info("lane ended", "lane", l.Lane, "state", l.State, "delivered", l.Delivered, "duplicate", l.Duplicate,
			"filtered", l.Filtered, "quarantined", l.Quarantined, "late_lost", l.LateLost)
	}
	if ctx.Err() != nil {
		log.Info("stopped", "why", context.Cause(ctx).Error())
		return
	}
	log.Info("finished")
}

// hinted adds what an operator can do about the lanes that stopped.
func hinted(err error, st pipeline.Status) error {
	for _, l := range st.Lanes {
		if l.Hint != "" {
			err = fmt.Errorf("%w\n%s: %s", err, l.Lane, l.Hint)
		}
	}
	return err
}

// closers closes what was opened, last first.
type closers []struct {
	what string
	io.Closer
}

func (c *closers) add(what string, closer io.Closer) {
	*c = append(*c, struct {
		what string
		io.Closer
	}{what, closer})
}

func (c *closers) close() error {
	var errs []error
	for i := len(*c) - 1; i >= 0; i-- {
		if err := (*c)[i].Close(); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", (*c)[i].what, err))
		}
	}
	*c = nil
	return errors.Join(errs...)
}

// open opens sources, checkpoint and sinks. What it opened is in opened, also if
// it fails.
func (a *app) open(ctx context.Context, s *settings, opened *closers, metrics prometheus.Registerer, log *slog.Logger) (pipeline.Config, *checkpoint.File, error) {
	p := s.file.Pipeline
	cfg := pipeline.Config{
		PollInterval: p.PollInterval, Recent: p.Recent, SweepInterval: p.SweepInterval,
		Overlap: p.Overlap, DrainTimeout: p.DrainTimeout, Logger: log,
	}
	for _, c := range s.sources {
		if !s.feeds(c.name) {
			continue
		}
		src, err := c.Open(ctx, sources.Env{
			Source: c.name, Logger: log, Now: a.now, Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"source": c.name}, metrics),
		})
		if err != nil {
			return cfg, nil, fmt.Errorf("open source %s: %w", c.name, err)
		}
		opened.add("source "+c.name, src)
		cfg.Sources = append(cfg.Sources, pipeline.SourceConfig{Name: c.name, Source: src, Concurrency: c.Concurrency()})
	}
	path := s.file.Checkpoint.Path
	store, err := checkpoint.Open(path)
	if err != nil {
		return cfg, nil, fmt.Errorf("open %w", err)
	}
	opened.add("checkpoint "+path, store)
	quarantine := s.quarantine()
	cfg.Store, cfg.Quarantine = checkpoint.WithQuarantine(store, quarantine), quarantine
	for i := range cfg.Sources {
		src := &cfg.Sources[i]
		for _, l := range s.lanes {
			if l.source != src.Name {
				continue
			}
			lane, err := a.openLane(ctx, l, opened, metrics, log)
			if err != nil {
				return cfg, nil, err
			}
			src.Lanes = append(src.Lanes, lane)
		}
	}
	return cfg, store, nil
}

// feeds reports whether source is in any lane.
func (s *settings) feeds(source string) bool {
	for _, l := range s.lanes {
		if l.source == source {
			return true
		}
	}
	return false
}

func (a *app) openLane(ctx context.Context, l laneSettings, opened *closers, metrics prometheus.Registerer, log *slog.Logger) (pipeline.LaneConfig, error) {
	guarantee, _ := l.configured.Guarantee()
	redactor, err := l.redactor()
	if err != nil {
		return pipeline.LaneConfig{}, fmt.Errorf("open lane %s: %w", l.name(), err)
	}
	target, err := l.configured.Open(ctx, sinks.Env{
		Source: l.source, Sink: l.sink.Name, Lane: l.name(), Logger: log,
		Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"lane": l.name()}, metrics),
	})
	if err != nil {
		return pipeline.LaneConfig{}, fmt.Errorf("open lane %s: %w", l.name(), err)
	}
	opened.add("lane "+l.name(), target)
	return pipeline.LaneConfig{
		Sink: l.sink.Name, Kind: l.sink.Type, Target: target, Guarantee: guarantee, Start: l.sink.Start.Start, Filter: l.sink.Filter.compile(), Redact: redactor,
		Batch: l.batch, Buffer: l.sink.buffer(),
		OnReject: pipeline.RejectPolicy(l.sink.OnReject), InDoubt: pipeline.DoubtPolicy(l.sink.InDoubt),
	}, nil
}
