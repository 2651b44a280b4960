package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// walkAll takes all steps of w.
func walkAll(t *testing.T, w *walk) (steps []step) {
	t.Helper()
	defer w.close()
	for {
		st, err := w.step(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, st)
		if st.last {
			return steps
		}
		if len(steps) > 10_000 {
			t.Fatal("the walk does not end")
		}
	}
}

func stepIDs(steps []step) (ids []string) {
	for _, st := range steps {
		ids = append(ids, rawIDs(st.raws)...)
	}
	return ids
}

func TestWalkCoversEverythingInAscendingSpans(t *testing.T) {
	for _, width := range []int{1, 3} {
		src, h := newListing(3), &handClock{now: at(10 * 24 * time.Hour)}
		var want []string
		for i := range 200 {
			id := fmt.Sprintf("e%03d", i)
			want = append(want, id)
			src.add("org", entry(id, at(time.Duration(i)*72*time.Minute).Truncate(time.Second)))
		}
		r := newReader(src, h.clock())
		r.limits = spanLimits{target: 6, dense: 20, first: 30 * time.Hour}
		steps := walkAll(t, newWalk(r, []string{"org"}, map[string]bound{"org": {from: at(0)}}, width))
		if got := stepIDs(steps); !slices.Equal(got, want) {
			t.Errorf("width %d: got %d entries, want %d in order", width, len(got), len(want))
		}
		end := at(0)
		for i, st := range steps {
			if !st.from.Equal(end) || st.last != (i == len(steps)-1) || st.to.IsZero() != st.last {
				t.Errorf("width %d: step %d is %s, last %v, after %s", width, i, st.span, st.last, end)
			}
			end = st.to
		}
	}
}

func TestWalkClaimsTheTimeOfItsFirstRequest(t *testing.T) {
	for _, tc := range []struct {
		name string
		b    bound
		want time.Time
	}{
		{"a deep walk", bound{from: at(0), deep: true}, at(100 * time.Hour)},
		{"one that relies on what was read before it", bound{from: at(0), limit: at(50 * time.Hour)}, at(50 * time.Hour)},
		{"one that relies on the start of the pipeline", bound{from: at(0)}, at(99 * time.Hour)},
		{"a limit above its own start", bound{from: at(0), limit: at(200 * time.Hour)}, at(100 * time.Hour)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src, h := newListing(3), &handClock{now: at(99 * time.Hour)}
			for i := range 5 {
				src.add("org", entry(fmt.Sprint(i), at(time.Duration(i)*20*time.Hour)))
			}
			r := newReader(src, h.clock())
			h.now = at(100 * time.Hour)
			src.before = func(context.Context, PageRequest) error {
				h.now = h.now.Add(time.Hour)
				return nil
			}
			steps := walkAll(t, newWalk(r, []string{"org"}, map[string]bound{"org": tc.b}, 1))
			if len(steps) < 2 {
				t.Fatalf("%d steps, want several", len(steps))
			}
			for i, st := range steps {
				for _, e := range st.raws {
					if !e.AsOf.Equal(tc.want) {
						t.Errorf("step %d: entry %s claims %s, want %s", i, e.ID, e.AsOf, tc.want)
					}
				}
				if got := st.claims["org"]; st.last && !got.Equal(tc.want) || !st.last && len(st.claims) > 0 {
					t.Errorf("step %d of %d claims %s", i+1, len(steps), got)
				}
			}
		})
	}
}

func TestWalkDoublesEmptySpans(t *testing.T) {
	src, h := newListing(3), &handClock{now: at(365 * 24 * time.Hour)}
	src.add("org", entry("a", at(300*24*time.Hour)))
	walkAll(t, newWalk(newReader(src, h.clock()), []string{"org"}, map[string]bound{"org": {from: at(0)}}, 1))
	if n := len(src.requests()); n > 20 {
		t.Errorf("%d requests for an almost empty year", n)
	}
}

func TestWalkFromTheBeginningOfTimeEnds(t *testing.T) {
	src, h := newListing(3), &handClock{now: at(0)}
	src.before = func(context.Context, PageRequest) error {
		if len(src.requests()) > 100 {
			return Permanent(errors.New("enough"))
		}
		return nil
	}
	w := newWalk(newReader(src, h.clock()), []string{"org"}, map[string]bound{"org": {from: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)}}, 1)
	for _, st := range walkAll(t, w) {
		if err := st.failed["org"]; err != nil {
			t.Errorf("a walk of two thousand empty years takes more than 100 requests: %v", err)
		}
	}
}

func TestWalkSplitsDenseSpans(t *testing.T) {
	src, h := newListing(10), &handClock{now: at(1000 * time.Hour)}
	var want []string
	for i := range 500 { // all in one hour, far from where the walk begins
		id := fmt.Sprintf("e%03d", i)
		want = append(want, id)
		src.add("org", entry(id, at(500*time.Hour+time.Duration(i)*7*time.Second)))
	}
	r := newReader(src, h.clock())
	r.limits = spanLimits{target: 20, dense: 60, first: 1000 * time.Hour}
	steps := walkAll(t, newWalk(r, []string{"org"}, map[string]bound{"org": {from: at(0)}}, 1))
	if got := stepIDs(steps); !slices.Equal(got, want) {
		t.Errorf("%d entries, want %d in order", len(got), len(want))
	}
	for i, st := range steps {
		if len(st.raws) > 120 {
			t.Errorf("step %d holds %d entries at once", i, len(st.raws))
		}
	}
	if n := len(src.requests()); n > 250 {
		t.Errorf("%d requests for 50 pages", n)
	}
}

func TestWalkOfTwoStreams(t *testing.T) {
	src, h := newListing(10), &handClock{now: at(10 * time.Hour)}
	both := entry("both", at(2*time.Hour))
	src.add("tenant", both, entry("t", at(1*time.Hour)), entry("below", at(30*time.Minute)))
	src.add("org", both, entry("o", at(3*time.Hour)))
	w := newWalk(newReader(src, h.clock()), []string{"org", "tenant"}, map[string]bound{
		"tenant": {from: at(time.Hour), deep: true}, "org": {from: at(90 * time.Minute), deep: true},
	}, 2)
	steps := walkAll(t, w)
	if got, want := stepIDs(steps), []string{"t", "both", "both", "o"}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	raws := steps[0].raws
	if raws[1].Stream != "org" || raws[2].Stream != "tenant" {
		t.Errorf("both comes from %s, then %s; the first stream has precedence", raws[1].Stream, raws[2].Stream)
	}
	if len(steps[len(steps)-1].claims) != 2 {
		t.Errorf("claims %v, want one of each stream", steps[len(steps)-1].claims)
	}
}

func TestFailedStreamLeavesTheWalk(t *testing.T) {
	src, h := newListing(10), &handClock{now: at(100 * time.Hour)}
	for i := range 10 {
		src.add("org", entry(fmt.Sprint("o", i), at(time.Duration(i)*10*time.Hour)))
		src.add("tenant", entry(fmt.Sprint("t", i), at(time.Duration(i)*10*time.Hour)))
	}
	src.before = func(_ context.Context, req PageRequest) error {
		if req.Stream == "tenant" && !req.Since.Before(at(24*time.Hour)) {
			return Permanent(ErrRefused)
		}
		return nil
	}
	bounds := map[string]bound{"org": {from: at(0), deep: true}, "tenant": {from: at(0), deep: true}}
	steps := walkAll(t, newWalk(newReader(src, h.clock()), []string{"org", "tenant"}, bounds, 1))
	failed := 0
	for _, st := range steps {
		if errors.Is(st.failed["tenant"], ErrRefused) {
			failed++
		}
	}
	if failed != 1 {
		t.Errorf("the stream failed in %d steps, want 1", failed)
	}
	ids := strings.Join(stepIDs(steps), " ")
	if !strings.Contains(ids, "t2") || strings.Contains(ids, "t3") || !strings.Contains(ids, "o9") {
		t.Errorf("got %s, want all of org and tenant up to where it failed", ids)
	}
	if claims := steps[len(steps)-1].claims; len(claims) != 1 || claims["org"].IsZero() {
		t.Errorf("claims %v, want org's alone", claims)
	}

	// The last stream that fails ends the walk.
	src.before = func(context.Context, PageRequest) error { return Permanent(ErrRefused) }
	steps = walkAll(t, newWalk(newReader(src, h.clock()), []string{"org", "tenant"}, bounds, 1))
	if len(steps) != 1 || len(steps[0].failed) != 2 || len(steps[0].claims) != 0 {
		t.Errorf("got %+v, want one step in which both fail", steps)
	}
}

func TestJoinedStreamLeavesOutWhatOthersHave(t *testing.T) {
	src, h := newListing(10), &handClock{now: at(10 * time.Hour)}
	for _, e := range []Raw{entry("old", at(1*time.Hour)), entry("edge", at(5*time.Hour)), entry("new", at(6*time.Hour))} {
		src.add("org", e)
		src.add("tenant", e)
	}
	src.add("tenant", entry("only", at(2*time.Hour)))
	bounds := map[string]bound{"tenant": {from: at(0), deep: true, joined: at(5 * time.Hour), others: []string{"org"}}}
	steps := walkAll(t, newWalk(newReader(src, h.clock()), []string{"org", "tenant"}, bounds, 1))
	if got, want := stepIDs(steps), []string{"only", "edge", "new"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	// If the other stream cannot be read, this one fails: nobody can tell.
	src.before = func(_ context.Context, req PageRequest) error {
		if req.Stream == "org" {
			return Permanent(ErrRefused)
		}
		return nil
	}
	steps = walkAll(t, newWalk(newReader(src, h.clock()), []string{"org", "tenant"}, bounds, 1))
	if err := steps[0].failed["tenant"]; !errors.Is(err, ErrRefused) || len(stepIDs(steps)) != 0 {
		t.Errorf("got %v and %v, want the stream to fail", err, stepIDs(steps))
	}
}

func TestWalkReadsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now().UTC().Truncate(time.Second)
		src := newListing(10)
		for i := range 40 {
			src.add("org", entry(fmt.Sprintf("e%02d", i), start.Add(-time.Duration(40-i)*time.Hour)))
		}
		var mu sync.Mutex
		asking, most, first := 0, 0, 0
		src.before = func(ctx context.Context, req PageRequest) error {
			mu.Lock()
			asking++
			most = max(most, asking)
			if len(src.requests()) == 1 {
				first = asking
			}
			mu.Unlock()
			// Older spans are slower: later ones are in before them.
			time.Sleep(start.Sub(req.Since) / 1000)
			mu.Lock()
			asking--
			mu.Unlock()
			return nil
		}
		r := newReader(src, wallClock)
		r.limits = spanLimits{target: 2, dense: 8, first: 2 * time.Hour}
		w := newWalk(r, []string{"org"}, map[string]bound{"org": {from: start.Add(-40 * time.Hour)}}, 4)
		st, err := w.step(t.Context())
		mu.Lock()
		if err != nil || most != 1 || first != 1 {
			t.Errorf("%v, %d requests at once before the first span was in, want 1: the walk claims its time", err, most)
		}
		mu.Unlock()
		got := rawIDs(st.raws)
		for last := st.last; !last; {
			st, err = w.step(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got, last = append(got, rawIDs(st.raws)...), st.last
		}
		if !slices.IsSorted(got) || len(got) != 40 {
			t.Errorf("got %d entries, sorted %v, want 40 in order", len(got), slices.IsSorted(got))
		}
		if most < 3 || most > 4 {
			t.Errorf("%d requests at once, want about 4", most)
		}
		w.close()
	})
}

func TestClosedWalkLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a goroutine that is left fails the bubble
		src := newListing(10)
		src.before = func(ctx context.Context, req PageRequest) error {
			if len(src.requests()) > 1 {
				<-ctx.Done() // never answers
			}
			return ctx.Err()
		}
		r := newReader(src, wallClock)
		r.limits.first = time.Hour
		w := newWalk(r, []string{"org"}, map[string]bound{"org": {from: time.Now().Add(-40 * time.Hour).UTC()}}, 4)
		if _, err := w.step(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := w.step(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
		w.close()
	})
}

func TestWalkCrossesSilenceInFewRequests(t *testing.T) {
	for _, tc := range []struct {
		name string
		from time.Duration // of the entries
		n    int
		most int
	}{
		{"nothing at all", 0, 0, 12},
		{"a busy hour after months of silence", 147 * 24 * time.Hour, 300, 25},
		{"a busy hour before months of silence", 0, 300, 25},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src, h := newListing(100), &handClock{now: at(148 * 24 * time.Hour)}
			for i := range tc.n {
				src.add("org", entry(fmt.Sprintf("e%03d", i), at(tc.from+time.Duration(i)*12*time.Second)))
			}
			r := newReader(src, h.clock())
			r.limits = defaultLimits
			steps := walkAll(t, newWalk(r, []string{"org"}, map[string]bound{"org": {from: at(0)}}, 1))
			if got := len(stepIDs(steps)); got != tc.n {
				t.Errorf("got %d entries, want %d", got, tc.n)
			}
			if got := len(src.requests()); got > tc.most {
				t.Errorf("%d requests, want at most %d", got, tc.most)
			}
		})
	}
}
