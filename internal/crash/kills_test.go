//go:build unix

package crash

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/pipeline"
)

// The log is the same in every world: a month of it, with ties and both streams.
var logEnd = time.Date(2025, 6, 20, 12, 0, 0, 0, time.UTC)

// catchingUp is a log that one run reads with some 200 requests.
func catchingUp() options {
	return options{
		pageSize: 7, batch: 32, from: logEnd.AddDate(0, 0, -31),
		sim: openaisim.Config{
			Seed: 4, Events: 1000, From: logEnd.AddDate(0, 0, -30), To: logEnd, Both: 0.05, OddTimes: 0.01, Latency: 4 * time.Millisecond,
		},
	}
}

// following is a log that grows while it is read, at its end and in its past.
func following() options {
	now := time.Now()
	return options{
		pageSize: 20, batch: 10, from: now.AddDate(0, 0, -3),
		sim: openaisim.Config{
			Seed: 5, Events: 150, From: now.AddDate(0, 0, -2), To: now, Both: 0.05,
			Rate: 40, Late: 0.2, LateMax: 2 * time.Second, Future: 0.01, FutureMax: time.Hour,
			Backfill: 0.5, BackfillAge: 20 * time.Hour, BackfillWithin: 3 * time.Second, Latency: 5 * time.Millisecond,
		},
	}
}

// liveRequests is how many requests of a long run are tried: some seconds of polls
// and sweeps after it has caught up.
const liveRequests = 60

// run starts the program in w until a hook kills it or it ends by itself.
func (w *world) run(ctx context.Context, at hook, flags ...string) (*process, error) {
	p, err := w.start(at, append([]string{"run", "--config", w.path("connector.yaml")}, flags...)...)
	if err != nil {
		return nil, err
	}
	return p, p.wait(ctx)
}

// killAt kills a process at its request at.
func killAt(at int, after bool) hook {
	return func(p *process, n int, answered bool) {
		if n == at && answered == after {
			p.kill()
		}
	}
}

// atRequest kills the program at one of its requests.
func atRequest(after bool, flags ...string) func(ctx context.Context, w *world, at int) (*process, error) {
	return func(ctx context.Context, w *world, at int) (*process, error) {
		return w.run(ctx, killAt(at, after), flags...)
	}
}

// countRequests counts the requests of an undisturbed run.
func countRequests(t *testing.T) int {
	w := mustWorld(t, catchingUp())
	p, err := w.finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.verdict(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := w.sim.Stats().Requests - p.base
	if n < 150 || n > 400 {
		t.Errorf("an undisturbed run makes %d requests, want about 200", n)
	}
	return n
}

// child starts this very program as an exporter that kills itself at a call.
func (w *world) child(site, when string, at int) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, w.path("connector.yaml"))
	cmd.Env = []string{
		"OPENAI_ADMIN_KEY=" + openaisim.DefaultAdminKey,
		fmt.Sprintf("%s=%s %s %d", suicideEnv, site, when, at),
	}
	return w.launch(nil, cmd)
}

// atCall lets a child kill itself before or after its n-th call of a site.
func atCall(site, when string) func(ctx context.Context, w *world, at int) (*process, error) {
	return func(ctx context.Context, w *world, at int) (*process, error) {
		p, err := w.child(site, when, at)
		if err != nil {
			return nil, err
		}
		return p, p.wait(ctx)
	}
}

// countCalls counts the calls of a site in a child that does not kill itself.
func countCalls(t *testing.T, site string) int {
	w := mustWorld(t, catchingUp())
	p, err := w.child(site, "never", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !p.cmd.ProcessState.Success() {
		t.Fatalf("the child ended with %s:\n%s", p.cmd.ProcessState, p.tail())
	}
	if err := w.verdict(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(p.output())), "\n")
	n, err := strconv.Atoi(strings.TrimPrefix(lines[len(lines)-1], "calls "))
	if err != nil || n < 50 {
		t.Fatalf("the child makes %d calls, %v:\n%s", n, err, p.tail())
	}
	return n
}

// again kills every life of one history, also while it settles what the one before
// left in doubt.
func again(t *testing.T, kind string) *tally {
	sum := &tally{kind: kind}
	if *point > 0 {
		return sum
	}
	o := catchingUp()
	o.sim.Events, o.pageSize, o.batch = 2000, 50, 8 // a life gets somewhere with few requests
	w := mustWorld(t, o)
	left := make(map[string]pipeline.Outcome)
	gaps := []int{24, 3, 28, 1, 5, 40, 2, 24, 4, 33}
	for life := 0; life < 200; life++ {
		// More and more requests, so that there is an end to it.
		given := gaps[life%len(gaps)] * (1 + life/len(gaps))
		p, err := w.run(t.Context(), killAt(given, life%2 == 0), "--once")
		if err != nil {
			t.Fatal(err)
		}
		how, err := p.settled()
		if err != nil {
			t.Fatal(err)
		}
		for lane := range how {
			one := map[string]pipeline.Outcome{lane: left[lane]}
			if err := asFound(one, map[string]string{lane: how[lane]}); err != nil {
				t.Fatalf("life %d: %v", life, err)
			}
			sum.settled(one)
		}
		killed, err := p.dead()
		if err != nil {
			t.Fatal(err)
		}
		if left, err = w.autopsy(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !killed {
			if err := w.verdict(t.Context()); err != nil || len(left) > 0 {
				t.Errorf("after %d lives in doubt are %v, %v", life, left, err)
			}
			return sum
		}
		sum.points++
		sum.died(true, left)
	}
	t.Errorf("no end after 200 lives")
	return sum
}
