package pipeline

import (
	"context"
	"fmt"
	"time"
)

// job is one step of the worker: a write to the checkpoint, then a delivery.
type job struct {
	done     bool      // record the settled batch as delivered
	next     *Batch    // prepare and deliver it; may be nil
	progress *Manifest // or record progress without members; may be nil
}

// event is what the worker tells the loop.
type event struct {
	recorded *job          // the checkpoint holds it
	settled  bool          // the job's batch is settled
	rejected map[int]error // of the settled batch
	err      error         // the lane cannot go on in this life
}

// advance writes one step to the checkpoint. It is not interrupted: once Deliver has
// answered nil, that is recorded.
func (l *lane) advance(ctx context.Context, done bool, next *Manifest) error {
	began := l.clock.now()
	err := l.store.Advance(context.WithoutCancel(ctx), l.name, done, next)
	l.metric.checkpoint.WithLabelValues(l.name).Observe(l.clock.now().Sub(began).Seconds())
	if err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	return nil
}

// commit takes over that m is recorded as delivered.
func (l *lane) commit(m Manifest, rejected int) {
	l.in.led.commit(m)
	l.counts.settle(len(m.Members), rejected)
	now, freshness := l.chain.reader.now(), l.metric.freshness.WithLabelValues(l.name)
	var newest time.Time
	for _, p := range m.Members {
		freshness.Observe(max(now.Sub(p.Time).Seconds(), 0))
		if p.Time.After(newest) {
			newest = p.Time
		}
	}
	l.view.delivered(now, newest)
	l.view.committed(l.in.led)
}

// dispatch gives the worker its next step, if there is one.
func (l *lane) dispatch(hard context.Context, stopping bool) {
	if l.busy {
		return
	}
	j := job{done: l.settled != nil}
	if !stopping {
		now := l.clock.now()
		flush := l.once && l.walk == nil
		if n := l.in.ready(l.policy, now, flush); n > 0 {
			b := l.in.cut(n)
			l.cfg.redact(b.Records)
			if p, ok := l.cfg.Target.(Placer); ok {
				b.Place = p.Place(b.Manifest)
			}
			j.next = &b
		} else if flush || now.Sub(l.lastClaim) >= strideEvery {
			if m, ok := l.in.led.stride(); ok {
				j.progress = &m
			}
			l.lastClaim = now
		}
	}
	if !j.done && j.next == nil && j.progress == nil {
		return
	}
	l.busy = true
	go l.work(hard, j)
}

// work writes one step to the checkpoint and delivers the batch it prepared.
func (l *lane) work(hard context.Context, j job) {
	next := j.progress
	if j.next != nil {
		next = &j.next.Manifest
		l.beginTrace(j.next, false)
	}
	// Invariant 1: no byte of the batch leaves before its manifest is durable.
	if err := l.advance(hard, j.done, next); err != nil {
		l.endTrace(err)
		l.events <- event{err: err}
		return
	}
	l.events <- event{recorded: &j}
	if j.next == nil {
		return
	}
	began := l.clock.now()
	rejected, err := l.settle.settle(hard, *j.next, false)
	l.metric.latency.WithLabelValues(l.name).Observe(l.clock.now().Sub(began).Seconds())
	l.endTrace(err)
	l.events <- event{settled: true, rejected: rejected, err: err}
}

// handle takes in what the worker tells.
func (l *lane) handle(e event) error {
	if e.err != nil {
		l.busy = false
		return e.err
	}
	if e.settled {
		l.busy = false
		m := l.prepared.Manifest // on its own: the records may go
		l.settled, l.rejected, l.prepared = &m, len(e.rejected), nil
		return nil
	}
	j := e.recorded
	if j.done {
		l.commit(*l.settled, l.rejected)
		l.settled = nil
	}
	if j.progress != nil {
		l.in.led.commit(*j.progress)
		l.view.committed(l.in.led)
	}
	if j.next == nil {
		l.busy = false
		return nil
	}
	l.in.led.prepare(j.next.Manifest)
	l.prepared = j.next
	l.view.delivering(j.next.Manifest)
	return nil
}
