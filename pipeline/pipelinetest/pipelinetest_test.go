package pipelinetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"auditlog-connector/pipeline"
)

const lane = "acme/sink"

func batch(s *Sink, epoch string, seq uint64, ids ...string) pipeline.Batch {
	b := pipeline.Batch{Manifest: pipeline.Manifest{ID: pipeline.BatchID{Lane: lane, Epoch: epoch, Seq: seq}}}
	for _, id := range ids {
		p := pipeline.Position{Time: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), ID: id}
		b.Members = append(b.Members, p)
		b.Records = append(b.Records, pipeline.Record{Event: pipeline.Event{Raw: pipeline.Raw{Position: p}}})
	}
	b.Place = s.Place(b.Manifest)
	return b
}

func claim(t *testing.T, s *Sink, next uint64) {
	t.Helper()
	if err := s.Claim(t.Context(), pipeline.Checkpoint{Epoch: "e1", Next: next}, false); err != nil {
		t.Fatal(err)
	}
}

// script is a network that gives the next deliver requests these fates.
func script(fates ...Fate) func(string) Fate {
	return func(op string) Fate {
		if op != OpDeliver || len(fates) == 0 {
			return FatePass
		}
		f := fates[0]
		fates = fates[1:]
		return f
	}
}

func TestDelayedWriteFollowsTheKindsRule(t *testing.T) {
	for _, tc := range []struct {
		kind Kind
		want int // copies once the delayed write of a batch delivered again arrives
	}{{Objects, 1}, {Transactions, 1}, {Creates, 1}, {Appends, 2}} {
		for _, reopen := range []bool{false, true} {
			t.Run(tc.kind.String(), func(t *testing.T) {
				d := NewDestination(tc.kind)
				s := d.Open(lane, script(FateLate))
				claim(t, s, 1)
				b := batch(s, "e1", 1, "a")
				if err := s.Deliver(t.Context(), b); !errors.Is(err, ErrNetwork) {
					t.Fatalf("deliver: %v, want ErrNetwork", err)
				}
				if d.Late() != 1 || len(d.Contents()) != 0 {
					t.Fatalf("%d delayed, contents %v", d.Late(), d.Contents())
				}
				if reopen {
					s = d.Open(lane, nil)
					claim(t, s, 2)
				}
				if err := s.Deliver(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				d.Release(0)
				if got := d.Contents()["a"]; got != tc.want || d.Late() != 0 {
					t.Errorf("%d copies, want %d; %d delayed", got, tc.want, d.Late())
				}
			})
		}
	}
}

func TestDelayedWriteThatNothingStoppedArrives(t *testing.T) {
	for _, kind := range Kinds {
		d := NewDestination(kind)
		s := d.Open(lane, script(FateLate))
		claim(t, s, 1)
		b := batch(s, "e1", 1, "a", "b")
		_ = s.Deliver(t.Context(), b)
		d.Release(0)
		if got := d.LaneContents(lane); got["a"] != 1 || got["b"] != 1 || len(d.Batches()) != 1 {
			t.Errorf("%s: %v", kind, got)
		}
		want := map[Kind]pipeline.Outcome{Objects: pipeline.OutcomeCommitted, Transactions: pipeline.OutcomeCommitted,
			Creates: pipeline.OutcomeAbsent, Appends: pipeline.OutcomeUnknown}[kind]
		if out, err := s.Resolve(t.Context(), b.Manifest); out != want || err != nil {
			t.Errorf("%s: resolve: %s, %v, want %s", kind, out, err, want)
		}
	}
}

func TestOlderProcessIsFenced(t *testing.T) {
	d := NewDestination(Transactions)
	old := d.Open(lane, nil)
	claim(t, old, 1)
	s := d.Open(lane, nil)
	claim(t, s, 1)
	if err := old.Deliver(t.Context(), batch(old, "e1", 1, "a")); !errors.Is(err, pipeline.ErrFenced) {
		t.Fatalf("deliver: %v, want ErrFenced", err)
	}
	if _, err := old.Resolve(t.Context(), batch(old, "e1", 1, "a").Manifest); !errors.Is(err, pipeline.ErrFenced) {
		t.Fatalf("resolve: %v, want ErrFenced", err)
	}
	if len(d.Contents()) != 0 {
		t.Fatal(d.Contents())
	}
}

func TestCrashBeforeAndAfterTheEffect(t *testing.T) {
	for _, kind := range Kinds {
		for _, after := range []bool{false, true} {
			d := NewDestination(kind)
			crash := func(op string) {
				if op == OpDeliver {
					panic("killed")
				}
			}
			s := d.Open(lane, func(op string) Fate {
				if !after {
					crash(op)
				}
				return FatePass
			})
			s.OnAnswer(crash)
			claim(t, s, 1)
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: no crash", kind)
					}
				}()
				_ = s.Deliver(t.Context(), batch(s, "e1", 1, "a"))
			}()
			if got, want := d.Contents()["a"], map[bool]int{true: 1}[after]; got != want {
				t.Errorf("%s, after %t: %d copies, want %d", kind, after, got, want)
			}
		}
	}
}

func TestViolations(t *testing.T) {
	ctx := context.Background()
	for _, tc := range []struct {
		name string
		kind Kind
		do   func(d *Destination, s *Sink)
		want string // "" none
	}{
		{"the same batch again", Appends, func(_ *Destination, s *Sink) {
			_ = s.Deliver(ctx, batch(s, "e1", 1, "a"))
			_ = s.Deliver(ctx, batch(s, "e1", 1, "a"))
		}, ""},
		{"other members accepted", Creates, func(_ *Destination, s *Sink) {
			_ = s.Deliver(ctx, batch(s, "e1", 1, "a"))
			_ = s.Deliver(ctx, batch(s, "e1", 1, "b"))
		}, "other members"},
		{"other members refused", Transactions, func(_ *Destination, s *Sink) {
			_ = s.Deliver(ctx, batch(s, "e1", 1, "a"))
			_ = s.Deliver(ctx, batch(s, "e1", 1, "b"))
		}, ""},
		{"empty batch", Appends, func(_ *Destination, s *Sink) { _ = s.Deliver(ctx, batch(s, "e1", 1)) }, "empty"},
		{"record missing", Appends, func(_ *Destination, s *Sink) {
			b := batch(s, "e1", 1, "a", "b")
			b.Records = b.Records[:1]
			_ = s.Deliver(ctx, b)
		}, "1 records for 2 members"},
		{"records in another order", Appends, func(_ *Destination, s *Sink) {
			b := batch(s, "e1", 1, "a", "b")
			b.Records[0], b.Records[1] = b.Records[1], b.Records[0]
			_ = s.Deliver(ctx, b)
		}, `record 0 is "b"`},
		{"place changed", Objects, func(d *Destination, s *Sink) {
			_ = s.Deliver(ctx, batch(s, "e1", 1, "a"))
			d.SetPrefix("elsewhere/")
			s = d.Open(lane, nil)
			_ = s.Claim(ctx, pipeline.Checkpoint{Epoch: "e1", Next: 2}, false)
			_ = s.Deliver(ctx, batch(s, "e1", 1, "a"))
		}, "place changed"},
		{"called after close", Appends, func(_ *Destination, s *Sink) {
			_ = s.Close()
			_ = s.Deliver(ctx, batch(s, "e1", 1, "a"))
		}, "after Close"},
		{"called during a call", Appends, func(d *Destination, _ *Sink) {
			var s *Sink
			s = d.Open(lane, func(op string) Fate {
				if op == OpDeliver {
					_, _ = s.Resolve(ctx, pipeline.Manifest{})
				}
				return FatePass
			})
			_ = s.Deliver(ctx, batch(s, "e1", 1, "a"))
		}, "during another call"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := NewDestination(tc.kind)
			s := d.Open(lane, nil)
			claim(t, s, 1)
			tc.do(d, s)
			got := strings.Join(d.Violations(), "\n")
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
				t.Errorf("violations %q, want %q", got, tc.want)
			}
		})
	}
}
