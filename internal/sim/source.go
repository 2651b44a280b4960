package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
)

// Source is the world's audit log as one process reads it.
type Source struct {
	w     *World
	named bool // the second stream was named once
}

var (
	_ pipeline.Source   = (*Source)(nil)
	_ pipeline.Streamer = (*Source)(nil)
)

// Open returns the log as a process reads it.
func (w *World) Open() *Source { return &Source{w: w} }

// Streams implements [pipeline.Streamer].
func (s *Source) Streams(context.Context) ([]string, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.w.Streams > 1 && (s.named || s.w.readable(1)) {
		s.named = true
		return Streams, nil
	}
	return Streams[:1], nil
}

// farBack is further before the start than clocks, polls and overlaps explain.
const farBack = 12 * time.Hour

// Page implements [pipeline.Source]: newest first, ties by descending ID, the
// cursor is the last entry's place.
func (s *Source) Page(ctx context.Context, req pipeline.PageRequest) (pipeline.Page, error) {
	if err := ctx.Err(); err != nil {
		return pipeline.Page{}, err
	}
	w := s.w
	if w.onPage != nil {
		w.onPage()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	n := slices.Index(Streams, req.Stream)
	if req.Since.Before(w.Start.Add(-farBack)) && w.odd == nil {
		w.odd = fmt.Errorf("stream %s is read from %s, although nothing is wanted before %s", req.Stream, req.Since, w.Start)
	}
	switch {
	case n < 0:
		return pipeline.Page{}, pipeline.Permanent(fmt.Errorf("no stream %q", req.Stream))
	case !w.readable(n):
		return pipeline.Page{}, pipeline.Permanent(fmt.Errorf("stream %s: %w", req.Stream, pipeline.ErrRefused))
	case !w.calm && w.Dice.Chance("page.error", w.FaultEvery):
		return pipeline.Page{}, errors.New("500 server error")
	case !w.calm && w.Dice.Chance("page.throttled", 2*w.FaultEvery):
		return pipeline.Page{}, &pipeline.ThrottledError{Err: errors.New("429"), After: 2 * time.Second}
	}
	now := w.Now()
	last := ""
	page := pipeline.Page{Now: now.Truncate(time.Second)}
	if w.Dice.Chance("page.date", 2) {
		page.Now = page.Now.Add(time.Second) // a server may round up
	}
	for i := range w.entries {
		e := &w.entries[i]
		if e.Time.Before(req.Since) {
			break
		}
		if e.Visible[n].After(now) || !req.Until.IsZero() && !e.Time.Before(req.Until) || req.Cursor != "" && e.place >= req.Cursor {
			continue
		}
		if len(page.Entries) == w.PageLen {
			page.Next = last
			break
		}
		last = e.place
		page.Entries = append(page.Entries, pipeline.Raw{
			Position: pipeline.Position{Time: e.Time, ID: e.ID}, Body: json.RawMessage(`{"id":"` + e.ID + `"}`),
		})
	}
	return page, nil
}

// Normalize implements [pipeline.Source].
func (s *Source) Normalize(r pipeline.Raw) pipeline.Event {
	return pipeline.Event{Raw: r, Audit: schemas.AuditEvent{
		EventID: r.ID, EventType: "model.entry", EffectiveAt: r.Time, Stream: "organization", Source: "model",
		Action: "create", Outcome: "success", Severity: "info", Actor: schemas.Actor{Kind: "none"}, Raw: r.Body,
	}}
}

// Close implements [pipeline.Source].
func (s *Source) Close() error { return nil }
