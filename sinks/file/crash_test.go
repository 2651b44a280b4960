package file

import (
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

// settle does what the pipeline does after a restart.
func settle(t *testing.T, s *sink, b pipeline.Batch) {
	t.Helper()
	out, err := s.Resolve(t.Context(), b.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	if out != pipeline.OutcomeCommitted {
		deliver(t, s, b)
	}
}

func exactly(t *testing.T, dir string, batches ...pipeline.Batch) {
	t.Helper()
	got, want := count(t, dir), 0
	for _, b := range batches {
		want += len(b.Records)
		for _, r := range b.Records {
			if got[r.ID] != 1 {
				t.Errorf("event %s: %d copies, want 1", r.ID, got[r.ID])
			}
		}
	}
	if len(got) != want {
		t.Errorf("%d events, want %d", len(got), want)
	}
}

func daily(dir string) Config {
	return Config{Path: filepath.Join(dir, "audit.jsonl"), Schema: "normalized", Rotate: rotateDaily}
}

func plain(dir string) Config {
	return Config{Path: filepath.Join(dir, "audit.jsonl"), Schema: "normalized", Rotate: rotateNone}
}

// TestKilledChild is the process that the test below starts. Its second batch
// begins another file.
func TestKilledChild(t *testing.T) {
	dir, at := os.Getenv("FILE_TEST_DIR"), os.Getenv("FILE_TEST_STEP")
	if dir == "" {
		t.Skip("only as a child process")
	}
	s := openSink(daily(dir), lane)
	claim(t, s, 1)
	deliver(t, s, batchOn(21, 1, 10))
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
	t.Fatal(s.Deliver(t.Context(), batchOn(22, 2, 500)))
}

func TestKilledProcessLeavesAllOfABatchOrNothing(t *testing.T) {
	// The record is written twice for a batch that begins a file.
	for _, step := range []string{"1begin", "1temporary", "1renamed", "1written", "1synced", "2temporary", "2renamed", "1committed"} {
		t.Run(step, func(t *testing.T) {
			dir := t.TempDir()
			child := exec.Command(os.Args[0], "-test.run=^TestKilledChild$")
			child.Env = append(os.Environ(), "FILE_TEST_DIR="+dir, "FILE_TEST_STEP="+step)
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
			settle(t, s, b)
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
			settle(t, s, b)
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
			settle(t, s, b)
			exactly(t, dir, first, b)
		})
	}
}
