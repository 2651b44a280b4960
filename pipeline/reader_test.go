package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReadReturnsEverythingSortedAndOnce(t *testing.T) {
	src := newListing(2)
	src.add("", entry("b", at(time.Minute)), entry("a", at(time.Minute)), entry("c", at(0)), entry("d", at(2*time.Minute)), entry("late", at(30*time.Second)))
	src.after = func(req PageRequest, p *Page) {
		if req.Cursor == "4" {
			p.Entries = append(p.Entries, entry("d", at(2*time.Minute))) // the listing moved on between two pages
		}
	}
	h := &handClock{now: at(time.Hour)}
	raws, _, err := newReader(src, h.clock()).read(t.Context(), "", span{from: at(0)}, readOptions{})
	if got, want := rawIDs(raws), []string{"c", "late", "a", "b", "d"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v %v, want %v", got, err, want)
	}
}

func TestReadBoundsAreInclusiveBelowAndExclusiveAbove(t *testing.T) {
	src := newListing(10)
	src.add("", entry("below", at(59*time.Second)), entry("first", at(time.Minute)), entry("last", at(119*time.Second)), entry("above", at(2*time.Minute)))
	h := &handClock{now: at(time.Hour)}
	raws, _, err := newReader(src, h.clock()).read(t.Context(), "", span{from: at(time.Minute), to: at(2 * time.Minute)}, readOptions{})
	if got, want := rawIDs(raws), []string{"first", "last"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v %v, want %v", got, err, want)
	}
}

func TestReadTrustsNoPage(t *testing.T) {
	for _, tc := range []struct {
		name  string
		after func(req PageRequest, p *Page)
		want  string
	}{
		{"a cursor that does not advance", func(_ PageRequest, p *Page) { p.Next = "2" }, "does not advance"},
		{"an entry below the span", func(_ PageRequest, p *Page) { p.Entries[0].Time = at(-time.Second) }, "outside the span"},
		{"an entry at the end of the span", func(_ PageRequest, p *Page) { p.Entries[0].Time = at(time.Hour) }, "outside the span"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src := newListing(2)
			src.add("", entry("a", at(1*time.Second)), entry("b", at(2*time.Second)), entry("c", at(3*time.Second)))
			src.after = tc.after
			h := &handClock{now: at(2 * time.Hour)}
			raws, _, err := newReader(src, h.clock()).read(t.Context(), "", span{from: at(0), to: at(time.Hour)}, readOptions{whole: true})
			if err == nil || !strings.Contains(err.Error(), tc.want) || raws != nil {
				t.Errorf("got %v %v, want an error with %q", rawIDs(raws), err, tc.want)
			}
		})
	}
}

func TestReadUsesNothingBeforeTheLastPage(t *testing.T) {
	src := newListing(2)
	src.add("", entry("a", at(1*time.Second)), entry("b", at(2*time.Second)), entry("c", at(3*time.Second)))
	src.before = func(_ context.Context, req PageRequest) error {
		if req.Cursor != "" {
			return errors.New("reset")
		}
		return nil
	}
	h := &handClock{now: at(time.Hour)}
	raws, _, err := newReader(src, h.clock()).read(t.Context(), "", span{from: at(0)}, readOptions{attempts: 2})
	if err == nil || len(raws) > 0 {
		t.Errorf("got %v %v, want nothing and an error", rawIDs(raws), err)
	}
}

func TestPageIsAskedForAgain(t *testing.T) {
	failing, throttled := errors.New("reset"), &ThrottledError{Err: errors.New("429"), After: 90 * time.Second}
	for _, tc := range []struct {
		name     string
		errs     []error // then it works
		attempts int
		requests int
		ok       bool
		slept    time.Duration // at least
	}{
		{"fails four times and works", []error{failing, failing, failing, failing}, 0, 5, true, time.Second},
		{"fails five times", []error{failing, failing, failing, failing, failing}, 0, 5, false, 0},
		{"a poll is more impatient", []error{failing, failing}, 2, 2, false, 0},
		{"throttled waits do not count as attempts", []error{throttled, throttled, throttled, throttled, throttled, throttled}, 2, 7, true, 9 * time.Minute},
		{"permanent is not tried again", []error{Permanent(failing)}, 0, 1, false, 0},
		{"refused is not tried again", []error{ErrRefused}, 0, 1, false, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src, h := newListing(2), &handClock{now: at(0)}
			errs := tc.errs
			src.before = func(context.Context, PageRequest) error {
				if len(errs) == 0 {
					return nil
				}
				err := errs[0]
				errs = errs[1:]
				return err
			}
			_, _, err := newReader(src, h.clock()).page(t.Context(), PageRequest{}, tc.attempts)
			if (err == nil) != tc.ok || len(src.requests()) != tc.requests {
				t.Errorf("%d requests and %v, want %d and ok %v", len(src.requests()), err, tc.requests, tc.ok)
			}
			if waited := h.now.Sub(at(0)); waited < tc.slept {
				t.Errorf("waited %s, want at least %s", waited, tc.slept)
			}
		})
	}
}

func TestDenseSpanIsSplit(t *testing.T) {
	src := newListing(10)
	for i := range 60 {
		src.add("", entry(string(rune('A'+i)), at(time.Duration(i)*time.Second)))
	}
	h := &handClock{now: at(time.Hour)}
	r := newReader(src, h.clock())
	r.limits = spanLimits{target: 5, dense: 20, first: time.Hour}
	for _, tc := range []struct {
		name  string
		s     span
		whole bool
		dense bool
		pages int
	}{
		{"by its first pages", span{from: at(0), to: at(time.Minute)}, false, true, densePages},
		{"not if it is to be read whole", span{from: at(0), to: at(time.Minute)}, true, false, 6},
		{"not if it holds few", span{from: at(0), to: at(15 * time.Second)}, false, false, 2},
		{"not if it is one second", span{from: at(0), to: at(time.Second)}, false, false, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := len(src.requests())
			raws, _, err := r.read(t.Context(), "", tc.s, readOptions{whole: tc.whole})
			var dense *denseError
			if errors.As(err, &dense) != tc.dense || !tc.dense && err != nil {
				t.Fatalf("got %v, want dense %v", err, tc.dense)
			}
			if dense != nil && (dense.length < time.Second || dense.length > 30*time.Second) {
				t.Errorf("next span %s, want a piece of a minute", dense.length)
			}
			if got := len(src.requests()) - before; got != tc.pages {
				t.Errorf("%d pages, want %d; %d entries", got, tc.pages, len(raws))
			}
		})
	}
}

// TestDenseSpanUnderWayIsReadToItsEnd: forty quiet minutes, and behind them, which is
// seen late, a hundred entries in as many seconds.
func TestDenseSpanUnderWayIsReadToItsEnd(t *testing.T) {
	src := newListing(10)
	for i := range 100 {
		src.add("", entry(fmt.Sprintf("burst%03d", i), at(time.Duration(i)*time.Second)))
	}
	for i := range 40 {
		src.add("", entry(fmt.Sprintf("quiet%03d", i), at(time.Duration(i+2)*time.Minute)))
	}
	h := &handClock{now: at(time.Hour)}
	r := newReader(src, h.clock())
	r.limits = spanLimits{target: 10, dense: 25, first: time.Hour}
	for _, tc := range []struct{ most, pages, entries int }{
		{0, 5, 0}, // twice dense
		{100, 10, 0},
		{141, 14, 140},
	} {
		before := len(src.requests())
		raws, _, err := r.read(t.Context(), "", span{from: at(0), to: at(42 * time.Minute)}, readOptions{most: tc.most})
		var dense *denseError
		if got := len(src.requests()) - before; got != tc.pages || len(raws) != tc.entries || errors.As(err, &dense) != (tc.entries == 0) {
			t.Errorf("most %d: %d pages, %d entries, %v, want %d and %d", tc.most, got, len(raws), err, tc.pages, tc.entries)
		}
	}
}

func TestOneSecondIsReadWholeWhateverItsSize(t *testing.T) {
	src := newListing(2)
	for i := range 30 {
		src.add("", entry(string(rune('A'+i)), at(0)))
	}
	h := &handClock{now: at(time.Hour)}
	r := newReader(src, h.clock())
	r.limits = spanLimits{target: 2, dense: 3, first: time.Hour}
	raws, _, err := r.read(t.Context(), "", span{from: at(0), to: at(time.Second)}, readOptions{})
	if err != nil || len(raws) != 30 {
		t.Errorf("%d entries, %v, want 30", len(raws), err)
	}
}

// TestAsOf: what a read may claim is never later than when its first request
// reached the source, whatever our clock says and however slow the answer is.
func TestAsOf(t *testing.T) {
	truth := at(12 * time.Hour)
	for _, tc := range []struct {
		name string
		skew time.Duration // of our clock
		took time.Duration // of the request
		date bool
		want time.Time // what it may claim
		now  time.Time // what the reader takes for now, after the answer
	}{
		{"clocks agree", 0, 0, true, truth.Add(-time.Second), truth.Add(-time.Second)},
		{"host clock two hours ahead", 2 * time.Hour, 0, true, truth.Add(-time.Second), truth.Add(-time.Second)},
		{"host clock two hours behind", -2 * time.Hour, 0, true, truth.Add(-2 * time.Hour), truth.Add(-time.Second)},
		{"slow answer", 0, time.Minute, true, truth.Add(-time.Second), truth.Add(59 * time.Second)},
		{"slow answer, host clock ahead", 2 * time.Hour, time.Minute, true, truth.Add(-time.Second), truth.Add(59 * time.Second)},
		{"no date", 0, time.Minute, false, truth, truth.Add(time.Minute)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := &handClock{now: truth.Add(tc.skew)}
			src := newListing(1)
			if tc.date {
				src.date = func() time.Time { return h.now.Add(-tc.skew) } // when it answers
			}
			src.before = func(context.Context, PageRequest) error {
				h.now = h.now.Add(tc.took)
				return nil
			}
			r := newReader(src, h.clock())
			_, asOf, err := r.read(t.Context(), "", span{from: at(0)}, readOptions{})
			if err != nil || !asOf.Equal(tc.want) {
				t.Errorf("claims %s, %v, want %s", asOf, err, tc.want)
			}
			if got := r.now(); !got.Equal(tc.now) {
				t.Errorf("now is %s, want %s", got, tc.now)
			}
		})
	}
}

func TestAsOfIsOfTheFirstRequest(t *testing.T) {
	h := &handClock{now: at(12 * time.Hour)}
	src := newListing(1)
	src.add("", entry("a", at(1*time.Second)), entry("b", at(2*time.Second)))
	src.before = func(context.Context, PageRequest) error {
		h.now = h.now.Add(time.Hour)
		return nil
	}
	_, asOf, err := newReader(src, h.clock()).read(t.Context(), "", span{from: at(0)}, readOptions{whole: true})
	if want := at(12 * time.Hour); err != nil || !asOf.Equal(want) {
		t.Errorf("claims %s, %v, want %s", asOf, err, want)
	}
}

func TestSentIsWhenTheRequestLeft(t *testing.T) {
	h := &handClock{now: at(12 * time.Hour)}
	src := newListing(1)
	src.after = func(_ PageRequest, p *Page) { p.Sent = at(13 * time.Hour) } // it waited an hour for its turn
	src.before = func(context.Context, PageRequest) error { h.now = at(13 * time.Hour); return nil }
	_, asOf, err := newReader(src, h.clock()).read(t.Context(), "", span{from: at(0)}, readOptions{})
	if want := at(13 * time.Hour); err != nil || !asOf.Equal(want) {
		t.Errorf("claims %s, %v, want %s", asOf, err, want)
	}
}

// TestOrigin: when the pipeline began is told by the time that passed since, for our
// clock may have been set before the first answer.
func TestOrigin(t *testing.T) {
	h := &handClock{now: at(14 * time.Hour)} // two hours ahead
	src := newListing(1)
	src.date = func() time.Time { return h.now.Add(-2 * time.Hour) }
	r := newReader(src, h.clock())
	if !r.start().IsZero() {
		t.Errorf("began at %s before there was an answer", r.start())
	}
	h.now = h.now.Add(10 * time.Minute)
	if _, err := r.ask(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if got, want := r.start(), at(12*time.Hour-time.Second); !got.Equal(want) {
		t.Errorf("began at %s, want %s", got, want)
	}
	h.now = h.now.Add(time.Hour)
	if _, _, err := r.read(t.Context(), "", span{from: at(0)}, readOptions{}); err != nil || !r.start().Equal(at(12*time.Hour-time.Second)) {
		t.Errorf("the beginning moved to %s, %v", r.start(), err)
	}
}

func TestEntriesSetAsideAreKeptBeforeThePageIsUsed(t *testing.T) {
	src := newListing(1)
	src.after = func(_ PageRequest, p *Page) { p.Aside = []Aside{{ID: "odd", Reason: "no time"}} }
	h := &handClock{now: at(0)}
	r := newReader(src, h.clock())
	full := errors.New("disk full")
	r.aside = func(_ context.Context, a Aside) error { return full }
	if _, _, err := r.read(t.Context(), "", span{from: at(0)}, readOptions{}); !errors.Is(err, full) || !strings.Contains(err.Error(), "odd") {
		t.Errorf("got %v, want %v of odd", err, full)
	}
}
