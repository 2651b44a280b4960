package pipeline

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestErrorsAreClassifiedThroughWrapping(t *testing.T) {
	base := errors.New("base")
	for _, tc := range []struct {
		name                          string
		err                           error
		permanent, throttled, refused bool
	}{
		{"none", nil, false, false, false},
		{"plain", base, false, false, false},
		{"permanent", Permanent(base), true, false, false},
		{"permanent, wrapped", fmt.Errorf("put: %w", Permanent(base)), true, false, false},
		{"refused", Permanent(fmt.Errorf("401: %w", ErrRefused)), true, false, true},
		{"throttled, wrapped", fmt.Errorf("put: %w", &ThrottledError{Err: base}), false, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := IsPermanent(tc.err); got != tc.permanent {
				t.Errorf("permanent %v, want %v", got, tc.permanent)
			}
			if got := isThrottled(tc.err); got != tc.throttled {
				t.Errorf("throttled %v, want %v", got, tc.throttled)
			}
			if got := errors.Is(tc.err, ErrRefused); got != tc.refused {
				t.Errorf("refused %v, want %v", got, tc.refused)
			}
			if tc.err != nil && tc.name != "refused" && !errors.Is(tc.err, base) {
				t.Error("what was wrapped is gone")
			}
		})
	}
	if Permanent(nil) != nil {
		t.Error("Permanent(nil) is an error")
	}
}

func TestErrorTexts(t *testing.T) {
	base := errors.New("base")
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&ThrottledError{Err: base}, "throttled: base"},
		{&ThrottledError{Err: base, After: time.Minute}, "throttled for 1m0s: base"},
		{&RejectedError{}, "no records rejected"},
		{&RejectedError{Records: map[int]error{7: errors.New("seven"), 3: errors.New("three")}}, "2 records rejected, first at index 3: three"},
		{Permanent(base), "base"},
	} {
		if got := tc.err.Error(); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}

func TestRetrierPaces(t *testing.T) {
	h := &handClock{now: at(0)}
	r := newRetrier(h.clock())
	for range 30 {
		if err := r.wait(t.Context(), errors.New("reset")); err != nil {
			t.Fatal(err)
		}
	}
	for i, d := range h.slept {
		if d <= 0 || d > 90*time.Second {
			t.Errorf("wait %d is %s, want up to a minute and a half", i, d)
		}
	}
	if r.attempts != 30 {
		t.Errorf("%d attempts, want 30", r.attempts)
	}
	if d := r.next(&ThrottledError{After: 3 * time.Hour}); d < 3*time.Hour || r.attempts != 30 {
		t.Errorf("waits %s when throttled for 3h, %d attempts", d, r.attempts)
	}
	if d := r.next(Permanent(ErrRefused)); d != refusedWait {
		t.Errorf("waits %s when refused, want %s", d, refusedWait)
	}
}
