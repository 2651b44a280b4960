package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint"
	"auditlog-connector/schemas"
)

// doorLog is an audit log of one listing that fits into one page.
type doorLog []pipeline.Raw

func (l doorLog) Page(_ context.Context, req pipeline.PageRequest) (pipeline.Page, error) {
	var page pipeline.Page
	for _, r := range l {
		if !r.Time.Before(req.Since) && (req.Until.IsZero() || r.Time.Before(req.Until)) {
			page.Entries = append(page.Entries, r)
		}
	}
	return page, nil
}

func (l doorLog) Normalize(r pipeline.Raw) pipeline.Event {
	return pipeline.Event{Raw: r, Audit: schemas.AuditEvent{
		EventID: r.ID, EventType: "door.opened", EffectiveAt: r.Time, Source: "door",
		Action: "open", Outcome: "success", Severity: "info", Actor: schemas.Actor{Kind: "none"}, Raw: r.Body,
	}}
}

func (l doorLog) Close() error { return nil }

// printer is a destination that cannot tell what it has.
type printer struct{}

func (printer) Deliver(_ context.Context, b pipeline.Batch) error {
	for _, r := range b.Records {
		fmt.Println(b.ID.Lane, b.ID.Seq, r.Time.Format(time.DateTime), r.ID)
	}
	return nil
}

func (printer) Resolve(context.Context, pipeline.Manifest) (pipeline.Outcome, error) {
	return pipeline.OutcomeUnknown, nil
}

func (printer) Close() error { return nil }

// A log is exported twice, each time until everything visible is delivered. The
// second run goes on from the checkpoint: it delivers what appeared since, although
// that is dated before the last entry of the first run.
func Example() {
	at := func(hour int) time.Time { return time.Date(2026, 3, 1, hour, 0, 0, 0, time.UTC) }
	entry := func(id string, t time.Time) pipeline.Raw {
		return pipeline.Raw{Position: pipeline.Position{Time: t, ID: id}, Body: json.RawMessage(`{"id":"` + id + `"}`)}
	}
	store := checkpoint.NewMemory()
	run := func(log doorLog) error {
		p, err := pipeline.New(pipeline.Config{
			// The log's days are long past, and an entry counts as late only within the overlap.
			Store: store, Once: true, Overlap: 100 * 365 * 24 * time.Hour,
			Sources: []pipeline.SourceConfig{{
				Name: "door", Source: log,
				Lanes: []pipeline.LaneConfig{{
					Sink: "screen", Target: printer{}, Start: pipeline.Start{At: at(0)}, Buffer: 100,
					Batch: pipeline.BatchPolicy{MaxEvents: 2, MaxAge: time.Second},
				}},
			}},
		})
		if err != nil {
			return err
		}
		return p.Run(context.Background())
	}

	log := doorLog{entry("c", at(12)), entry("a", at(8)), entry("b", at(9))}
	if err := run(log); err != nil {
		fmt.Println(err)
	}
	fmt.Println("again")
	if err := run(append(log, entry("late", at(10)))); err != nil {
		fmt.Println(err)
	}
	// Output:
	// door/screen 1 2026-03-01 08:00:00 a
	// door/screen 1 2026-03-01 09:00:00 b
	// door/screen 2 2026-03-01 12:00:00 c
	// again
	// door/screen 3 2026-03-01 10:00:00 late
}
