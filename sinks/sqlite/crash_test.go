package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/sinktest"
)

const lane = "acme/sink"

var steps = []string{"begin", "inserted", "marked", "committed"}

func batch(seq uint64, n int) pipeline.Batch {
	return batchOf("e1", seq, "event", n)
}

func batchOf(epoch string, seq uint64, prefix string, n int) pipeline.Batch {
	records := make([]pipeline.Record, n)
	for i := range records {
		records[i] = sinktest.Record("acme", fmt.Sprintf("%s-%d-%d", prefix, seq, i), time.Date(2026, 11, 22, 0, 0, i, 0, time.UTC))
	}
	return sinktest.Batch(pipeline.BatchID{Lane: lane, Epoch: epoch, Seq: seq}, records)
}

func claim(t testing.TB, s *sink, epoch string, next uint64) {
	t.Helper()
	if err := s.Claim(t.Context(), pipeline.Checkpoint{Epoch: epoch, Next: next}, false); err != nil {
		t.Fatal(err)
	}
}

func exactly(t *testing.T, path string, batches ...pipeline.Batch) {
	t.Helper()
	sinktest.Exactly(t, count(t, path), batches...)
}

// childPath and childStep are where TestMain makes this program the process that
// TestKilledProcessLeavesAllOfABatchOrNothing starts, and at what it kills itself.
const childPath, childStep = "SQLITE_TEST_PATH", "SQLITE_TEST_STEP"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		fmt.Fprintln(os.Stderr, "not killed:", killedChild(path, os.Getenv(childStep)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// killedChild delivers two batches and kills this process at a step of the second.
func killedChild(path, at string) error {
	s := newSink(path, env(lane))
	ctx := context.Background()
	if err := errors.Join(s.Claim(ctx, pipeline.Checkpoint{Epoch: "e1", Next: 1}, false), s.Deliver(ctx, batch(1, 10))); err != nil {
		return err
	}
	s.step = func(step string) error {
		if step == at {
			self, _ := os.FindProcess(os.Getpid())
			_ = self.Kill()
			select {}
		}
		return nil
	}
	return s.Deliver(ctx, batch(2, 500))
}

func TestKilledProcessLeavesAllOfABatchOrNothing(t *testing.T) {
	for _, step := range steps {
		t.Run(step, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.db")
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), childPath+"="+path, childStep+"="+step)
			out, err := child.CombinedOutput()
			if child.ProcessState.Exited() {
				t.Fatalf("the child was not killed: %v\n%s", err, out)
			}
			s := openSink(t, path, lane)
			defer s.Close()
			claim(t, s, "e1", 3)
			first, b := batch(1, 10), batch(2, 500)
			want := pipeline.OutcomeAbsent
			if step == "committed" {
				want = pipeline.OutcomeCommitted
			}
			if out, err := s.Resolve(t.Context(), b.Manifest); out != want || err != nil {
				t.Errorf("resolve: %s, %v, want %s", out, err, want)
			}
			sinktest.Settle(t, s, b)
			exactly(t, path, first, b)
		})
	}
}

// A process that was stopped, not killed, may commit after its successor asked.
func TestCommitAfterTheSuccessorAskedIsNotRepeated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	old := openSink(t, path, lane)
	defer old.Close()
	claim(t, old, "e1", 1)
	b := batch(1, 20)
	paused, resume, done := make(chan struct{}), make(chan struct{}), make(chan error)
	old.step = func(step string) error {
		if step == "marked" {
			close(paused)
			<-resume
		}
		return nil
	}
	go func() { done <- old.Deliver(t.Context(), b) }()
	<-paused

	s := openSink(t, path, lane)
	defer s.Close()
	if out, err := s.Resolve(t.Context(), b.Manifest); err == nil && out == pipeline.OutcomeCommitted {
		t.Fatal("committed before it was")
	}
	close(resume)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := s.Deliver(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	exactly(t, path, b)
}

func TestFailureAtEveryStepIsSettledInTheSameProcess(t *testing.T) {
	for _, step := range steps {
		path := filepath.Join(t.TempDir(), "audit.db")
		s := openSink(t, path, lane)
		claim(t, s, "e1", 1)
		broken := errors.New("broken")
		s.step = func(at string) error {
			if at == step {
				s.step = nil
				return broken
			}
			return nil
		}
		b := batch(1, 100)
		if err := s.Deliver(t.Context(), b); !errors.Is(err, broken) {
			t.Fatalf("%s: deliver: %v", step, err)
		}
		sinktest.Settle(t, s, b)
		exactly(t, path, b)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
