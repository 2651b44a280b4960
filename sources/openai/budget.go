package openai

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// errClosed: the source was closed while a request waited for its turn.
var errClosed = errors.New("the source is closed")

// catchUp is how much of its past a budget may make up for, so that coarse timers
// do not lower the rate.
const catchUp = 100 * time.Millisecond

// budget spaces requests out. Urgent ones go first; a pause holds up all. Nothing
// runs while nobody waits.
type budget struct {
	interval time.Duration

	mu     sync.Mutex
	next   time.Time // when the next request may leave
	urgent []*turn
	normal []*turn
	timer  *time.Timer
	closed bool
	taken  uint64 // requests that were let go
}

// turn is a request that waits.
type turn struct {
	granted chan struct{} // closed when it may go
	err     error         // or why it may not; set before
}

func newBudget(perSecond float64) *budget {
	return &budget{interval: time.Duration(float64(time.Second) / perSecond)}
}

// wait returns when the caller may send one request, or with ctx's error.
func (b *budget) wait(ctx context.Context, urgent bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return errClosed
	}
	now := time.Now()
	if len(b.urgent)+len(b.normal) == 0 && !now.Before(b.next) {
		b.take(now)
		b.mu.Unlock()
		return nil
	}
	t := &turn{granted: make(chan struct{})}
	queue := b.queue(urgent)
	*queue = append(*queue, t)
	b.arm(now)
	b.mu.Unlock()

	select {
	case <-t.granted:
		return t.err
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(*queue, t); i >= 0 {
		*queue = slices.Delete(*queue, i, i+1)
	}
	return ctx.Err()
}

func (b *budget) queue(urgent bool) *[]*turn {
	if urgent {
		return &b.urgent
	}
	return &b.normal
}

// take counts one request. b.mu is held.
func (b *budget) take(now time.Time) {
	if earliest := now.Add(-catchUp); b.next.Before(earliest) {
		b.next = earliest
	}
	b.next = b.next.Add(b.interval)
	b.taken++
}

// arm sees to it that release is called when the next request may leave. b.mu is held.
func (b *budget) arm(now time.Time) {
	if len(b.urgent)+len(b.normal) == 0 {
		return
	}
	d := max(b.next.Sub(now), 0)
	if b.timer == nil {
		b.timer = time.AfterFunc(d, b.release)
	} else {
		b.timer.Reset(d)
	}
}

// release lets go whoever may, urgent ones first.
func (b *budget) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for len(b.urgent)+len(b.normal) > 0 && !now.Before(b.next) {
		queue := b.queue(len(b.urgent) > 0)
		close((*queue)[0].granted)
		*queue = slices.Delete(*queue, 0, 1)
		b.take(now)
	}
	b.arm(now)
}

// pause holds every request up for d from now on.
func (b *budget) pause(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if until := now.Add(d); until.After(b.next) {
		b.next = until
	}
	b.arm(now)
}

// close fails those who wait, and whoever comes.
func (b *budget) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.timer != nil {
		b.timer.Stop()
	}
	for _, t := range slices.Concat(b.urgent, b.normal) {
		t.err = errClosed
		close(t.granted)
	}
	b.urgent, b.normal = nil, nil
}
