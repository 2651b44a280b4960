package openaisim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestFaults lets every fault befall the second page of a walk.
func TestFaults(t *testing.T) {
	notJSON := func(t *testing.T, r *reply, _ []string) {
		if json.Valid(r.body) {
			t.Errorf("got JSON: %s", r.body)
		}
	}
	object := func(t *testing.T, r *reply, _ []string) {
		if r.err.Error.Message == "" || r.err.Error.Type == "" {
			t.Errorf("got %s, want an error object", r.body)
		}
	}
	header := func(name, value string) func(*testing.T, *reply, []string) {
		return func(t *testing.T, r *reply, ids []string) {
			object(t, r, ids)
			if got := r.header.Get(name); got != value {
				t.Errorf("got %s %q, want %q", name, got, value)
			}
		}
	}
	more := func(t *testing.T, r *reply) {
		if r.page.HasMore == nil || !*r.page.HasMore {
			t.Errorf("got %s, want more", r.body)
		}
	}
	type check func(t *testing.T, r *reply, ids []string)
	// The log is ids[0] (newest) to ids[5]; the request is limit=2&after=ids[1],
	// with a lower bound that only ids[5] fails.
	checks := map[Fault]struct {
		status int
		check  check
	}{
		FaultThrottled:     {429, header("Retry-After", "1")},
		FaultThrottledBare: {429, header("Retry-After", "")},
		FaultThrottledMillis: {429, func(t *testing.T, r *reply, ids []string) {
			header("Retry-After-Ms", "100")(t, r, ids)
			header("Retry-After", "")(t, r, ids)
		}},
		FaultThrottledLong: {429, header("Retry-After", "3600")},
		FaultThrottledDate: {429, header("Retry-After", noon.Add(2*time.Second).Format(http.TimeFormat))},
		FaultInternal:      {500, object},
		FaultOverloaded:    {503, object},
		FaultShouldRetry:   {409, header("X-Should-Retry", "true")},
		FaultNoRetry:       {500, header("X-Should-Retry", "false")},
		FaultUnauthorized:  {401, object},
		FaultHTML503:       {503, notJSON},
		FaultHTML200:       {200, notJSON},
		FaultTruncated:     {200, notJSON},
		FaultBareString: {500, func(t *testing.T, r *reply, _ []string) {
			var bare struct{ Error string }
			if json.Unmarshal(r.body, &bare) != nil || bare.Error == "" {
				t.Errorf("got %s", r.body)
			}
		}},
		FaultConcatenated: {200, func(t *testing.T, r *reply, ids []string) {
			dec := json.NewDecoder(bytes.NewReader(r.body))
			var got []string
			n := 0
			for ; dec.More(); n++ {
				var doc struct {
					Data   []listed
					LastID string `json:"last_id"`
				}
				if err := dec.Decode(&doc); err != nil {
					t.Fatal(err)
				}
				got = append(got, idsOf(doc.Data)...)
				if doc.LastID != got[len(got)-1] {
					t.Errorf("document %d ends with %s", n, doc.LastID)
				}
			}
			if n != 2 || !slices.Equal(got, ids[2:4]) {
				t.Errorf("got %d documents of %v", n, got)
			}
		}},
		FaultReset: {0, func(t *testing.T, r *reply, _ []string) {
			if !errors.Is(r.broken, syscall.ECONNRESET) && !errors.Is(r.broken, io.EOF) {
				t.Errorf("got %v", r.broken)
			}
		}},
		FaultResetBody: {200, func(t *testing.T, r *reply, _ []string) {
			if r.broken == nil || len(r.body) == 0 || json.Valid(r.body) {
				t.Errorf("got %v after %s", r.broken, r.body)
			}
		}},
		FaultSlow: {200, func(t *testing.T, r *reply, ids []string) {
			if got := r.ids(t); !slices.Equal(got, ids[2:4]) {
				t.Errorf("got %v", got)
			}
		}},
		FaultCursorNull: {200, func(t *testing.T, r *reply, _ []string) {
			more(t, r)
			if !strings.Contains(string(r.body), `"last_id":null`) {
				t.Errorf("got %s", r.body)
			}
		}},
		FaultCursorAbsent: {200, func(t *testing.T, r *reply, _ []string) {
			more(t, r)
			if strings.Contains(string(r.body), "last_id") {
				t.Errorf("got %s", r.body)
			}
		}},
		FaultCursorStuck: {200, func(t *testing.T, r *reply, ids []string) {
			more(t, r)
			if *r.page.LastID != ids[1] || !slices.Equal(r.ids(t), ids[2:4]) {
				t.Errorf("got %s", r.body)
			}
		}},
		FaultCursorGone: {400, object},
		FaultEmptyPage: {200, func(t *testing.T, r *reply, _ []string) {
			more(t, r)
			if len(r.ids(t)) != 0 {
				t.Errorf("got %s", r.body)
			}
		}},
		FaultRepeatedPage: {200, func(t *testing.T, r *reply, ids []string) {
			more(t, r)
			if !slices.Equal(r.ids(t), ids[:2]) || *r.page.LastID != ids[1] {
				t.Errorf("got %v", r.ids(t))
			}
		}},
		FaultRepeatedEntry: {200, func(t *testing.T, r *reply, ids []string) {
			more(t, r)
			if !slices.Equal(r.ids(t), ids[1:3]) {
				t.Errorf("got %v", r.ids(t))
			}
		}},
		FaultNoHasMore: {200, func(t *testing.T, r *reply, _ []string) {
			if r.page.HasMore != nil {
				t.Errorf("got %s", r.body)
			}
		}},
		FaultOutOfBounds: {200, func(t *testing.T, r *reply, ids []string) {
			if !slices.Equal(r.ids(t), ids[2:]) {
				t.Errorf("got %v", r.ids(t))
			}
		}},
	}
	for _, fault := range AllFaults() {
		c, ok := checks[fault]
		if !ok {
			t.Errorf("fault %s has no test", fault)
			continue
		}
		t.Run(string(fault), func(t *testing.T) {
			s, _ := plain(t, Config{Faults: Faults{Script: map[int]Fault{2: fault}, SlowFor: 8 * time.Millisecond}})
			ids := publish(t, s, 10, 20, 30, 40, 50, 60)
			addr, stop, err := s.Start("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // on a used connection the transport itself repeats what was reset
			defer client.CloseIdleConnections()
			query := "?limit=2&effective_at[gte]=1795003150&after=" + ids[1]
			if fault == FaultOutOfBounds {
				query = strings.Replace(query, "limit=2", "limit=9", 1)
			}
			ask := func() *reply {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+Path+query, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Authorization", "Bearer "+DefaultAdminKey)
				return read(t, client, r)
			}
			calm := ask()
			r := ask()
			if r.status != c.status {
				t.Fatalf("got status %d (%v), want %d: %s", r.status, r.broken, c.status, r.body)
			}
			c.check(t, r, ids)
			// The fault is over, and the same happens without a network.
			if again := ask(); !bytes.Equal(again.body, calm.body) {
				t.Errorf("got %s afterwards, want %s", again.body, calm.body)
			}
			if n := s.Stats().Faults[fault]; n != 1 {
				t.Errorf("counted %d times", n)
			}
			if err := s.Update(func(c *Config) { c.Faults.Script = map[int]Fault{4: fault} }); err != nil {
				t.Fatal(err)
			}
			inside := request(t, s, http.MethodGet, Path+query, DefaultAdminKey)
			if inside.status != c.status {
				t.Fatalf("without a network: got status %d, want %d", inside.status, c.status)
			}
			c.check(t, inside, ids)
		})
	}
}

func TestFaultsThatCannotApplyAreLeftOut(t *testing.T) {
	for _, fault := range []Fault{FaultCursorStuck, FaultCursorGone, FaultRepeatedPage, FaultRepeatedEntry, FaultConcatenated} {
		s, _ := plain(t, Config{Faults: Faults{Rates: map[Fault]float64{fault: 1}}})
		ids := publish(t, s, 1)
		if got := get(t, s, ""); !slices.Equal(got.ids(t), ids) || len(s.Stats().Faults) != 0 {
			t.Errorf("%s: got %s", fault, got.body)
		}
	}
}

func TestErrorRateSpreadsOverRealisticFaults(t *testing.T) {
	f := Faults{ErrorRate: 0.3, Rates: map[Fault]float64{FaultCursorNull: 0.1}}
	count := map[Fault]int{}
	const n = 100_000
	for k := range n {
		fault := f.pick(k+1, site(3, Organization), k)
		if again := f.pick(k+1, site(3, Organization), k); again != fault {
			t.Fatal("a fault is not decided by seed, site and count")
		}
		count[fault]++
	}
	for _, fault := range realistic {
		if got, want := float64(count[fault])/n, 0.3/float64(len(realistic)); got < 0.8*want || got > 1.2*want {
			t.Errorf("%s: got a share of %v, want %v", fault, got, want)
		}
	}
	for _, fault := range onlyNamed {
		if got := float64(count[fault]) / n; fault == FaultCursorNull && (got < 0.09 || got > 0.11) || fault != FaultCursorNull && got != 0 {
			t.Errorf("%s: got a share of %v", fault, got)
		}
	}
	if slices.Contains(realistic, FaultUnauthorized) || slices.Contains(realistic, FaultThrottledLong) {
		t.Error("a refusal or a long wait is among the realistic faults")
	}
}

func TestFaultsAreTheSameForOneSeed(t *testing.T) {
	statuses := func(seed uint64) (out []int) {
		s := newServer(t, Config{Seed: seed, Events: 50, Faults: Faults{ErrorRate: 0.5, SlowFor: time.Nanosecond}})
		for range 60 {
			out = append(out, get(t, s, "").status)
		}
		return out
	}
	if a, b := statuses(5), statuses(5); !slices.Equal(a, b) {
		t.Errorf("got %v, then %v", a, b)
	}
	if slices.Equal(statuses(5), statuses(6)) {
		t.Error("another seed brings the same faults")
	}
}

func TestLatencyAndSlowBodiesTakeTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Config{Events: 10, Latency: 50 * time.Millisecond, Faults: Faults{Script: map[int]Fault{2: FaultSlow}, SlowFor: time.Minute}})
		started := time.Now()
		get(t, s, "")
		if got := time.Since(started); got != 50*time.Millisecond {
			t.Errorf("got %v, want the latency", got)
		}
		started = time.Now()
		get(t, s, "")
		if got := time.Since(started); got < time.Minute || got > 61*time.Second {
			t.Errorf("got %v, want a minute", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://simulator"+Path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+DefaultAdminKey)
		if got := read(t, &http.Client{Transport: s}, r); !errors.Is(got.broken, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", got.broken)
		}
	})
}
