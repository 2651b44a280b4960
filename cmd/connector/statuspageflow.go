package main

import (
	"sync"
	"time"

	"auditlog-connector/pipeline"
)

const (
	// flowMinutes is how far back the status page shows what came through.
	flowMinutes = 60
	// flowEvery is how often the counts are looked at.
	flowEvery = 5 * time.Second
)

// tally counts entries by what became of them, over all lanes.
type tally struct{ Delivered, Filtered, Quarantined, LateLost, Duplicate uint64 }

func (t *tally) add(u tally) {
	t.Delivered += u.Delivered
	t.Filtered += u.Filtered
	t.Quarantined += u.Quarantined
	t.LateLost += u.LateLost
	t.Duplicate += u.Duplicate
}

func tallyOf(st pipeline.Status) (sum tally) {
	for _, l := range st.Lanes {
		sum.add(tally{l.Delivered, l.Filtered, l.Quarantined, l.LateLost, l.Duplicate})
	}
	return sum
}

// flow remembers what came through, by the minute. It is safe for concurrent use.
type flow struct {
	mu      sync.Mutex
	last    tally
	minutes [flowMinutes]flowMinute // a ring, by minute
}

type flowMinute struct {
	minute int64 // since 1970
	tally
}

// observe counts what came since it was called last to the minute of now.
func (f *flow) observe(now time.Time, st pipeline.Status) {
	sum := tallyOf(st)
	f.mu.Lock()
	defer f.mu.Unlock()
	minute := now.Unix() / 60
	m := &f.minutes[minute%flowMinutes]
	if m.minute != minute {
		*m = flowMinute{minute: minute}
	}
	m.add(tally{
		sum.Delivered - f.last.Delivered, sum.Filtered - f.last.Filtered, sum.Quarantined - f.last.Quarantined,
		sum.LateLost - f.last.LateLost, sum.Duplicate - f.last.Duplicate,
	})
	f.last = sum
}

// hour returns the minutes up to that of now, oldest first.
func (f *flow) hour(now time.Time) []tally {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]tally, flowMinutes)
	for i := range out {
		minute := now.Unix()/60 - int64(flowMinutes-1-i)
		if m := f.minutes[minute%flowMinutes]; m.minute == minute {
			out[i] = m.tally
		}
	}
	return out
}

// watch observes status until stop is called, which waits.
func (f *flow) watch(status func() pipeline.Status) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(flowEvery)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				f.observe(now, status())
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}
