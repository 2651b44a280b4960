package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"auditlog-connector/pipeline"
)

// ErrNoLane is returned for a lane that the checkpoint does not know.
var ErrNoLane = errors.New("no such lane in the checkpoint")

// Memory is a [pipeline.Store] that lasts as long as the value: for tests, and
// for what is thrown away. It goes through the same steps as [File]. Close keeps
// the lanes, so that the next life can load them.
//
// It starts no goroutine and never waits, and may be used inside a bubble of
// testing/synctest.
type Memory struct {
	mint func() string

	mu    sync.Mutex
	lanes map[string]*memoryLane
}

type memoryLane struct {
	header header
	index  blockIndex
	blocks map[uint64][]pipeline.Position // never modified once stored
}

// NewMemory returns an empty store.
func NewMemory(opts ...Option) *Memory {
	return &Memory{mint: newOptions(opts).mint, lanes: make(map[string]*memoryLane)}
}

// Load implements [pipeline.Store].
func (m *Memory) Load(ctx context.Context, lane string, start time.Time) (pipeline.Checkpoint, error) {
	if err := ctx.Err(); err != nil {
		return pipeline.Checkpoint{}, err
	}
	if lane == "" {
		return pipeline.Checkpoint{}, errors.New("load checkpoint: a lane without a name")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.lanes[lane]
	if !ok {
		l = &memoryLane{header: newHeader(m.mint(), start), blocks: make(map[uint64][]pipeline.Position)}
		m.lanes[lane] = l
	}
	return l.checkpoint(lane), nil
}

// Advance implements [pipeline.Store].
func (m *Memory) Advance(_ context.Context, lane string, done bool, next *pipeline.Manifest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.lanes[lane]
	if !ok {
		return fmt.Errorf("checkpoint: lane %s was not loaded", lane)
	}
	s, err := plan(lane, &l.header, &l.index, done, next)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	l.apply(s)
	return nil
}

// Close implements [pipeline.Store].
func (m *Memory) Close() error { return nil }

// Lanes is like [File.Lanes].
func (m *Memory) Lanes() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.lanes)), nil
}

// Inspect is like [File.Inspect].
func (m *Memory) Inspect(lane string) (pipeline.Checkpoint, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.lanes[lane]
	if !ok {
		return pipeline.Checkpoint{}, fmt.Errorf("read lane %s: %w", lane, ErrNoLane)
	}
	return l.checkpoint(lane), nil
}

// Reset is like [File.Reset].
func (m *Memory) Reset(lane string, start time.Time, takeover bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := newHeader(m.mint(), start)
	h.takeover = takeover
	m.lanes[lane] = &memoryLane{header: h, blocks: make(map[uint64][]pipeline.Position)}
	return nil
}

// Resolve is like [File.Resolve].
func (m *Memory) Resolve(lane string, committed bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.lanes[lane]
	if !ok {
		return fmt.Errorf("read lane %s: %w", lane, ErrNoLane)
	}
	work := plan
	if !committed {
		work = func(lane string, h *header, x *blockIndex, _ bool, _ *pipeline.Manifest) (step, error) {
			return drop(lane, h, x)
		}
	}
	s, err := work(lane, &l.header, &l.index, true, nil)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	l.apply(s)
	return nil
}

// Snapshot returns a copy of m as it is now, as a backup would be.
func (m *Memory) Snapshot() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &Memory{mint: m.mint, lanes: make(map[string]*memoryLane, len(m.lanes))}
	for name, l := range m.lanes {
		c.lanes[name] = l.clone()
	}
	return c
}

// Restore makes m what backup was, which stays as it is.
func (m *Memory) Restore(backup *Memory) {
	lanes := backup.Snapshot().lanes
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lanes = lanes
}

func (l *memoryLane) clone() *memoryLane {
	c := *l
	c.index.blocks = slices.Clone(l.index.blocks)
	c.blocks = maps.Clone(l.blocks)
	return &c // a header's maps are replaced, never modified
}

func (l *memoryLane) apply(s step) {
	for _, b := range s.drop {
		delete(l.blocks, b.seq)
	}
	if s.put != nil {
		members := make([]pipeline.Position, len(s.members))
		for i, p := range s.members {
			members[i] = pipeline.Position{Time: utc(p.Time), ID: p.ID}
		}
		l.blocks[s.put.seq] = members
	}
	l.header = s.header
	l.index.apply(s)
}

func (l *memoryLane) checkpoint(lane string) pipeline.Checkpoint {
	var prepared, delivered []pipeline.Position
	floor := l.header.floor()
	for _, b := range l.index.blocks {
		if l.header.isPrepared(b.seq) {
			prepared = slices.Clone(l.blocks[b.seq])
			continue
		}
		delivered = appendAbove(delivered, l.blocks[b.seq], floor)
	}
	cp := l.header.checkpoint(lane, prepared)
	cp.Delivered = delivered
	return cp
}
