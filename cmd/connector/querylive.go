package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint"
	"auditlog-connector/sinks"
	"auditlog-connector/sinks/sqlite"
	"auditlog-connector/sources"
)

// liveSink is the name of the sink that fetches for a query.
const liveSink = "live"

// queryLive fetches what the sources of the configuration have since then, by an
// export that keeps nothing, and runs text over it.
func (a *app) queryLive(ctx context.Context, file string, since time.Duration, text, output string) (err error) {
	s, err := a.loadSources(file)
	if err != nil {
		return err
	}
	memory, err := sqlite.OpenMemory(ctx)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	defer func() { err = errors.Join(err, memory.Close()) }()
	if err := a.fetch(ctx, s, a.now().Add(-since), memory); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	return a.printRows(ctx, memory.DB(), text, output)
}

// loadSources reads the configuration for its sources alone: their keys have to be
// readable, and what may be wrong with the rest does not matter.
func (a *app) loadSources(file string) (*settings, error) {
	s, err := a.load(file, true)
	var ce *configError
	if !errors.As(err, &ce) {
		return s, err
	}
	relevant := slices.DeleteFunc(slices.Clone(ce.problems), func(p strictyaml.Problem) bool {
		return slices.ContainsFunc([]string{"sinks", "http", "checkpoint"}, func(block string) bool { return within(p.Path, block) })
	})
	if strictyaml.HasErrors(relevant) {
		return s, usage(&configError{ce.name, relevant})
	}
	return s, nil
}

// fetch reads all sources from start on into memory.
func (a *app) fetch(ctx context.Context, s *settings, start time.Time, memory *sqlite.Memory) (err error) {
	terminal := isTerminal(a.stderr)
	line := &statusLine{w: a.stderr}
	log := a.logger(logConfig{Level: "warn", Format: s.file.Log.Format}, line, terminal)
	var opened closers
	defer func() { err = errors.Join(err, opened.close()) }()
	cfg := pipeline.Config{
		PollInterval: s.file.Pipeline.PollInterval, Recent: s.file.Pipeline.Recent, SweepInterval: s.file.Pipeline.SweepInterval,
		Overlap: s.file.Pipeline.Overlap, Once: true, Logger: log, Store: checkpoint.NewMemory(), Quarantine: discarded{},
	}
	for _, c := range s.sources {
		src, err := c.Open(ctx, sources.Env{Source: c.name, Logger: log, Now: a.now})
		if err != nil {
			return fmt.Errorf("open source %s: %w", c.name, err)
		}
		opened.add("source "+c.name, src)
		target := memory.Sink(sinks.Env{Source: c.name, Sink: liveSink, Lane: c.name + "/" + liveSink, Logger: slog.New(slog.DiscardHandler)})
		opened.add("lane "+c.name+"/"+liveSink, target)
		cfg.Sources = append(cfg.Sources, pipeline.SourceConfig{
			Name: c.name, Source: src, Concurrency: c.Concurrency(),
			Lanes: []pipeline.LaneConfig{{
				Sink: liveSink, Target: target, Guarantee: pipeline.ExactlyOnce, Start: pipeline.Start{At: start},
				Batch: sqlite.Type.Batch(), Buffer: defaultBuffer,
			}},
		})
	}
	p, err := pipeline.New(cfg)
	if err != nil {
		return err
	}
	stopProgress := func() {}
	if terminal {
		stopProgress = showProgress(ctx, line, true, p.Status, a.now)
	}
	err = p.Run(ctx)
	stopProgress()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// discarded is a quarantine for what is thrown away anyway.
type discarded struct{}

func (discarded) Put(context.Context, pipeline.Manifest, []pipeline.Record, map[int]error) error {
	return nil
}

func (discarded) SetAside(context.Context, string, pipeline.Aside) error { return nil }
