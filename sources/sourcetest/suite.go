// Package sourcetest is the suite that every [pipeline.Source] passes.
package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
)

// Harness is the source under test, in front of a server that holds still.
type Harness struct {
	// Open opens the source anew. The suite closes it.
	Open func(t *testing.T) pipeline.Source

	// Streams are the listings, in the order of Streams; one empty name for a
	// source that is no Streamer.
	Streams []string

	// Held is what the server holds, in any order. Each stream needs at least 30
	// entries, some of them in one second.
	Held map[string][]pipeline.Position
}

// maxPages is how many pages one read of the suite may take.
const maxPages = 100_000

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	t.Run("streams are named", h.streams)
	for _, stream := range h.Streams {
		t.Run("stream "+stream, func(t *testing.T) {
			if n := len(h.Held[stream]); n < 30 {
				t.Fatalf("the server holds %d entries: too few to show anything", n)
			}
			t.Run("everything held is read, whatever the size of a page", func(t *testing.T) { h.everything(t, stream) })
			t.Run("bounds are half-open, to the second", func(t *testing.T) { h.bounds(t, stream) })
			t.Run("pages are read at the same time", func(t *testing.T) { h.concurrent(t, stream) })
			t.Run("a page is told again from its cursor", func(t *testing.T) { h.again(t, stream) })
			t.Run("a context that is done ends a read", func(t *testing.T) { h.cancelled(t, stream) })
			t.Run("Normalize is pure and keeps the entry", func(t *testing.T) { h.normalize(t, stream) })
		})
	}
	t.Run("an unknown stream or cursor is permanent", h.unknown)
	t.Run("Normalize takes anything", h.hostile)
}

func (h Harness) open(t *testing.T) pipeline.Source {
	t.Helper()
	s := h.Open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// readAll follows the cursor from the first page to the last.
func readAll(ctx context.Context, s pipeline.Source, req pipeline.PageRequest) ([]pipeline.Raw, error) {
	var all []pipeline.Raw
	for range maxPages {
		page, err := s.Page(ctx, req)
		if err != nil {
			return nil, err
		}
		if req.Limit > 0 && len(page.Entries) > req.Limit {
			return nil, fmt.Errorf("a page of %d entries, %d were asked for", len(page.Entries), req.Limit)
		}
		all = append(all, page.Entries...)
		if page.Next == "" {
			return all, nil
		}
		if page.Next == req.Cursor {
			return nil, errors.New("the cursor does not advance")
		}
		req.Cursor = page.Next
	}
	return nil, fmt.Errorf("not done after %d pages", maxPages)
}

// positions returns the places of all, sorted, each once.
func positions(all []pipeline.Raw) []pipeline.Position {
	ps := make([]pipeline.Position, len(all))
	for i, r := range all {
		ps[i] = r.Position
	}
	return sorted(ps)
}

func sorted(ps []pipeline.Position) []pipeline.Position {
	ps = slices.Clone(ps)
	slices.SortFunc(ps, pipeline.Position.Compare)
	return slices.Compact(ps)
}

// differ says how two sorted lists differ, or "".
func differ(got, want []pipeline.Position) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Sprintf("%d entries instead of %d; %v is missing", len(got), len(want), want[i])
		case i >= len(want):
			return fmt.Sprintf("%d entries instead of %d; %v is not held", len(got), len(want), got[i])
		case got[i] != want[i]:
			return fmt.Sprintf("entry %d of %d is %v instead of %v", i, len(got), got[i], want[i])
		}
	}
	return ""
}

func (h Harness) streams(t *testing.T) {
	s := h.open(t)
	sr, ok := s.(pipeline.Streamer)
	if !ok {
		if !slices.Equal(h.Streams, []string{""}) {
			t.Errorf("the source is no Streamer, want %q", h.Streams)
		}
		return
	}
	for range 2 {
		if got, err := sr.Streams(t.Context()); err != nil || !slices.Equal(got, h.Streams) {
			t.Errorf("streams %q %v, want %q", got, err, h.Streams)
		}
	}
}

func (h Harness) everything(t *testing.T, stream string) {
	s, want := h.open(t), sorted(h.Held[stream])
	for _, limit := range []int{0, 1, 7, 1000} {
		all, err := readAll(t.Context(), s, pipeline.PageRequest{Stream: stream, Since: want[0].Time, Limit: limit})
		if err != nil {
			t.Fatalf("limit %d: %v", limit, err)
		}
		if d := differ(positions(all), want); d != "" {
			t.Errorf("limit %d: %s", limit, d)
		}
		for _, r := range all {
			if r.Stream != stream || len(r.Body) == 0 || !r.AsOf.IsZero() || r.Time.Nanosecond() != 0 || r.Time.Location() != time.UTC {
				t.Fatalf("entry %+v", r)
			}
		}
	}
}

func (h Harness) bounds(t *testing.T, stream string) {
	s, held := h.open(t), sorted(h.Held[stream])
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 12 {
		// Both bounds lie on an entry, where it matters.
		since, until := held[rng.IntN(len(held))].Time, held[rng.IntN(len(held))].Time
		if until.Before(since) {
			since, until = until, since
		}
		if !since.Before(until) {
			until = since.Add(time.Second)
		}
		var want []pipeline.Position
		for _, p := range held {
			if !p.Time.Before(since) && p.Time.Before(until) {
				want = append(want, p)
			}
		}
		all, err := readAll(t.Context(), s, pipeline.PageRequest{Stream: stream, Since: since, Until: until, Limit: 50})
		if err != nil {
			t.Fatal(err)
		}
		if d := differ(positions(all), want); d != "" {
			t.Errorf("from %s to %s: %s", since, until, d)
		}
	}
}

func (h Harness) concurrent(t *testing.T, stream string) {
	s, want := h.open(t), sorted(h.Held[stream])
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			all, err := readAll(t.Context(), s, pipeline.PageRequest{Stream: stream, Since: want[0].Time, Limit: 20 + i, Urgent: i == 0})
			if err != nil {
				t.Error(err)
			} else if d := differ(positions(all), want); d != "" {
				t.Error(d)
			}
		})
	}
	wg.Wait()
}

func (h Harness) again(t *testing.T, stream string) {
	s, held := h.open(t), sorted(h.Held[stream])
	req := pipeline.PageRequest{Stream: stream, Since: held[0].Time, Limit: 10}
	first, err := s.Page(t.Context(), req)
	if err != nil || first.Next == "" {
		t.Fatalf("first page: next %q, %v", first.Next, err)
	}
	req.Cursor = first.Next
	var seen []pipeline.Position
	for range 2 {
		page, err := s.Page(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		ps := positions(page.Entries)
		if seen != nil {
			if d := differ(ps, seen); d != "" {
				t.Errorf("the second page, once more: %s", d)
			}
		}
		seen = ps
	}
	for _, p := range positions(first.Entries) {
		if slices.Contains(seen, p) {
			t.Errorf("%v is on the first page and on the second", p)
		}
	}
}

func (h Harness) cancelled(t *testing.T, stream string) {
	s := h.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Page(ctx, pipeline.PageRequest{Stream: stream}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

func (h Harness) normalize(t *testing.T, stream string) {
	s, held := h.open(t), sorted(h.Held[stream])
	all, err := readAll(t.Context(), s, pipeline.PageRequest{Stream: stream, Since: held[0].Time})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) > 500 {
		all = all[:500]
	}
	first := make([]pipeline.Event, len(all))
	for i, r := range all {
		before := bytes.Clone(r.Body)
		first[i] = s.Normalize(r)
		if !bytes.Equal(r.Body, before) {
			t.Fatalf("entry %s was modified", r.ID)
		}
		check(t, r, first[i])
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i, r := range all {
				if got := s.Normalize(r); !reflect.DeepEqual(got, first[i]) {
					t.Errorf("entry %s, normalized again at the same time:\n%+v\nfirst\n%+v", r.ID, got.Audit, first[i].Audit)
					return
				}
			}
		})
	}
	wg.Wait()
}

// check holds what is true of every event, of a hostile entry too.
func check(t *testing.T, r pipeline.Raw, e pipeline.Event) {
	t.Helper()
	a := &e.Audit
	if e.Position != r.Position || e.Stream != r.Stream || !bytes.Equal(e.Body, r.Body) {
		t.Errorf("entry %q: the raw entry did not stay as it was", r.ID)
	}
	if a.EventID != strings.ToValidUTF8(r.ID, "\uFFFD") || !a.EffectiveAt.Equal(r.Time) || !bytes.Equal(a.Raw, r.Body) {
		t.Errorf("entry %q: id %q, time %v, raw %.100q", r.ID, a.EventID, a.EffectiveAt, a.Raw)
	}
	if a.Actor.Kind == "" || a.Outcome == "" || a.Severity == "" || a.Stream == "" {
		t.Errorf("entry %q: kind %q, outcome %q, severity %q, stream %q", r.ID, a.Actor.Kind, a.Outcome, a.Severity, a.Stream)
	}
	if _, err := schemas.Decode(schemas.Encode(nil, a)); err != nil {
		t.Errorf("entry %q: its encoding cannot be read back: %v", r.ID, err)
	}
}

func (h Harness) unknown(t *testing.T) {
	s := h.open(t)
	if _, err := s.Page(t.Context(), pipeline.PageRequest{Stream: h.Streams[0], Cursor: "not a cursor of this source"}); !pipeline.IsPermanent(err) {
		t.Errorf("cursor: %v, want a permanent error", err)
	}
	if _, ok := s.(pipeline.Streamer); !ok {
		return
	}
	if _, err := s.Page(t.Context(), pipeline.PageRequest{Stream: "no-such-stream"}); !pipeline.IsPermanent(err) {
		t.Errorf("stream: %v, want a permanent error", err)
	}
}

func (h Harness) hostile(t *testing.T) {
	s := h.open(t)
	for _, body := range []string{
		"", "null", "0", `""`, "[]", "{}", "{", `{"id":`, "\x00", "\xff\xfe", `{"type":null,"actor":[],"project":0}`,
		`{"type":{},"effective_at":{}}`, `{"id":"` + strings.Repeat("x", 1<<16) + `"}`, `{"type":"a","a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}",
		"{\"type\":\"x\\u0000\u2028\xff\",\"x\\u0000\":{}}", `{"type":"login.failed","type":"logout.failed","actor":{"type":"session","session":null}}`,
	} {
		r := pipeline.Raw{Position: pipeline.Position{Time: time.Unix(1_770_000_000, 0).UTC(), ID: "an id\xff"}, Stream: h.Streams[0], Body: []byte(body)}
		check(t, r, s.Normalize(r))
	}
}
