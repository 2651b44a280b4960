package file

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

var steps = []string{"begin", "written", "synced", "temporary", "renamed", "committed"}

func batch(seq uint64, n int) pipeline.Batch { return batchOn(22, seq, n) }

func batchOn(day int, seq uint64, n int) pipeline.Batch {
	records := make([]pipeline.Record, n)
	for i := range records {
		records[i] = sinktest.Record("acme", fmt.Sprintf("event-%d-%d", seq, i), time.Date(2026, 11, day, 23, 59, i, 0, time.UTC))
	}
	return sinktest.Batch(pipeline.BatchID{Lane: lane, Epoch: "e1", Seq: seq}, records)
}

func claim(t testing.TB, s *sink, next uint64) {
	t.Helper()
	if err := s.Claim(t.Context(), pipeline.Checkpoint{Epoch: "e1", Next: next}, false); err != nil {
		t.Fatal(err)
	}
}

func deliver(t testing.TB, s *sink, batches ...pipeline.Batch) {
	t.Helper()
	for _, b := range batches {
		if err := s.Deliver(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

func exactly(t *testing.T, dir string, batches ...pipeline.Batch) {
	t.Helper()
	sinktest.Exactly(t, count(t, dir), batches...)
}

func daily(dir string) Config {
	return Config{Path: filepath.Join(dir, "audit.jsonl"), Schema: "normalized", Rotate: rotateDaily}
}

func plain(dir string) Config {
	return Config{Path: filepath.Join(dir, "audit.jsonl"), Schema: "normalized", Rotate: rotateNone}
}

// childDir and childStep are where TestMain makes this program the process that
// TestKilledProcessLeavesAllOfABatchOrNothing starts, and at what it kills itself.
const childDir, childStep = "FILE_TEST_DIR", "FILE_TEST_STEP"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, "not killed:", killedChild(dir, os.Getenv(childStep)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// killedChild delivers two batches, of which the second begins another file, and kills
// this process at the step whose number and name at is.
func killedChild(dir, at string) error {
	s := openSink(daily(dir), lane)
	ctx := context.Background()
	if err := errors.Join(s.Claim(ctx, pipeline.Checkpoint{Epoch: "e1", Next: 1}, false), s.Deliver(ctx, batchOn(21, 1, 10))); err != nil {
		return err
	}
	nth := 0
	s.step = func(step string) error {
		if step == at[1:] {
			if nth++; fmt.Sprint(nth) == at[:1] {
				self, _ := os.FindProcess(os.Getpid())
				_ = self.Kill()
				select {}
			}
		}
		return nil
	}
	return s.Deliver(ctx, batchOn(22, 2, 500))
}

func TestKilledProcessLeavesAllOfABatchOrNothing(t *testing.T) {
	// The record is written twice for a batch that begins a file.
	for _, step := range []string{"1begin", "1temporary", "1renamed", "1written", "1synced", "2temporary", "2renamed", "1committed"} {
		t.Run(step, func(t *testing.T) {
			dir := t.TempDir()
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), childDir+"="+dir, childStep+"="+step)
			out, err := child.CombinedOutput()
			if child.ProcessState.Exited() {
				t.Fatalf("the child was not killed: %v\n%s", err, out)
			}
			s := openSink(daily(dir), lane)
			defer s.Close()
			claim(t, s, 3)
			first, b := batchOn(21, 1, 10), batchOn(22, 2, 500)
			want := pipeline.OutcomeAbsent
			if step == "2renamed" || step == "1committed" {
				want = pipeline.OutcomeCommitted
			}
			if out, err := s.Resolve(t.Context(), b.Manifest); out != want || err != nil {
				t.Errorf("resolve: %s, %v, want %s", out, err, want)
			}
			sinktest.Settle(t, s, b)
			exactly(t, dir, first, b)
			next := batchOn(22, 3, 2)
			deliver(t, s, next)
			exactly(t, dir, first, b, next)
		})
	}
}

func TestFailureAtEveryStepIsSettledInTheSameProcess(t *testing.T) {
	for _, step := range steps {
		for _, c := range []func(string) Config{plain, daily} {
			dir := t.TempDir()
			s := openSink(c(dir), lane)
			claim(t, s, 1)
			first, b := batch(1, 3), batch(2, 100)
			deliver(t, s, first)
			broken := errors.New("broken")
			s.step = func(at string) error {
				if at == step {
					s.step = func(string) error { return nil }
					return broken
				}
				return nil
			}
			if err := s.Deliver(t.Context(), b); !errors.Is(err, broken) {
				t.Fatalf("%s: deliver: %v", step, err)
			}
			sinktest.Settle(t, s, b)
			exactly(t, dir, first, b)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// Whatever a torn write left beyond the recorded length is cut.
func TestTornTailIsCut(t *testing.T) {
	for name, tail := range map[string]string{
		"half a line":          `{"event_id":"half`,
		"lines":                "{\"event_id\":\"a\"}\n{\"event_id\":\"b\"}\n",
		"zeros":                string(make([]byte, 10000)),
		"longer than the next": string(make([]byte, 1<<20)),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openSink(plain(dir), lane)
			claim(t, s, 1)
			first, b := batch(1, 3), batch(2, 3)
			deliver(t, s, first)
			kill(s)
			path := filepath.Join(dir, "audit.jsonl")
			write(t, path, read(t, path)+tail)

			s = openSink(plain(dir), lane)
			defer s.Close()
			claim(t, s, 3)
			exactly(t, dir, first)
			sinktest.Settle(t, s, b)
			exactly(t, dir, first, b)
		})
	}
}
