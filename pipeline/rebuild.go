package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// rebuildReads is how often all streams are read for a member that is missing
// before it is given up: an entry that is still returned may be hidden once.
const rebuildReads = 3

// rebuildWait is how long to wait before that.
const rebuildWait = 10 * time.Second

// rebuild reads the members of m from the source again: only the spans that hold
// some, from every stream, through the same pure stages. Invariant 2: exactly the
// members, whatever else the source returns by now.
//
// It returns [ErrHistoryLost] if a member is not returned any more, and another
// error if a stream that may hold it cannot be read.
func (c *chain) rebuild(ctx context.Context, m Manifest) ([]Record, error) {
	times := make([]time.Time, len(m.Members))
	for i, p := range m.Members {
		times[i] = p.Time
	}
	slices.SortFunc(times, time.Time.Compare)
	found := make(map[string]Raw, len(m.Members))
	members := make(map[string]time.Time, len(m.Members))
	for _, p := range m.Members {
		members[p.ID] = p.Time
	}
	for range rebuildReads {
		known, _ := c.streams.known()
		var failed error
		for _, stream := range known {
			if err := c.find(ctx, stream, times, members, found); err != nil {
				failed = fmt.Errorf("stream %s: %w", stream, err)
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
		raws := make([]Raw, 0, len(m.Members))
		missing := 0
		for _, p := range m.Members {
			if r, ok := found[p.ID]; ok {
				raws = append(raws, r)
			} else {
				missing++
			}
		}
		switch {
		case missing == 0:
			return toRecords(c.source, raws), nil
		case failed != nil:
			return nil, failed
		}
		if err := c.clock.sleep(ctx, rebuildWait); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: %s has %d members, %d of them are returned", ErrHistoryLost, m.ID, len(m.Members), len(found))
}

// find reads the part of stream that holds members with these times, ascending, and
// notes the members it has. The first stream that has a member gives its body. A
// batch lies together as a rule; where much else lies between its members, it is
// read in two parts, without the longest silence between them.
func (c *chain) find(ctx context.Context, stream string, times []time.Time, members map[string]time.Time, found map[string]Raw) error {
	s := span{from: times[0], to: times[len(times)-1].Add(time.Second)}
	raws, _, err := c.reader.read(ctx, stream, s, readOptions{kind: kindRebuild})
	var dense *denseError
	if errors.As(err, &dense) {
		i := longestGap(times)
		if err := c.find(ctx, stream, times[:i], members, found); err != nil {
			return err
		}
		return c.find(ctx, stream, times[i:], members, found)
	}
	if err != nil {
		return err
	}
	for _, r := range raws {
		t, ok := members[r.ID]
		if _, dup := found[r.ID]; ok && !dup && t.Equal(r.Time) {
			found[r.ID] = r
		}
	}
	return nil
}

// longestGap returns the index behind the longest gap between ascending times that
// are not all the same second. Seconds next to one another are no gap: they are
// parted in the middle.
func longestGap(times []time.Time) int {
	at, longest := 0, time.Second
	for i := 1; i < len(times); i++ {
		if d := times[i].Sub(times[i-1]); d > longest {
			at, longest = i, d
		}
	}
	if at > 0 {
		return at
	}
	middle := times[0].Add(times[len(times)-1].Sub(times[0]) / 2)
	at, _ = slices.BinarySearchFunc(times, middle, time.Time.Compare)
	return at
}
