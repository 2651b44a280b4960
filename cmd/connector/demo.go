package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint"
)

// demoOptions are the flags of the demo.
type demoOptions struct {
	events    int
	dir       string
	faultRate float64
	keep      bool
}

func (a *app) demoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Shows the whole thing: a simulated API, an export, a SIGKILL, a comparison",
		Long: `demo needs nothing but this program. It serves an invented organization's audit
log, with ties, late arrivals, both streams and API errors; it exports that log
with a child process into a SQLite database and a JSON Lines file, kills the
child with SIGKILL while a batch is prepared, and starts it again. Then it
compares both destinations with the log, event by event.

It exits with 1 if an event is lost or repeated, or if nothing was in doubt when
the child was killed. The destinations stay in the folder, for "connector query".`,
		Example: `  connector demo
  connector demo --events 100000 --fault-rate 0.2 --dir ./demo --keep`,
		Args: cobra.NoArgs,
		RunE: a.verb(func(ctx context.Context, _ []string) error {
			if o.events < 1 {
				return usage(fmt.Errorf("--events %d: want at least 1", o.events))
			}
			return a.demo(ctx, o)
		}),
	}
	f := cmd.Flags()
	f.IntVar(&o.events, "events", 10_000, "events in the log")
	f.StringVar(&o.dir, "dir", "", "folder to write to; must be empty or new (default: a new one for temporary files)")
	f.Float64Var(&o.faultRate, "fault-rate", 0.05, "share of API requests that fail")
	f.BoolVar(&o.keep, "keep", false, "keep the configuration, the checkpoint and the child's log as well")
	_ = cmd.MarkFlagDirname("dir")
	return cmd
}

const (
	// demoAttempts is how often the child is killed until a batch is in doubt.
	demoAttempts = 12
	// demoPatience is how long the destinations may stand still before the demo
	// gives up.
	demoPatience = 90 * time.Second
	// demoLate is how long after the start the last event becomes visible.
	demoLate = 8 * time.Second
)

// demoRun is one demo under way.
type demoRun struct {
	*app
	demoOptions
	sim      *openaisim.Server
	url      string
	progress *statusLine // nil: not a terminal
	began    time.Time
	lines    lineCounter
	inDoubt  int
	kills    int
	took     time.Duration // until the destinations held what was visible at the beginning
}

func (a *app) demo(ctx context.Context, o demoOptions) (err error) {
	d := &demoRun{app: a, demoOptions: o}
	if isTerminal(a.stderr) {
		d.progress = &statusLine{w: a.stderr}
	}
	if d.dir, err = demoFolder(o.dir); err != nil {
		return usage(err)
	}
	d.sim, err = openaisim.New(openaisim.Config{
		Seed: 1, Events: o.events, Backfill: 0.5, BackfillAge: 12 * time.Hour, BackfillWithin: demoLate,
		Future: 0.001, OddTimes: 0.002, Faults: openaisim.Faults{ErrorRate: o.faultRate},
	})
	if err != nil {
		return usage(err)
	}
	addr, stop, err := d.sim.Start("127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("start simulator: %w", err)
	}
	defer stop()
	d.url = "http://" + addr + "/v1"
	if err := os.WriteFile(d.path("connector.yaml"), []byte(demoConfig(d.dir)), 0o600); err != nil {
		return err
	}
	d.began = a.now()
	err = errors.Join(d.export(ctx), ctx.Err())
	d.draw("")
	if err != nil {
		return fmt.Errorf("%w (see %s)", err, d.path("connector.log"))
	}
	return d.report(ctx)
}

// demoFolder makes the folder, or refuses one that holds something.
func demoFolder(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "connector-demo-")
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return "", fmt.Errorf("--dir %s: the folder is not empty; the demo writes to a new one", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return filepath.Abs(dir)
}

// demoConfig is the child's configuration: an ordinary one, in a hurry.
func demoConfig(dir string) string {
	return fmt.Sprintf(`sources:
  - name: demo
    type: openai
    config:
      admin_key: ${env:OPENAI_ADMIN_KEY}
      base_url: ${env:OPENAI_BASE_URL}
      requests_per_second: 500
      concurrency: 8
pipeline:
  poll_interval: 1s
  sweep_interval: 2s
checkpoint:
  path: %[1]q
http:
  listen: ""
log:
  format: json
sinks:
  - name: sqlite
    type: sqlite
    start: earliest
    batch: { max_events: 200 }
    config:
      path: %[2]q
  - name: file
    type: file
    start: earliest
    batch: { max_events: 200 }
    config:
      path: %[3]q
`, filepath.Join(dir, "checkpoint.db"), filepath.Join(dir, "audit.db"), filepath.Join(dir, "audit.jsonl"))
}

func (d *demoRun) path(name string) string { return filepath.Join(d.dir, name) }

// export runs the child, kills it while a batch is prepared, and lets another one
// finish.
func (d *demoRun) export(ctx context.Context) error {
	for ; d.inDoubt == 0 && d.kills < demoAttempts; d.kills++ {
		child, err := d.start()
		if err != nil {
			return err
		}
		// Later each time, so that the last one does not find everything delivered.
		goal := d.events * (d.kills + 1) / (demoAttempts + 2)
		if err := d.watch(ctx, child, goal); err != nil {
			return errors.Join(err, child.kill())
		}
		if err := child.kill(); err != nil {
			return err
		}
		if d.inDoubt, err = d.prepared(ctx); err != nil {
			return err
		}
	}
	child, err := d.start()
	if err != nil {
		return err
	}
	defer func() { _ = child.kill() }() // it may have ended
	visible := len(d.visible(d.began))
	if err := d.watch(ctx, child, visible); err != nil {
		return err
	}
	d.took = d.now().Sub(d.began)
	if err := d.watch(ctx, child, len(d.visible(d.began.Add(demoLate+time.Minute)))); err != nil {
		return err
	}
	return child.stop()
}

// visible returns the events of the log that some listing shows by then.
func (d *demoRun) visible(by time.Time) map[string]openaisim.Event {
	events := make(map[string]openaisim.Event)
	for e := range d.sim.Events() {
		for _, stream := range e.Streams() {
			if from, _ := e.VisibleFrom(stream); !from.After(by) {
				events[e.ID] = e
			}
		}
	}
	return events
}

// prepared counts the lanes that have a batch in doubt, in the checkpoint that the
// dead child left.
func (d *demoRun) prepared(ctx context.Context) (int, error) {
	store, err := checkpoint.Open(d.path("checkpoint.db"))
	if err != nil {
		return 0, err
	}
	defer store.Close()
	n := 0
	for _, lane := range []string{"demo/sqlite", "demo/file"} {
		cp, err := store.Load(ctx, lane, pipeline.Earliest)
		if err != nil {
			return 0, err
		}
		if cp.Prepared != nil {
			n++
		}
	}
	return n, nil
}

// watch waits until both destinations hold goal events.
func (d *demoRun) watch(ctx context.Context, child *demoChild, goal int) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	last, moved := -1, d.now()
	for {
		n, err := d.held(ctx)
		switch {
		case err != nil:
			return err
		case n >= goal:
			return nil
		case n > last:
			last, moved = n, d.now()
		case d.now().Sub(moved) > demoPatience:
			return fmt.Errorf("the destinations have stood at %d of %d events for %s", n, goal, demoPatience)
		}
		d.draw(fmt.Sprintf("%s of %s events, %s since the start, %s", grouped(uint64(n)), grouped(uint64(d.events)),
			d.now().Sub(d.began).Round(100*time.Millisecond), killedText(d.kills)))
		select {
		case <-tick.C:
		case <-child.ended:
			return fmt.Errorf("the exporter ended by itself: %w", child.err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func killedText(kills int) string {
	switch kills {
	case 0:
		return "not killed yet"
	case 1:
		return "killed once"
	}
	return fmt.Sprintf("killed %d times", kills)
}

func (d *demoRun) draw(text string) {
	if d.progress != nil {
		d.progress.draw(text)
	}
}
