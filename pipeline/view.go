package pipeline

import (
	"errors"
	"maps"
	"sync"
	"time"
)

// The states of a lane.
const (
	stateFollowing  = "following"
	stateCatchingUp = "catching_up"
	stateInDoubt    = "in_doubt"
	stateHalted     = "halted"
)

var laneStates = []string{stateFollowing, stateCatchingUp, stateInDoubt, stateHalted}

// The states of a source and of a stream; a stream is not throttled by itself.
var (
	sourceStates = []string{"starting", "ok", "throttled", "failing", "refused"}
	streamStates = []string{"starting", "ok", "failing", "refused"}
)

// laneView is what others may see of a lane while it runs.
type laneView struct {
	mu         sync.Mutex
	recovered  bool // claimed, and nothing of an earlier life is in doubt
	catchingUp bool
	attached   bool // its channel is open
	doubt      bool
	halted     bool
	err        error // why it is halted, or what the last attempt failed with
	batchID    string
	watermarks map[string]time.Time
	queued     time.Time // the oldest event time queued
	delivery   time.Time // the oldest event time in delivery
	reached    time.Time
	seen       int
	last       time.Time     // when a batch was last recorded as delivered, by the source's clock
	fresh      time.Duration // the age of its newest event then
	late       uint64
}

func (v *laneView) set(f func(*laneView)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f(v)
}

// began resets the view for a life of the lane.
func (v *laneView) began() {
	v.set(func(v *laneView) {
		v.recovered, v.catchingUp, v.attached, v.doubt, v.halted, v.err = false, true, false, false, false, nil
		v.queued, v.delivery = time.Time{}, time.Time{}
		v.batchID, v.watermarks = "", nil // the checkpoint may be another one now
	})
}

func (v *laneView) halt(err error) {
	v.set(func(v *laneView) { v.halted, v.attached, v.err = true, false, err })
}

// failing notes an error that is being retried, and reports whether all was well before.
func (v *laneView) failing(err error) (changed bool) {
	v.set(func(v *laneView) { changed, v.err = v.err == nil, err })
	return changed
}

// doubtful notes a batch that an earlier life left in doubt.
func (v *laneView) doubtful(m Manifest) {
	v.delivering(m)
	v.set(func(v *laneView) { v.doubt = true })
}

// delivering notes the batch in delivery.
func (v *laneView) delivering(m Manifest) {
	var oldest time.Time
	for _, p := range m.Members {
		if oldest.IsZero() || p.Time.Before(oldest) {
			oldest = p.Time
		}
	}
	v.set(func(v *laneView) { v.batchID, v.delivery = m.ID.String(), oldest })
}

// attempted notes what became of an attempt at the batch, and reports whether the
// lane's state changed.
func (v *laneView) attempted(a settling) (changed bool) {
	v.set(func(v *laneView) {
		changed = (v.err == nil) != (a.err == nil) || v.doubt != (a.doubt && a.err != nil)
		v.doubt, v.err = a.doubt && a.err != nil, a.err
	})
	return changed
}

// delivered notes that a batch was recorded as delivered at now, its newest event
// being of the time newest.
func (v *laneView) delivered(now, newest time.Time) {
	v.set(func(v *laneView) { v.last, v.fresh = now, max(now.Sub(newest), 0) })
}

func (v *laneView) committed(led *ledger) {
	marks := make(map[string]time.Time, len(led.progress))
	for s, p := range led.progress {
		marks[s] = p.Watermark
	}
	v.set(func(v *laneView) { v.delivery, v.watermarks, v.seen = time.Time{}, marks, len(led.seen) })
}

func (v *laneView) update(l *lane) {
	v.set(func(v *laneView) {
		v.queued, v.reached = l.in.led.first, l.in.reached
		v.catchingUp = l.walk != nil || len(l.in.following) == 0
		v.attached = l.ch != nil
	})
}

func (v *laneView) tooLate() { v.set(func(v *laneView) { v.late++ }) }

// status describes the lane.
func (l *lane) status() LaneStatus {
	now := l.chain.reader.now()
	l.counts.mu.Lock()
	st := LaneStatus{
		Lane: l.name, Guarantee: l.cfg.Guarantee.String(), State: stateFollowing,
		Read: l.counts.read, InFlight: l.counts.inFlight,
		Delivered: l.counts.result[resultDelivered], Duplicate: l.counts.result[resultDuplicate],
		Filtered: l.counts.result[resultFiltered], Quarantined: l.counts.result[resultQuarantined],
		LateLost: l.counts.result[resultLateLost], Released: l.counts.result[resultReleased],
	}
	l.counts.mu.Unlock()
	v := &l.view
	v.mu.Lock()
	defer v.mu.Unlock()
	st.Recovered, st.Attached = v.recovered, v.attached
	st.Batch, st.Watermarks, st.Seen = v.batchID, maps.Clone(v.watermarks), v.seen
	if st.Watermarks == nil {
		st.Watermarks = map[string]time.Time{}
	}
	if st.LastDelivery = timePtr(v.last); st.LastDelivery != nil {
		fresh := v.fresh.Seconds()
		st.FreshnessSeconds = &fresh
	}
	for _, t := range []time.Time{v.queued, v.delivery} {
		if !t.IsZero() {
			st.LagSeconds = max(st.LagSeconds, now.Sub(t).Seconds())
		}
	}
	refused := l.chain.streams.refused()
	switch {
	case v.halted:
		st.State = stateHalted
	case errors.Is(v.err, ErrRefused) || v.err == nil && refused != nil:
		st.State = stateHalted // until the next try
	case v.doubt:
		st.State = stateInDoubt
	case v.catchingUp:
		st.State, st.Reached = stateCatchingUp, timePtr(v.reached)
	}
	switch {
	case v.err != nil:
		st.Reason, st.Hint = v.err.Error(), hintFor(l.name, v.err)
	case refused != nil:
		st.Reason = "the source refuses to be read: " + refused.Error()
	}
	if st.State == stateHalted && !v.halted {
		st.Hint = "it is tried again every five minutes"
	}
	if st.Reason == "" && v.late > 0 {
		st.Reason = "entries appeared later than overlap allows and are lost to this lane"
		st.Hint = "raise pipeline.overlap; see late_lost"
	}
	return st
}
