package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// chainConfig is what all chains share.
type chainConfig struct {
	poll, recent, sweep, overlap, drain time.Duration
	concurrency                         int
	once                                bool
}

// slack is how far below the horizon the head reader may present entries that a
// lane delivered before: a poll reads back this far at most.
func (c chainConfig) slack() time.Duration {
	return c.recent + 2*pollMargin + 2*c.poll
}

// chain is one source with its lanes: head reader, normalize, encode, fan-out.
type chain struct {
	name    string
	cfg     chainConfig
	source  Source
	reader  *reader
	streams *streams
	fanout  *fanout
	lanes   []*lane
	tape    *tape // the walk at the start, if all lanes share one
	clock   clock
	log     *slog.Logger
	metric  *metrics
}

// chainBuffer is how many chunks wait between two stages.
const chainBuffer = 4

// run runs the chain until soft is done; with once, until its lanes are finished.
// It returns the lanes' errors.
func (c *chain) run(soft, hard context.Context) error {
	cps := make([]Checkpoint, len(c.lanes))
	errs := make([]error, len(c.lanes))
	// The checkpoints know streams that the source may not name today; a lane that
	// begins now has to ask the source for its time first.
	for _, now := range []bool{false, true} {
		for i, l := range c.lanes {
			if l.cfg.Start.Now == now {
				l.view.began()
				cps[i], errs[i] = l.load(soft)
			}
		}
		if !now {
			if err := c.discover(soft); err != nil {
				return err
			}
		}
	}
	// Everything attaches before the first walk begins.
	var loaded []*lane
	for i, l := range c.lanes {
		if errs[i] == nil {
			l.ch = l.in.port.attach()
			loaded = append(loaded, l)
		}
	}
	stages, stop := context.WithCancel(soft)
	defer stop()
	g, gctx := errgroup.WithContext(stages)
	for _, t := range c.share(loaded) {
		g.Go(func() error { return t.run(gctx) })
	}
	if !c.cfg.once {
		raws := spawn(gctx, g, c.head, (<-chan struct{})(nil), chainBuffer)
		events := spawn(gctx, g, normalize(c.source, c.reader.metric.unknownType), raws, chainBuffer)
		records := spawn(gctx, g, encode(), events, chainBuffer)
		spawn(gctx, g, c.fanout.run, records, 0)
	}
	var lanes sync.WaitGroup
	halted := make([]error, len(c.lanes))
	for i, l := range c.lanes {
		lanes.Go(func() {
			halted[i] = l.supervise(soft, hard, cps[i], errs[i])
		})
	}
	lanes.Wait()
	stop()
	if err := g.Wait(); err != nil {
		return err
	}
	return errors.Join(halted...)
}

// discover asks the source for its streams until it says, unless some are known
// from the checkpoints.
func (c *chain) discover(ctx context.Context) error {
	retry := newRetrier(c.clock)
	for {
		err := c.streams.discover(ctx, c.source)
		known, _ := c.streams.known()
		switch {
		case err == nil && len(known) > 0, err != nil && len(known) > 0 && !c.cfg.once:
			return nil
		case err == nil:
			err = errors.New("the source names no stream")
		}
		if ctx.Err() != nil {
			return nil
		}
		err = fmt.Errorf("ask source %s for its streams: %w", c.name, err)
		for _, l := range c.lanes {
			l.view.failing(err)
		}
		if c.cfg.once && isRefusal(err) {
			return err
		}
		c.log.Warn("source failed", "err", err)
		if retry.wait(ctx, err) != nil {
			return nil
		}
	}
}

// walk plans a walk that brings records.
func (c *chain) walk(known []string, bounds map[string]bound) *walk {
	w := newWalk(c.reader, known, bounds, c.cfg.concurrency)
	w.options.kind = kindCatchUp
	w.convert = func(raws []Raw) []Record { return toRecords(c.source, raws) }
	return w
}

// rediscover is how often a source is asked for streams that are not known yet.
const rediscover = 5 * time.Minute

// head is the first stage: it walks every stream, each on its own, and emits what is new.
func (c *chain) head(ctx context.Context, _ <-chan struct{}, out chan<- chunk[Raw]) error {
	g, ctx := errgroup.WithContext(ctx)
	running := make(map[string]bool)
	tick := time.NewTicker(rediscover)
	defer tick.Stop()
	for ctx.Err() == nil {
		known, changed := c.streams.known()
		for _, s := range known {
			if !running[s] {
				running[s] = true
				g.Go(func() error { return c.newHead(s).run(ctx, out) })
			}
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-tick.C:
			if err := c.streams.discover(ctx, c.source); err != nil && ctx.Err() == nil {
				c.log.Debug("source does not name its streams", "err", err)
			}
		}
	}
	return g.Wait()
}

// repair is what an operator has done to a lane's checkpoint between two lives.
type repair struct {
	do   func() error
	done chan<- error
}

// supervise runs lives of the lane until soft is done or, with once, everything is
// delivered or the lane is halted. A long run stays up with a halted lane, so that
// an operator can act: a repair ends the present life, and another one begins.
func (l *lane) supervise(soft, hard context.Context, cp Checkpoint, err error) error {
	retry := newRetrier(l.clock)
	var pending *repair
	if err == nil {
		pending, err = l.interruptible(soft, hard, cp)
	}
	for {
		switch {
		case pending != nil:
		case err == nil, soft.Err() != nil && isContext(err):
			return nil
		case l.once:
			l.halted(err)
			return fmt.Errorf("lane %s: %w", l.name, err)
		case l.fatal(err):
			l.halted(err)
			if pending = l.await(soft, nil); pending == nil {
				return nil
			}
		default:
			// The checkpoint could not be written or read for now: a new life
			// begins from what it holds.
			l.view.failing(err)
			l.log.Error("lane failed, starting again", "err", err)
			if pending = l.await(soft, time.After(retry.next(err))); pending == nil && soft.Err() != nil {
				return nil
			}
		}
		if pending != nil {
			pending.done <- pending.do()
			pending = nil
			retry = newRetrier(l.clock)
		}
		l.view.began()
		if cp, err = l.load(soft); err == nil {
			pending, err = l.interruptible(soft, hard, cp)
		}
	}
}

// await waits for a repair until soft is done or the timer fires.
func (l *lane) await(soft context.Context, timer <-chan time.Time) *repair {
	select {
	case r := <-l.repairs:
		return &r
	case <-timer:
	case <-soft.Done():
	}
	return nil
}

// interruptible is a life that a repair may end; it then returns the repair.
func (l *lane) interruptible(soft, hard context.Context, cp Checkpoint) (*repair, error) {
	life, end := context.WithCancel(soft)
	defer end()
	delivery, abandon := context.WithCancel(hard)
	defer abandon()
	done := make(chan error, 1)
	go func() { done <- l.live(life, delivery, cp) }()
	select {
	case err := <-done:
		return nil, err
	case r := <-l.repairs:
		end()
		defer time.AfterFunc(l.chain.cfg.drain, abandon).Stop()
		_ = <-done // it ended because it was told to
		return &r, nil
	}
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// fatal reports whether err needs an operator.
func (l *lane) fatal(err error) bool {
	return l.settle.fatal(err) || errors.Is(err, ErrCorrupt)
}

func (l *lane) halted(err error) {
	l.view.halt(err)
	l.log.Error("lane halted", "err", err, "hint", hintFor(l.name, err))
}

// live is one life of a lane, from its checkpoint on.
func (l *lane) live(soft, hard context.Context, cp Checkpoint) error {
	defer l.end()
	if err := l.recover(soft, hard, cp); err != nil {
		return err
	}
	l.view.set(func(v *laneView) { v.recovered, v.err = true, nil })
	l.view.committed(l.in.led)
	return l.run(soft, hard)
}

// hintFor says what an operator can do about an error that halts a lane.
func hintFor(lane string, err error) string {
	reset := "connector checkpoint reset --lane " + lane + " --start earliest --takeover"
	switch {
	case errors.Is(err, ErrForeignEpoch):
		return "if this checkpoint is the right one: " + reset + "; it says what may be repeated"
	case errors.Is(err, ErrFenced):
		return "another connector delivers here: stop one of them, then restart; or the source or the sink was renamed: undo that, or " + reset
	case errors.Is(err, ErrHistoryLost), errors.Is(err, ErrInDoubt):
		return "look whether the batch is at the destination, then: connector checkpoint resolve --lane " + lane + " --as committed (or --as absent)"
	case errors.Is(err, ErrCorrupt):
		return "restore the checkpoint from a backup, or: " + reset
	}
	var rejected *RejectedError
	if errors.As(err, &rejected) {
		return "the destination refused records for good; set on_reject: quarantine to set them aside and go on"
	}
	return ""
}
