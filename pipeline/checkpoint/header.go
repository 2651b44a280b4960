package checkpoint

import (
	"fmt"
	"maps"
	"time"

	"auditlog-connector/pipeline"
)

// firstSeq is the sequence number of an epoch's first batch.
const firstSeq = 1

// header is a lane's state without the members of its batches.
type header struct {
	epoch      string
	generation uint64 // steps since the lane was made; resets included
	next       uint64
	last       uint64 // number of the batch recorded as delivered last; 0: none in this epoch
	start      time.Time
	takeover   bool
	streams    map[string]pipeline.Progress
	prepared   *pipeline.Manifest // without its ID's lane and epoch, and without members
	blocks     blockSet
}

// blockSet states which blocks a lane has.
type blockSet struct {
	count   uint64
	members uint64
	sum     uint64 // of mix(seq)
}

func (b *blockSet) add(seq uint64, members int) {
	b.count, b.members, b.sum = b.count+1, b.members+uint64(members), b.sum+mix(seq)
}

func (b *blockSet) remove(seq uint64, members int) {
	b.count, b.members, b.sum = b.count-1, b.members-uint64(members), b.sum-mix(seq)
}

// mix spreads a sequence number over 64 bits, so that no two small sets have one sum.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func newHeader(epoch string, start time.Time) header {
	return header{epoch: epoch, generation: 1, next: firstSeq, start: start.UTC().Round(0), streams: map[string]pipeline.Progress{}}
}

// advance returns the header after one step of the store's Advance, without its
// blocks. An error means that the step does not follow from the header.
func (h header) advance(lane string, done bool, next *pipeline.Manifest) (header, error) {
	h.streams = maps.Clone(h.streams)
	h.generation++
	h.takeover = false
	if done {
		if h.prepared == nil {
			return header{}, fmt.Errorf("advance %s: nothing is prepared that could be done", lane)
		}
		if err := h.apply(lane, h.prepared); err != nil {
			return header{}, err
		}
		h.last, h.prepared = h.prepared.ID.Seq, nil
	}
	if next == nil {
		return h, nil
	}
	if h.prepared != nil {
		return header{}, fmt.Errorf("advance %s: batch %d is prepared and not done", lane, h.prepared.ID.Seq)
	}
	if len(next.Members) == 0 {
		if next.ID.Epoch != "" && next.ID.Epoch != h.epoch {
			return header{}, fmt.Errorf("advance %s: progress is of epoch %s, the lane's is %s", lane, next.ID.Epoch, h.epoch)
		}
		err := h.apply(lane, next)
		return h, err
	}
	switch {
	case next.ID.Lane != lane:
		return header{}, fmt.Errorf("advance %s: the batch is of lane %q", lane, next.ID.Lane)
	case next.ID.Epoch != h.epoch:
		return header{}, fmt.Errorf("advance %s: the batch is of epoch %s, the lane's is %s", lane, next.ID.Epoch, h.epoch)
	case next.ID.Seq != h.next:
		return header{}, fmt.Errorf("advance %s: the batch is number %d, the next is %d", lane, next.ID.Seq, h.next)
	}
	for _, p := range next.Members {
		if p.Time.Nanosecond() != 0 {
			return header{}, fmt.Errorf("advance %s: entry %q: its time %s is not in whole seconds", lane, p.ID, p.Time.Format(time.RFC3339Nano))
		}
	}
	h.prepared = &pipeline.Manifest{
		ID:         pipeline.BatchID{Seq: next.ID.Seq},
		Watermarks: cloneTimes(next.Watermarks),
		Floors:     cloneTimes(next.Floors),
		Joined:     cloneTimes(next.Joined),
		Place:      next.Place,
	}
	h.next++
	return h, nil
}

// apply makes m's maps the lane's progress.
func (h *header) apply(lane string, m *pipeline.Manifest) error {
	for s, t := range m.Watermarks {
		p := h.streams[s]
		p.Watermark = utc(t)
		h.streams[s] = p
	}
	for s, t := range m.Floors {
		p := h.streams[s]
		// What lay below the floor is forgotten, so that it cannot come down again
		// (invariant 6).
		if t.Before(p.Floor) {
			return fmt.Errorf("advance %s: the floor of stream %q would go back from %s to %s",
				lane, s, p.Floor.Format(time.RFC3339Nano), t.UTC().Format(time.RFC3339Nano))
		}
		p.Floor = utc(t)
		h.streams[s] = p
	}
	for s, t := range m.Joined {
		p := h.streams[s]
		p.Joined = utc(t)
		h.streams[s] = p
	}
	return nil
}

// floor returns the lowest floor of the lane's streams: nothing older needs to be
// remembered. It goes back when a stream joins that begins lower: what is delivered
// through that one from now on has to be remembered (invariant 6), and what was
// delivered before and is gone is told by [pipeline.Progress.Joined].
func (h *header) floor() time.Time {
	var low time.Time
	first := true
	for _, p := range h.streams {
		if first || p.Floor.Before(low) {
			low, first = p.Floor, false
		}
	}
	return low
}

// manifest returns what is prepared, or nil.
func (h *header) manifest(lane string, members []pipeline.Position) *pipeline.Manifest {
	if h.prepared == nil {
		return nil
	}
	m := *h.prepared
	m.ID.Lane, m.ID.Epoch = lane, h.epoch
	m.Members = members
	m.Watermarks, m.Floors, m.Joined = cloneTimes(m.Watermarks), cloneTimes(m.Floors), cloneTimes(m.Joined)
	return &m
}

// checkpoint returns the lane's checkpoint without what was delivered.
func (h *header) checkpoint(lane string, prepared []pipeline.Position) pipeline.Checkpoint {
	return pipeline.Checkpoint{
		Epoch:    h.epoch,
		Next:     h.next,
		Last:     h.last,
		Start:    h.start,
		Streams:  maps.Clone(h.streams),
		Prepared: h.manifest(lane, prepared),
		Takeover: h.takeover,
	}
}

// isPrepared reports whether block seq is the one in doubt.
func (h *header) isPrepared(seq uint64) bool { return h.prepared != nil && h.prepared.ID.Seq == seq }

func cloneTimes(m map[string]time.Time) map[string]time.Time {
	if len(m) == 0 {
		return nil
	}
	c := make(map[string]time.Time, len(m))
	for k, t := range m {
		c[k] = utc(t)
	}
	return c
}

// utc drops what a time does not keep on disk: its zone and the monotonic clock.
func utc(t time.Time) time.Time { return t.UTC().Round(0) }
