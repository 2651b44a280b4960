package openai

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/sources"
)

func TestBudgetSpacesRequestsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(5)
		defer b.close()
		var wg sync.WaitGroup
		var mu sync.Mutex
		var left []time.Duration
		start := time.Now()
		for range 20 {
			wg.Go(func() {
				for range 5 {
					if err := b.wait(t.Context(), false); err != nil {
						t.Error(err)
					}
					mu.Lock()
					left = append(left, time.Since(start))
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		slices.Sort(left)
		if got, want := left[99], 99*200*time.Millisecond; got > want || got < want-catchUp {
			t.Errorf("100 requests took %s, want about %s", got, want)
		}
		for i := 5; i < len(left); i++ {
			if d := left[i] - left[i-5]; d < time.Second-catchUp {
				t.Fatalf("five requests within %s", d)
			}
		}
		// A rest is not saved up.
		time.Sleep(time.Hour)
		start = time.Now()
		for range 6 {
			_ = b.wait(t.Context(), false)
		}
		if got := time.Since(start); got < time.Second-catchUp {
			t.Errorf("after a rest, six requests left within %s", got)
		}
	})
}

func TestUrgentRequestsGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1)
		defer b.close()
		var mu sync.Mutex
		var order []string
		var wg sync.WaitGroup
		ask := func(name string, urgent bool) {
			wg.Go(func() {
				if err := b.wait(t.Context(), urgent); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, name)
			})
			synctest.Wait()
		}
		ask("first", false)
		ask("walk 1", false)
		ask("walk 2", false)
		ask("poll 1", true)
		ask("poll 2", true)
		wg.Wait()
		if want := []string{"first", "poll 1", "poll 2", "walk 1", "walk 2"}; !slices.Equal(order, want) {
			t.Errorf("%q, want %q", order, want)
		}
	})
}

func TestWaitEndsWithItsContextAndWithTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1)
		b.pause(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if err := b.wait(ctx, true); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		if err := b.wait(ctx, true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		done := make(chan error)
		go func() { done <- b.wait(t.Context(), false) }()
		synctest.Wait()
		b.close()
		if err := <-done; !errors.Is(err, errClosed) {
			t.Errorf("%v, want %v", err, errClosed)
		}
		if err := b.wait(t.Context(), false); !errors.Is(err, errClosed) {
			t.Errorf("%v, want %v", err, errClosed)
		}
	})
}

func TestThrottledAnswerHoldsEverybodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		s := openSource(t, nil, sources.Env{Transport: server(func(*http.Request) (int, http.Header, string) {
			if asked.Add(1) == 1 {
				return 429, http.Header{"Retry-After": {"10800"}}, ""
			}
			return 200, nil, `{"data":[],"has_more":false}`
		})})
		start := time.Now()
		var te *pipeline.ThrottledError
		if _, err := s.Page(t.Context(), org(0, 0)); !errors.As(err, &te) || te.After != 3*time.Hour {
			t.Fatalf("%v", err)
		}
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				req := org(0, 0)
				req.Urgent = i%2 == 0
				page, err := s.Page(t.Context(), req)
				if err != nil {
					t.Error(err)
				}
				if got := page.Sent.Sub(start); got < 3*time.Hour || got > 3*time.Hour+time.Second {
					t.Errorf("sent after %s", got)
				}
			})
		}
		synctest.Wait()
		if n := asked.Load(); n != 1 {
			t.Errorf("%d requests during the pause", n-1)
		}
		wg.Wait()
	})
}
