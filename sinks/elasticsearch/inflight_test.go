package elasticsearch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
)

// gate lets bulk requests through when so many of them are under way.
type gate struct {
	inner http.RoundTripper

	mu      sync.Mutex
	waiting []chan struct{}
	want    int
}

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/_bulk" {
		g.mu.Lock()
		through := make(chan struct{})
		g.waiting = append(g.waiting, through)
		if len(g.waiting) == g.want {
			for _, w := range g.waiting {
				close(w)
			}
			g.waiting = nil
		}
		g.mu.Unlock()
		select {
		case <-through:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	return g.inner.RoundTrip(r)
}

func TestLargeBatchesHaveSeveralRequestsUnderWay(t *testing.T) {
	f := newFake()
	g := &gate{inner: f, want: inFlight}
	k := open(t, g, func(c *Config) { c.InstallTemplate = false })
	b := batch(k, 1, inFlight*worthwhile, day, time.Second)
	if err := k.Deliver(t.Context(), b); err != nil { // hangs if they come one after the other
		t.Fatal(err)
	}
	f.check(t, b)
	if want := slices.Repeat([]int{worthwhile}, inFlight); !slices.Equal(f.creates, want) {
		t.Errorf("documents in requests: %v, want %v", f.creates, want)
	}
	g.want = 1
	small := batch(k, 2, worthwhile, day, time.Second)
	if err := k.Deliver(t.Context(), small); err != nil || len(f.creates) != inFlight+1 {
		t.Errorf("%d requests, %v; want one for few documents", len(f.creates)-inFlight, err)
	}
}

// What one request brings counts, whatever becomes of the others, and only what has
// failed is sent again.
func TestRequestsUnderWayAreJudgedEachByItself(t *testing.T) {
	for name, tc := range map[string]struct {
		what   fault
		clean  bool
		status int
	}{
		"lost":       {lost, false, 0},
		"unanswered": {unanswered, false, 0},
		"late":       {late, false, 0},
		"throttled":  {none, true, http.StatusTooManyRequests},
		"refused":    {none, true, http.StatusForbidden},
		"gateway":    {none, false, http.StatusBadGateway},
	} {
		for _, failing := range []int{1, 2} {
			f := newFake()
			k := open(t, f, func(c *Config) { c.InstallTemplate = false })
			if err := k.Deliver(t.Context(), batch(k, 9, 1, day, 0)); err != nil {
				t.Fatal(err)
			}
			n := 0
			f.fault = func(int, *http.Request) fault {
				if n++; n == failing {
					return tc.what
				}
				return none
			}
			asked := 0
			f.verify = func(*http.Request) int {
				if asked++; asked == failing && tc.status != 0 {
					return tc.status
				}
				return 0
			}
			b := batch(k, 1, 3*worthwhile, day, time.Second)
			err := k.Deliver(t.Context(), b)
			if err == nil || isClean(err) != tc.clean || errors.Is(err, pipeline.ErrRefused) != (name == "refused") {
				t.Errorf("%s, request %d: %v", name, failing, err)
			}
			if done := 3*worthwhile - k.progress.left; done == 0 || done == 3*worthwhile {
				t.Errorf("%s, request %d: %d documents are known to be there, want those of the others", name, failing, done)
			}
			left := k.progress.left
			f.release()
			f.fault, f.verify = nil, nil
			f.creates = nil
			if err := k.Deliver(t.Context(), b); err != nil {
				t.Errorf("%s, request %d, again: %v", name, failing, err)
			}
			f.check(t, b)
			sent := 0
			for _, n := range f.creates {
				sent += n
			}
			if sent != left {
				t.Errorf("%s, request %d: %d documents were sent again, want %d", name, failing, sent, left)
			}
		}
	}
}

func TestCancelledRequestsLeaveNothingUnderWay(t *testing.T) {
	f := newFake()
	g := &gate{inner: f, want: inFlight + 1} // never
	k := open(t, g, func(c *Config) { c.InstallTemplate = false })
	b := batch(k, 1, inFlight*worthwhile, day, time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := k.Deliver(ctx, b); err == nil {
		t.Fatal("delivered")
	}
	for i := range k.slots {
		if k.slots[i].done != nil {
			t.Error("a request is still under way")
		}
	}
	g.inner, g.want, g.waiting = f, 1, nil
	if err := k.Deliver(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	f.check(t, b)
}

// Requests that are refused at the same time find out together that there is another
// secret by now.
func TestSecretThatIsReplacedUnderRequests(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	write := func(key string) {
		if err := os.WriteFile(path, []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("oldoldold")
	n, problems := strictyaml.Parse([]byte("{urls: ['https://a.invalid', 'https://b.invalid'], api_key: '${file:" + path + "}', install_template: false}"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	c := Config{Schema: "ecs"}
	if problems := strictyaml.Decode(n, "", &c, new(strictyaml.Expander)); len(problems) > 0 {
		t.Fatal(problems)
	}
	f := newFake()
	k := openLane(t, f, &c, lane)
	first := batch(k, 1, 1, day, 0)
	if err := k.Deliver(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	write("newnewnew")
	f.verify = func(r *http.Request) int {
		if strings.HasSuffix(r.Header.Get("Authorization"), "newnewnew") {
			return 0
		}
		return http.StatusUnauthorized
	}
	b := batch(k, 2, 2*worthwhile, day, time.Second)
	if err := k.Deliver(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	f.check(t, b)
}

func TestWorse(t *testing.T) {
	permanent, waiting, doubt := pipeline.Permanent(io.EOF), &pipeline.ThrottledError{Err: io.EOF}, io.ErrUnexpectedEOF
	for _, tc := range []struct{ a, b, want error }{
		{nil, nil, nil}, {nil, waiting, waiting}, {doubt, nil, doubt},
		{waiting, doubt, doubt}, {doubt, waiting, doubt}, {waiting, permanent, permanent}, {permanent, doubt, permanent}, {doubt, permanent, permanent},
	} {
		if got := worse(tc.a, tc.b); got != tc.want {
			t.Errorf("worse(%v, %v) = %v, want %v", tc.a, tc.b, got, tc.want)
		}
	}
}
