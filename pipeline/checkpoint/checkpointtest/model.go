package checkpointtest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"auditlog-connector/pipeline"
)

// Model is a store without storage: a list of batches, from which those go that lie
// below the lowest floor as a whole. It is what the suite compares with.
type Model struct{ lanes map[string]*modelLane }

type modelLane struct {
	epoch     string
	next      uint64
	last      uint64
	start     time.Time
	streams   map[string]pipeline.Progress
	delivered [][]pipeline.Position
	prepared  *pipeline.Manifest
}

// NewModel returns a model without lanes.
func NewModel() *Model { return &Model{lanes: make(map[string]*modelLane)} }

// Add makes a lane as Load does. The epoch is what the store under test made.
func (m *Model) Add(lane, epoch string, start time.Time) {
	m.lanes[lane] = &modelLane{epoch: epoch, next: 1, start: start, streams: make(map[string]pipeline.Progress)}
}

// Advance does what a store does, without asking whether it may.
func (m *Model) Advance(s Step) {
	l := m.lanes[s.Lane]
	if s.Done {
		l.delivered = append(l.delivered, l.prepared.Members)
		l.progress(l.prepared)
		l.last, l.prepared = l.prepared.ID.Seq, nil
	}
	switch {
	case s.Next == nil:
	case len(s.Next.Members) == 0:
		l.progress(s.Next)
	default:
		l.prepared = s.Next
		l.next++
	}
	l.delivered = slices.DeleteFunc(l.delivered, func(batch []pipeline.Position) bool {
		return !slices.ContainsFunc(batch, func(p pipeline.Position) bool { return !p.Time.Before(l.floor()) })
	})
}

func (l *modelLane) progress(m *pipeline.Manifest) {
	for _, stream := range streams {
		p, known := l.streams[stream]
		for times, field := range map[*map[string]time.Time]*time.Time{&m.Watermarks: &p.Watermark, &m.Floors: &p.Floor, &m.Joined: &p.Joined} {
			if t, ok := (*times)[stream]; ok {
				*field, known = t, true
			}
		}
		if known {
			l.streams[stream] = p
		}
	}
}

func (l *modelLane) floor() time.Time {
	var floors []time.Time
	for _, p := range l.streams {
		floors = append(floors, p.Floor)
	}
	if len(floors) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(floors, time.Time.Compare)
}

// Checkpoint returns what Load has to return for lane.
func (m *Model) Checkpoint(lane string) pipeline.Checkpoint {
	l := m.lanes[lane]
	cp := pipeline.Checkpoint{Epoch: l.epoch, Next: l.next, Last: l.last, Start: l.start, Streams: maps.Clone(l.streams), Prepared: l.prepared}
	for _, batch := range l.delivered {
		for _, p := range batch {
			if !p.Time.Before(l.floor()) {
				cp.Delivered = append(cp.Delivered, p)
			}
		}
	}
	return cp
}

// Clone returns a copy.
func (m *Model) Clone() *Model {
	c := NewModel()
	for name, l := range m.lanes {
		d := *l
		d.streams, d.delivered = maps.Clone(l.streams), slices.Clone(l.delivered)
		c.lanes[name] = &d
	}
	return c
}

// Step is one call of Advance.
type Step struct {
	Lane string
	Done bool
	Next *pipeline.Manifest
}

var (
	streams = []string{"organization", "tenant"}
	origin  = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
)

// Random returns a step of lane that may come next: batches of every size, late
// and early members, floors that rise, streams that join.
func (m *Model) Random(rng *rand.Rand, lane string) Step {
	l := m.lanes[lane]
	s := Step{Lane: lane, Done: l.prepared != nil}
	if s.Done && rng.IntN(4) == 0 {
		return s
	}
	floors := maps.Clone(l.streams)
	if s.Done {
		after := m.Clone()
		after.Advance(Step{Lane: lane, Done: true})
		floors = after.lanes[lane].streams
	}
	next := &pipeline.Manifest{ID: pipeline.BatchID{Lane: lane, Epoch: l.epoch, Seq: l.next}}
	next.Watermarks, next.Floors = make(map[string]time.Time), make(map[string]time.Time)
	for _, stream := range streams {
		p, known := floors[stream]
		if !known && stream != streams[0] && rng.IntN(8) > 0 {
			continue
		}
		if !known && stream != streams[0] {
			next.Joined = map[string]time.Time{stream: origin.Add(time.Duration(rng.Int64N(int64(time.Hour))))}
		}
		floor := p.Floor
		if floor.IsZero() {
			floor = origin
		}
		next.Floors[stream] = floor.Add(time.Duration(rng.IntN(20)) * time.Second)
		next.Watermarks[stream] = next.Floors[stream].Add(time.Duration(rng.Int64N(int64(time.Minute))))
	}
	if rng.IntN(6) == 0 {
		return Step{Lane: lane, Done: s.Done, Next: next}
	}
	size := 1 + rng.IntN(4)
	if rng.IntN(10) == 0 {
		size = 200 + rng.IntN(400)
	}
	for range size {
		at := next.Floors[streams[0]].Add(time.Duration(rng.IntN(120)-10) * time.Second)
		if rng.IntN(50) == 0 {
			at = at.AddDate(1, 0, 0)
		}
		next.Members = append(next.Members, pipeline.Position{Time: at, ID: fmt.Sprintf("audit_log-%024x", rng.Uint64())})
	}
	next.Place = []string{"", "audit/dt=2026-03-01"}[rng.IntN(2)]
	s.Next = next
	return s
}
