package pipeline

import (
	"context"
	"slices"
	"testing"
	"time"
)

func TestPollFrom(t *testing.T) {
	const recent = 10 * time.Minute
	now := at(12 * time.Hour)
	for _, tc := range []struct {
		name     string
		lastPoll time.Time
		lastLong time.Time
		from     time.Time
		long     bool
	}{
		{"the first poll", time.Time{}, time.Time{}, now.Add(-recent), true},
		{"from a minute before the last one", now.Add(-30 * time.Second), now.Add(-time.Minute), now.Add(-90 * time.Second), false},
		{"from recent ago every five minutes", now.Add(-30 * time.Second), now.Add(-5 * time.Minute), now.Add(-recent), true},
		{"after a gap, from before the gap", now.Add(-3 * time.Hour), now.Add(-3 * time.Hour), now.Add(-3*time.Hour - time.Minute), true},
		{"the clock went back", now.Add(time.Hour), now.Add(time.Hour), now.Add(-recent), true},
		{"whole seconds", now.Add(-30*time.Second - 300*time.Millisecond), now, now.Add(-91 * time.Second), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHeadStream("org", time.Hour, recent)
			h.lastPoll, h.lastLong = tc.lastPoll, tc.lastLong
			from, long := h.pollFrom(now)
			if !from.Equal(tc.from) || long != tc.long {
				t.Errorf("got %s, long %v, want %s, %v", from, long, tc.from, tc.long)
			}
		})
	}
}

func TestLongPollsComeEveryFiveMinutes(t *testing.T) {
	h := newHeadStream("org", time.Hour, 10*time.Minute)
	longs := 0
	for n := range 61 {
		now := at(time.Duration(n) * 30 * time.Second)
		_, long := h.pollFrom(now)
		h.polled(now, long)
		if long {
			longs++
		}
	}
	if want := 7; longs != want {
		t.Errorf("%d long polls in half an hour, want %d", longs, want)
	}
}

func TestNewsIsEmittedOnce(t *testing.T) {
	h := newHeadStream("org", time.Hour, 10*time.Minute)
	if got := rawIDs(h.news([]Raw{entry("a", at(0)), entry("b", at(1*time.Second))})); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %v", got)
	}
	if got := rawIDs(h.news([]Raw{entry("a", at(0)), entry("c", at(0)), entry("b", at(1*time.Second))})); !slices.Equal(got, []string{"c"}) {
		t.Errorf("got %v, want c alone", got)
	}
}

func TestEmittedIDsArePrunedBelowTheNextDeepWalk(t *testing.T) {
	h := newHeadStream("org", time.Hour, 10*time.Minute)
	h.news([]Raw{entry("old", at(10*time.Hour)), entry("edge", at(11*time.Hour)), entry("new", at(12*time.Hour))})
	h.swept(at(12 * time.Hour))
	if !h.deepFrom().Equal(at(11 * time.Hour)) {
		t.Errorf("the next deep walk is from %s, want %s", h.deepFrom(), at(11*time.Hour))
	}
	if len(h.emitted) != 2 {
		t.Errorf("%d ids remembered, want the two that the next walk may bring", len(h.emitted))
	}
	if got := h.news([]Raw{entry("edge", at(11*time.Hour))}); len(got) != 0 {
		t.Error("the id at the lower bound was forgotten")
	}
}

func TestEmittedIDsAreKeptAsFarAsPollsReadBack(t *testing.T) {
	h := newHeadStream("org", time.Minute, 10*time.Minute) // overlap shorter than recent
	h.news([]Raw{entry("a", at(12*time.Hour-9*time.Minute))})
	h.swept(at(12 * time.Hour))
	if got := h.news([]Raw{entry("a", at(12*time.Hour-9*time.Minute))}); len(got) != 0 {
		t.Error("a poll would emit again what the deep walk made us forget")
	}
}

func TestEmitPutsTheClaimBehindTheLastNews(t *testing.T) {
	raws := make([]Raw, 2*chunkLen+1)
	for _, tc := range []struct {
		name   string
		raws   []Raw
		claim  time.Time
		chunks int
	}{
		{"nothing", nil, time.Time{}, 0},
		{"a claim alone", nil, at(0), 1},
		{"news", raws, time.Time{}, 3},
		{"news and a claim", raws, at(0), 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out := make(chan chunk[Raw], 5)
			if err := emit(t.Context(), out, "org", tc.raws, tc.claim); err != nil {
				t.Fatal(err)
			}
			close(out)
			n, entries := 0, 0
			for c := range out {
				n, entries = n+1, entries+len(c.entries)
				if last := n == tc.chunks; last && !c.claim.Equal(tc.claim) || !last && !c.claim.IsZero() {
					t.Errorf("chunk %d claims %s", n, c.claim)
				}
				if len(c.entries) > chunkLen || c.stream != "org" {
					t.Errorf("chunk %d: %d entries of %q", n, len(c.entries), c.stream)
				}
			}
			if n != tc.chunks || entries != len(tc.raws) {
				t.Errorf("%d chunks with %d entries, want %d with %d", n, entries, tc.chunks, len(tc.raws))
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := emit(ctx, make(chan chunk[Raw]), "org", raws, time.Time{}); err == nil {
		t.Error("emitting to nobody ends without an error")
	}
}
