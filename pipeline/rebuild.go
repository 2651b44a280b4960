package pipeline

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// rebuildGap is the longest silence between two members that one read spans.
const rebuildGap = 5 * time.Minute

// rebuildReads is how often all streams are read for a member that is missing
// before it is given up: an entry that is still returned may be hidden once.
const rebuildReads = 3

// rebuild reads the members of m from the source again: only the spans that hold
// some, from every stream, through the same pure stages. Invariant 2: exactly the
// members, whatever else the source returns by now.
//
// It returns [ErrHistoryLost] if a member is not returned any more, and another
// error if a stream that may hold it cannot be read.
func (c *chain) rebuild(ctx context.Context, m Manifest) ([]Record, error) {
	spans := memberSpans(m.Members)
	found := make(map[string]Raw, len(m.Members))
	for range rebuildReads {
		known, _ := c.streams.known()
		var failed error
		for _, stream := range known {
			if err := c.find(ctx, stream, spans, m, found); err != nil {
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
	}
	return nil, fmt.Errorf("%w: %s has %d members, %d of them are returned", ErrHistoryLost, m.ID, len(m.Members), len(found))
}

// find reads spans of stream and notes the members it has. The first stream that
// has a member gives its body.
func (c *chain) find(ctx context.Context, stream string, spans []span, m Manifest, found map[string]Raw) error {
	members := make(map[string]time.Time, len(m.Members))
	for _, p := range m.Members {
		members[p.ID] = p.Time
	}
	for _, s := range spans {
		raws, _, err := c.reader.read(ctx, stream, s, readOptions{whole: true})
		if err != nil {
			return err
		}
		for _, r := range raws {
			t, ok := members[r.ID]
			if _, dup := found[r.ID]; ok && !dup && t.Equal(r.Time) {
				found[r.ID] = r
			}
		}
	}
	return nil
}

// memberSpans covers the members' seconds by few spans.
func memberSpans(members []Position) []span {
	times := make([]time.Time, len(members))
	for i, p := range members {
		times[i] = p.Time
	}
	slices.SortFunc(times, time.Time.Compare)
	var spans []span
	for _, t := range times {
		end := t.Add(time.Second)
		if n := len(spans); n > 0 && !t.After(spans[n-1].to.Add(rebuildGap)) {
			if end.After(spans[n-1].to) {
				spans[n-1].to = end
			}
			continue
		}
		spans = append(spans, span{from: t, to: end})
	}
	return spans
}
