package pipeline_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"time"

	"auditlog-connector/internal/sim"
	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/pipelinetest"
)

// wantedBy is the filter of the lane to a destination of this kind, by ID; nil: none.
func wantedBy(k pipelinetest.Kind) func(id string) bool {
	if k != pipelinetest.Creates {
		return nil
	}
	return func(id string) bool { return !strings.ContainsAny(id[len(id)-1:], "37") }
}

// refused reports whether destinations that look at records refuse this one for good.
func refused(id string) bool { return strings.HasSuffix(id, "5") }

// newDestination returns a destination as the simulations use it: those that can
// deliver once also refuse some records for good.
func newDestination(k pipelinetest.Kind) *pipelinetest.Destination {
	d := pipelinetest.NewDestination(k)
	if k != pipelinetest.Appends {
		d.SetReject(func(r *pipeline.Record) error {
			if refused(r.ID) {
				return errors.New("field too long")
			}
			return nil
		})
	}
	return d
}

// checkDestination compares what d holds, and what was set aside for it, with the log.
func checkDestination(w *sim.World, d *pipelinetest.Destination, aside *asideStore, start time.Time) error {
	held := d.Contents()
	for id, n := range aside.contents("model/" + d.Kind().String()) {
		held[id] += n
	}
	return w.Check(held, start, d.Kind().Guarantee() == pipeline.ExactlyOnce, wantedBy(d.Kind()))
}

// asideStore is a quarantine that outlives processes, like a folder of files.
type asideStore struct {
	mu      sync.Mutex
	batches map[pipeline.BatchID]map[string]bool // IDs of refused records
}

func newAsideStore() *asideStore {
	return &asideStore{batches: make(map[pipeline.BatchID]map[string]bool)}
}

// Put implements [pipeline.Quarantine].
func (a *asideStore) Put(_ context.Context, m pipeline.Manifest, records []pipeline.Record, reasons map[int]error) error {
	ids := make(map[string]bool, len(reasons))
	for i := range reasons {
		if i >= len(records) || records[i].ID != m.Members[i].ID {
			return pipeline.Permanent(errors.New("quarantine: no record for a refused member"))
		}
		ids[records[i].ID] = true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(ids) == 0 {
		delete(a.batches, m.ID)
	} else {
		a.batches[m.ID] = ids
	}
	return nil
}

// SetAside implements [pipeline.Quarantine].
func (a *asideStore) SetAside(context.Context, string, pipeline.Aside) error { return nil }

// contents is how often each event of lane was set aside.
func (a *asideStore) contents(lane string) map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	copies := make(map[string]int)
	for id, events := range a.batches {
		if id.Lane == lane {
			for e := range maps.Keys(events) {
				copies[e]++
			}
		}
	}
	return copies
}

func (a *asideStore) size() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, events := range a.batches {
		n += len(events)
	}
	return n
}
