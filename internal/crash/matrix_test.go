//go:build unix

package crash

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"

	"auditlog-connector/pipeline"
)

// tally counts what a kind of kill did.
type tally struct {
	kind   string
	points int // tried
	killed int // of those, where the process died of it
	doubt  int // of those, that left a batch in doubt in some lane

	committed, absent int // batches in doubt, by how they were settled

	mu sync.Mutex
}

// died counts a point, and what its kill left in doubt.
func (t *tally) died(killed bool, found map[string]pipeline.Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if killed {
		t.killed++
	}
	if len(found) > 0 {
		t.doubt++
	}
}

// settled counts batches in doubt that a later life has settled as found.
func (t *tally) settled(found map[string]pipeline.Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, out := range found {
		if out == pipeline.OutcomeCommitted {
			t.committed++
		} else {
			t.absent++
		}
	}
}

// try tries the points 1 to n, as many as the flags ask for, several at a time.
// Die lets a process run into the kill.
func try(t *testing.T, kind string, n, width int, o func() options, die func(ctx context.Context, w *world, at int) (*process, error)) *tally {
	sum := &tally{kind: kind}
	var wg sync.WaitGroup
	places := make(chan struct{}, width)
	for at := 1; at <= n; at++ {
		if *point > 0 && at != *point || *point == 0 && (at-1)%max(*every, 1) != 0 {
			continue
		}
		places <- struct{}{}
		sum.points++
		wg.Go(func() {
			defer func() { <-places }()
			if err := sum.one(t.Context(), o(), func(ctx context.Context, w *world) (*process, error) { return die(ctx, w, at) }); err != nil {
				t.Errorf("%s %d: %v", kind, at, err)
			}
		})
	}
	wg.Wait()
	return sum
}

// one is a kill from the beginning to the verdict.
func (t *tally) one(ctx context.Context, o options, die func(context.Context, *world) (*process, error)) error {
	w, err := newWorld(o)
	if err != nil {
		return err
	}
	defer w.close()
	p, err := die(ctx, w)
	if err != nil {
		return err
	}
	killed, err := p.dead()
	if err != nil {
		return err
	}
	found, err := w.recover(ctx)
	if err != nil {
		return err
	}
	t.died(killed, found)
	t.settled(found)
	return nil
}

// recover looks at what a killed process left, lets the program finish and judges.
func (w *world) recover(ctx context.Context) (map[string]pipeline.Outcome, error) {
	found, err := w.autopsy(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.settle(); err != nil {
		return nil, err
	}
	p, err := w.finish(ctx)
	if err != nil {
		return nil, err
	}
	how, err := p.settled()
	if err != nil {
		return nil, err
	}
	return found, errors.Join(asFound(found, how), w.verdict(ctx))
}

// asFound makes sure that the batches in doubt, and no others, were settled as they
// had to be.
func asFound(found map[string]pipeline.Outcome, how map[string]string) error {
	if len(found) != len(how) {
		return fmt.Errorf("in doubt were %v, settled %v", found, how)
	}
	for lane, out := range found {
		want := "delivered"
		if out == pipeline.OutcomeCommitted {
			want = "resolved"
		}
		if how[lane] != want {
			return fmt.Errorf("the batch of %s was %s, and is settled as %q", lane, out, how[lane])
		}
	}
	return nil
}

// table prints the matrix.
func table(sums []*tally) string {
	var b strings.Builder
	out := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "KILLED\tPOINTS\tKILLED THERE\tIN DOUBT\tRESOLVED AS COMMITTED\tRESOLVED AS ABSENT")
	for _, s := range sums {
		fmt.Fprintf(out, "%s\t%d\t%d\t%d (%d%%)\t%d\t%d\n", s.kind, s.points, s.killed, s.doubt, 100*s.doubt/max(s.killed, 1), s.committed, s.absent)
	}
	_ = out.Flush() // to memory
	return b.String()
}

func TestMatrix(t *testing.T) {
	width := 2 * runtime.GOMAXPROCS(0) // they wait for the disk half of the time
	var sums []*tally
	kind := func(name string, f func(t *testing.T, kind string) *tally) {
		t.Run(name, func(t *testing.T) { sums = append(sums, f(t, name)) })
	}
	for _, after := range []bool{false, true} {
		when := map[bool]string{false: "before", true: "after"}[after]
		kind("request-"+when, func(t *testing.T, kind string) *tally {
			return try(t, kind, countRequests(t), width, catchingUp, atRequest(after, "--once"))
		})
		for _, what := range []string{siteStore, siteSink} {
			kind(what+"-"+when, func(t *testing.T, kind string) *tally {
				return try(t, kind, countCalls(t, what), width, catchingUp, atCall(what, when))
			})
		}
		// These wait for polls more than they work.
		kind("live-"+when, func(t *testing.T, kind string) *tally {
			return try(t, kind, liveRequests, 4*width, following, atRequest(after))
		})
	}
	kind("again-and-again", again)

	all := &tally{kind: "all"}
	for _, s := range sums {
		all.points, all.killed, all.doubt = all.points+s.points, all.killed+s.killed, all.doubt+s.doubt
		all.committed, all.absent = all.committed+s.committed, all.absent+s.absent
	}
	t.Logf("every %d:\n%s", *every, table(append(sums, all)))
	switch {
	case t.Failed() || few() || len(sums) < 9:
	case all.killed*10 < all.points*9:
		t.Errorf("only %d of %d points were reached: the runs are shorter than they were counted", all.killed, all.points)
	case all.doubt*4 < all.killed:
		t.Errorf("%d of %d kills left a batch in doubt, want a quarter: kinder than a world that proves anything", all.doubt, all.killed)
	case all.committed == 0 || all.absent == 0:
		t.Errorf("%d batches were resolved as committed and %d as absent, want some of each", all.committed, all.absent)
	}
}
