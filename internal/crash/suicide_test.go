//go:build unix

package crash

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"

	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint"
	"auditlog-connector/sinks"
	"auditlog-connector/sinks/file"
	"auditlog-connector/sinks/sqlite"
	"auditlog-connector/sources"
	"auditlog-connector/sources/openai"
)

// suicideEnv makes this program an exporter that kills itself: "site when n".
const suicideEnv = "CRASH_TEST_SUICIDE"

// Where a child kills itself.
const (
	siteStore = "store" // a write of the checkpoint
	siteSink  = "sink"  // a claim or a delivery
)

// trap kills this process at the n-th call of a site.
type trap struct {
	site, when string
	at         int64
	calls      atomic.Int64
}

// around runs f, and the trap where it is set.
func (t *trap) around(site string, f func() error) error {
	if site != t.site {
		return f()
	}
	n := t.calls.Add(1)
	if n == t.at && t.when == "before" {
		die()
	}
	err := f()
	if n == t.at && t.when == "after" {
		die()
	}
	return err
}

// die ends this process as nothing else does: no defer, no flush, no answer.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// trappedStore writes a checkpoint with traps around every write.
type trappedStore struct {
	pipeline.Store
	trap *trap
}

func (s *trappedStore) Load(ctx context.Context, lane string, start time.Time) (cp pipeline.Checkpoint, err error) {
	err = s.trap.around(siteStore, func() error {
		cp, err = s.Store.Load(ctx, lane, start)
		return err
	})
	return cp, err
}

func (s *trappedStore) Advance(ctx context.Context, lane string, done bool, next *pipeline.Manifest) error {
	return s.trap.around(siteStore, func() error { return s.Store.Advance(ctx, lane, done, next) })
}

// fullSink is what both sinks of the tests are.
type fullSink interface {
	pipeline.Sink
	pipeline.Claimer
	pipeline.Placer
}

// trappedSink delivers with traps around every write.
type trappedSink struct {
	fullSink
	trap *trap
}

func (s *trappedSink) Claim(ctx context.Context, cp pipeline.Checkpoint, takeover bool) error {
	return s.trap.around(siteSink, func() error { return s.fullSink.Claim(ctx, cp, takeover) })
}

func (s *trappedSink) Deliver(ctx context.Context, b pipeline.Batch) error {
	return s.trap.around(siteSink, func() error { return s.fullSink.Deliver(ctx, b) })
}

// plan is the part of a world's configuration that a child needs.
type plan struct {
	Sources []struct {
		Name   string
		Config yaml.Node
	}
	Checkpoint struct{ Path string }
	Sinks      []struct {
		Name, Type string
		Batch      struct {
			MaxEvents int `yaml:"max_events"`
		}
		Start  time.Time
		Config yaml.Node
	}
}

// suicide exports as the program does with --once, from the same configuration and
// the same parts, and dies where at says; or it prints how many calls there were.
func suicide(at, configuration string) (err error) {
	t := &trap{}
	if _, err := fmt.Sscan(at, &t.site, &t.when, &t.at); err != nil {
		return err
	}
	text, err := os.ReadFile(configuration)
	if err != nil {
		return err
	}
	var p plan
	if err := yaml.Unmarshal(text, &p); err != nil {
		return err
	}
	cfg, closers, err := p.open(t)
	defer func() {
		for _, c := range closers {
			err = errors.Join(err, c())
		}
	}()
	if err != nil {
		return err
	}
	run, err := pipeline.New(cfg)
	if err != nil {
		return err
	}
	if err := run.Run(context.Background()); err != nil {
		return err
	}
	fmt.Printf("calls %d\n", t.calls.Load())
	return nil
}

// open opens what p names, with traps.
func (p *plan) open(t *trap) (cfg pipeline.Config, closers []func() error, err error) {
	ctx, log := context.Background(), slog.New(slog.NewJSONHandler(os.Stderr, nil))
	x := &strictyaml.Expander{Deferred: true}
	from := p.Sources[0]
	configured, problems := openai.Type.Decode(&from.Config, "", x)
	if strictyaml.HasErrors(problems) {
		return cfg, nil, fmt.Errorf("source: %v", problems)
	}
	src, err := configured.Open(ctx, sources.Env{Source: from.Name, Logger: log})
	if err != nil {
		return cfg, nil, err
	}
	closers = append(closers, src.Close)
	store, err := checkpoint.Open(p.Checkpoint.Path)
	if err != nil {
		return cfg, closers, err
	}
	closers = append(closers, store.Close)
	sc := pipeline.SourceConfig{Name: from.Name, Source: src, Concurrency: configured.Concurrency()}
	for _, s := range p.Sinks {
		typ, ok := sinks.NewRegistry(file.Type, sqlite.Type).Lookup(s.Type)
		if !ok {
			return cfg, closers, fmt.Errorf("sink %s: unknown type %s", s.Name, s.Type)
		}
		configured, problems := typ.Decode(&s.Config, "", x)
		if strictyaml.HasErrors(problems) {
			return cfg, closers, fmt.Errorf("sink %s: %v", s.Name, problems)
		}
		target, err := configured.Open(ctx, sinks.Env{Source: from.Name, Sink: s.Name, Lane: from.Name + "/" + s.Name, Logger: log})
		if err != nil {
			return cfg, closers, err
		}
		closers = append(closers, target.Close)
		batch := configured.Batch()
		batch.MaxEvents = s.Batch.MaxEvents
		sc.Lanes = append(sc.Lanes, pipeline.LaneConfig{
			Sink: s.Name, Target: &trappedSink{target.(fullSink), t}, Guarantee: pipeline.ExactlyOnce, Start: pipeline.Start{At: s.Start}, Batch: batch, Buffer: 10000,
		})
	}
	return pipeline.Config{
		Sources: []pipeline.SourceConfig{sc}, Store: &trappedStore{store, t},
		Quarantine:   checkpoint.NewQuarantine(filepath.Join(filepath.Dir(p.Checkpoint.Path), "quarantine")),
		PollInterval: time.Second, Recent: 10 * time.Minute, SweepInterval: time.Second, Overlap: 24 * time.Hour,
		DrainTimeout: 25 * time.Second, Once: true, Logger: log,
	}, closers, nil
}
