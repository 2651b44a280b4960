package checkpoint

import (
	"fmt"
	"math"
	"time"

	"auditlog-connector/pipeline"
)

// blockInfo is what a lane remembers of one block to know when it can go.
type blockInfo struct {
	seq     uint64
	newest  int64 // seconds since 1970
	members int
}

func infoOf(seq uint64, members []pipeline.Position) blockInfo {
	b := blockInfo{seq: seq, newest: math.MinInt64, members: len(members)}
	for _, p := range members {
		b.newest = max(b.newest, p.Time.Unix())
	}
	return b
}

// blockIndex lists a lane's blocks, to find those that can go without reading them.
type blockIndex struct {
	blocks []blockInfo // by sequence number
	oldest int64       // no block's newest member is older
}

func (x *blockIndex) add(b blockInfo) {
	if len(x.blocks) == 0 || b.newest < x.oldest {
		x.oldest = b.newest
	}
	x.blocks = append(x.blocks, b)
}

// below returns the blocks whose newest member is older than limit, but never
// the one that h has in doubt.
func (x *blockIndex) below(floor time.Time, h *header) []blockInfo {
	limit := floor.Unix()
	if len(x.blocks) == 0 || x.oldest >= limit {
		return nil
	}
	var gone []blockInfo
	for _, b := range x.blocks {
		if b.newest < limit && !h.isPrepared(b.seq) {
			gone = append(gone, b)
		}
	}
	return gone
}

// remove takes gone, which is in order, out of the index.
func (x *blockIndex) remove(gone []blockInfo) {
	if len(gone) == 0 {
		return
	}
	kept := x.blocks[:0]
	x.oldest = math.MaxInt64
	for _, b := range x.blocks {
		if len(gone) > 0 && gone[0].seq == b.seq {
			gone = gone[1:]
			continue
		}
		x.oldest = min(x.oldest, b.newest)
		kept = append(kept, b)
	}
	x.blocks = kept
}

// step is what one call changes in a lane.
type step struct {
	header header
	put    *blockInfo // a block to write, of members
	drop   []blockInfo

	members []pipeline.Position
}

// plan works out one Advance. It changes nothing.
func plan(lane string, h *header, x *blockIndex, done bool, next *pipeline.Manifest) (step, error) {
	nh, err := h.advance(lane, done, next)
	if err != nil {
		return step{}, err
	}
	s := step{header: nh}
	s.drop = x.below(nh.floor(), &nh)
	for _, b := range s.drop {
		s.header.blocks.remove(b.seq, b.members)
	}
	if next != nil && len(next.Members) > 0 {
		b := infoOf(next.ID.Seq, next.Members)
		s.put, s.members = &b, next.Members
		s.header.blocks.add(b.seq, b.members)
	}
	return s, nil
}

// apply makes the index what it is after s.
func (x *blockIndex) apply(s step) {
	x.remove(s.drop)
	if s.put != nil {
		x.add(*s.put)
	}
}

// appendAbove appends the members that lie at or above floor.
func appendAbove(dst, members []pipeline.Position, floor time.Time) []pipeline.Position {
	for _, p := range members {
		if !p.Time.Before(floor) {
			dst = append(dst, p)
		}
	}
	return dst
}

// drop works out how the prepared batch is given up. Its number stays used: a
// batch ID never names other members (invariant 2).
func drop(lane string, h *header, x *blockIndex) (step, error) {
	if h.prepared == nil {
		return step{}, fmt.Errorf("resolve %s: nothing is prepared", lane)
	}
	s := step{header: *h}
	s.header.generation++
	s.header.prepared = nil
	for _, b := range x.blocks {
		if h.isPrepared(b.seq) {
			s.drop = append(s.drop, b)
			s.header.blocks.remove(b.seq, b.members)
		}
	}
	return s, nil
}
