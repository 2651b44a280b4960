//go:build unix

package crash

import (
	"context"
	"database/sql"
	"net/url"
	"syscall"
	"testing"
	"time"

	"auditlog-connector/pipeline"
)

// stopAt sends a signal at the n-th request.
func stopAt(at int, s syscall.Signal) hook {
	return func(p *process, n int, answered bool) {
		if n == at && !answered {
			p.signal(s)
		}
	}
}

func TestFirstSignalStopsInGoodOrder(t *testing.T) {
	for name, c := range map[string]struct {
		signal syscall.Signal
		flags  []string
	}{"SIGTERM": {syscall.SIGTERM, nil}, "SIGINT": {syscall.SIGINT, nil}, "with --once": {syscall.SIGTERM, []string{"--once"}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := mustWorld(t, catchingUp())
			p, err := w.run(t.Context(), stopAt(150, c.signal), c.flags...)
			if err != nil {
				t.Fatal(err)
			}
			if code := p.cmd.ProcessState.ExitCode(); code != 0 || !p.says(`"stopped"`) {
				t.Errorf("ended with %s, want exit status 0:\n%s", p.cmd.ProcessState, p.tail())
			}
			if found, err := w.recover(t.Context()); err != nil || len(found) > 0 {
				t.Errorf("in doubt are %v, want nothing; %v", found, err)
			}
		})
	}
}

func TestFirstSignalFinishesWhatIsPrepared(t *testing.T) {
	t.Parallel()
	w, p, unlock := stuck(t, catchingUp())
	p.signal(syscall.SIGTERM)
	await(t, p, `"stopping"`)
	unlock()
	if err := p.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 || !p.says("batch settled", laneDB) {
		t.Errorf("ended with %s, want exit status 0 and the batch settled:\n%s", p.cmd.ProcessState, p.tail())
	}
	if found, err := w.recover(t.Context()); err != nil || len(found) > 0 {
		t.Errorf("in doubt are %v, want nothing; %v", found, err)
	}
}

// await waits until the process has written a line that has all of words.
func await(t *testing.T, p *process, words ...string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !p.says(words...); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("the program does not say %q:\n%s", words, p.tail())
		}
	}
}

// stuck starts the program in a world whose database is locked by another process
// from its second batch on, and returns when its delivery has failed for the first time.
func stuck(t *testing.T, o options) (w *world, p *process, unlock func()) {
	t.Helper()
	w = mustWorld(t, o)
	locked := make(chan *sql.DB, 1)
	p, err := w.start(func(p *process, n int, answered bool) {
		if n != 100 || answered {
			return
		}
		db, err := lock(context.WithoutCancel(t.Context()), w.path("audit.db"))
		if err != nil {
			t.Errorf("lock the database: %v", err)
		}
		locked <- db
	}, "run", "--config", w.path("connector.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	db := <-locked
	unlock = func() {
		if db != nil {
			_ = db.Close() // rolls back
			db = nil
		}
	}
	t.Cleanup(unlock)
	await(t, p, "batch not settled", laneDB)
	return w, p, unlock
}

// lock begins a transaction that keeps other writers out, and returns what ends it.
func lock(ctx context.Context, path string) (*sql.DB, error) {
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(10000)"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, "BEGIN IMMEDIATE")
	return db, err
}

func TestDrainTimeoutEndsADeliveryThatHangs(t *testing.T) {
	t.Parallel()
	o := catchingUp()
	o.drain = time.Second
	w, p, unlock := stuck(t, o)
	began := time.Now()
	p.signal(syscall.SIGTERM)
	if err := p.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("ended with %s, want exit status 0:\n%s", p.cmd.ProcessState, p.tail())
	}
	if took < o.drain-100*time.Millisecond || took > o.drain+10*time.Second {
		t.Errorf("ended %s after the signal, want about drain_timeout (%s)", took, o.drain)
	}
	unlock()
	found, err := w.recover(t.Context())
	if out, ok := found[laneDB]; err != nil || !ok || out != pipeline.OutcomeAbsent {
		t.Errorf("in doubt are %v, want the batch of %s, absent; %v", found, laneDB, err)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		second syscall.Signal
		want   int
	}{"SIGTERM": {syscall.SIGTERM, 143}, "SIGINT": {syscall.SIGINT, 130}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p, unlock := stuck(t, catchingUp())
			p.signal(syscall.SIGTERM)
			await(t, p, `"stopping"`)
			began := time.Now()
			p.signal(c.second)
			if err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if code := p.cmd.ProcessState.ExitCode(); code != c.want {
				t.Errorf("ended with %s, want exit status %d:\n%s", p.cmd.ProcessState, c.want, p.tail())
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("ended %s after the second signal, drain_timeout is 25s", took)
			}
			unlock()
			if found, err := w.recover(t.Context()); err != nil || len(found) == 0 {
				t.Errorf("in doubt are %v, want a batch; %v", found, err)
			}
		})
	}
}
