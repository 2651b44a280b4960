// Package checkpointtest is the suite that every [pipeline.Store] passes.
package checkpointtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"auditlog-connector/pipeline"
)

// Harness is the store under test.
type Harness struct {
	// Open opens the store that is kept in dir, as a process that starts would.
	// The suite closes it.
	Open func(dir string) (pipeline.Store, error)

	// OnDisk: the state is the files in dir and nothing else. Such a store has
	// to refuse a second owner and files that are damaged.
	OnDisk bool
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	t.Run("a new lane starts where it is told, with an epoch of its own", h.newLane)
	t.Run("a batch is prepared, then delivered, across restarts", h.lifeOfABatch)
	t.Run("progress without members takes effect at once", h.progressOnly)
	t.Run("members below the lowest floor are forgotten, a late one keeps nothing else", h.forgets)
	t.Run("a call out of order is an error and changes nothing", h.outOfOrder)
	t.Run("random histories agree with the model", h.randomWalk)
	t.Run("lanes advance at the same time", h.parallel)
	t.Run("a cancelled context loads nothing", h.cancelled)
	if h.OnDisk {
		t.Run("a second owner is refused", h.secondOwner)
		t.Run("a damaged file is an error that names it", h.damage)
		t.Run("an older file is an error that names it", h.olderFile)
		t.Run("a missing or cut file is an error that names it", h.missingFile)
	}
}

func (h Harness) open(t *testing.T, dir string) pipeline.Store {
	t.Helper()
	s, err := h.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func load(t *testing.T, s pipeline.Store, lane string, start time.Time) pipeline.Checkpoint {
	t.Helper()
	cp, err := s.Load(t.Context(), lane, start)
	if err != nil {
		t.Fatal(err)
	}
	return cp
}

func advance(t *testing.T, s pipeline.Store, st Step) {
	t.Helper()
	if err := s.Advance(t.Context(), st.Lane, st.Done, st.Next); err != nil {
		t.Fatal(err)
	}
}

func closeStore(t *testing.T, s pipeline.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Diff says where two checkpoints begin to differ, or "". No map and an empty one
// are one, and so are no list and an empty one.
func Diff(got, want pipeline.Checkpoint) string {
	g, w := describe(got), describe(want)
	if g == w {
		return ""
	}
	at := 0
	for at < min(len(g), len(w)) && g[at] == w[at] {
		at++
	}
	at = max(at-60, 0)
	return fmt.Sprintf("got  …%.200s\nwant …%.200s", g[at:], w[at:])
}

func describe(cp pipeline.Checkpoint) string {
	prepared := "none"
	if m := cp.Prepared; m != nil {
		prepared = fmt.Sprintf("%v place %q watermarks %v floors %v joined %v members %v", m.ID, m.Place, m.Watermarks, m.Floors, m.Joined, m.Members)
	}
	return fmt.Sprintf("epoch %s next %d last %d start %v takeover %v streams %v prepared (%s) delivered %d %v",
		cp.Epoch, cp.Next, cp.Last, cp.Start, cp.Takeover, cp.Streams, prepared, len(cp.Delivered), cp.Delivered)
}

func (h Harness) newLane(t *testing.T) {
	dir := t.TempDir()
	s := h.open(t, dir)
	start := origin.Add(1234567 * time.Nanosecond)
	a, b := load(t, s, "acme/a", start), load(t, s, "acme/b", time.Time{})
	if len(a.Epoch) != 8 || strings.Trim(a.Epoch, "0123456789abcdef") != "" || a.Epoch == b.Epoch {
		t.Errorf("epochs are %q and %q, want 8 hex digits each and not the same", a.Epoch, b.Epoch)
	}
	if !a.Start.Equal(start) || !b.Start.IsZero() || a.Next == 0 {
		t.Errorf("new lane: %s", describe(a))
	}
	closeStore(t, s)
	s = h.open(t, dir)
	defer closeStore(t, s)
	if d := Diff(load(t, s, "acme/a", origin.AddDate(1, 0, 0)), a); d != "" {
		t.Errorf("loaded with another start, after a restart:\n%s", d)
	}
}

func (h Harness) lifeOfABatch(t *testing.T) {
	dir, lane := t.TempDir(), "acme/a"
	s := h.open(t, dir)
	cp := load(t, s, lane, origin)
	m := NewModel()
	m.Add(lane, cp.Epoch, cp.Start)
	batch := func(n int) *pipeline.Manifest {
		at := origin.Add(time.Duration(n) * time.Second)
		return &pipeline.Manifest{
			ID:         pipeline.BatchID{Lane: lane, Epoch: cp.Epoch, Seq: uint64(n)},
			Members:    []pipeline.Position{{Time: at, ID: fmt.Sprint("b-", n)}, {Time: at, ID: fmt.Sprint("a-", n, "\x00é")}, {Time: at.Add(-time.Hour)}},
			Watermarks: map[string]time.Time{"organization": at.Add(time.Millisecond)},
			Floors:     map[string]time.Time{"organization": origin.Add(-2 * time.Hour)},
			Joined:     map[string]time.Time{"organization": origin},
			Place:      "somewhere/é",
		}
	}
	for _, st := range []Step{{lane, false, batch(1)}, {lane, true, batch(2)}, {lane, true, nil}, {lane, false, nil}, {lane, false, batch(3)}} {
		advance(t, s, st)
		m.Advance(st)
		closeStore(t, s)
		s = h.open(t, dir)
		got := load(t, s, lane, time.Time{})
		if d := Diff(got, m.Checkpoint(lane)); d != "" {
			t.Errorf("after done=%v next=%v:\n%s", st.Done, st.Next != nil, d)
		}
		if p := got.Prepared; p != nil && !reflect.DeepEqual(*p, *st.Next) {
			t.Errorf("prepared %+v, want %+v", *p, *st.Next)
		}
	}
	closeStore(t, s)
}

func (h Harness) progressOnly(t *testing.T) {
	s := h.open(t, t.TempDir())
	defer closeStore(t, s)
	lane := "acme/a"
	cp := load(t, s, lane, origin)
	at := origin.Add(time.Hour)
	advance(t, s, Step{Lane: lane, Next: &pipeline.Manifest{
		ID:         pipeline.BatchID{Lane: lane, Epoch: cp.Epoch, Seq: cp.Next},
		Watermarks: map[string]time.Time{"tenant": at}, Floors: map[string]time.Time{"tenant": origin}, Joined: map[string]time.Time{"tenant": at}}})
	got := load(t, s, lane, origin)
	want := pipeline.Progress{Watermark: at, Floor: origin, Joined: at}
	if got.Prepared != nil || got.Next != cp.Next || got.Streams["tenant"] != want {
		t.Errorf("after progress alone: %s", describe(got))
	}
}

func (h Harness) forgets(t *testing.T) {
	s := h.open(t, t.TempDir())
	defer closeStore(t, s)
	lane := "acme/a"
	cp := load(t, s, lane, origin)
	at := func(sec int) time.Time { return origin.Add(time.Duration(sec) * time.Second) }
	seq := cp.Next
	put := func(done bool, floor int, members ...pipeline.Position) {
		t.Helper()
		advance(t, s, Step{lane, done, &pipeline.Manifest{ID: pipeline.BatchID{Lane: lane, Epoch: cp.Epoch, Seq: seq}, Members: members,
			Floors: map[string]time.Time{"organization": at(floor)}}})
		seq++
	}
	put(false, 0, pipeline.Position{Time: at(0), ID: "old"}, pipeline.Position{Time: at(900), ID: "future"})
	put(true, 0, pipeline.Position{Time: at(1), ID: "old too"})
	put(true, 100, pipeline.Position{Time: at(99), ID: "below"}, pipeline.Position{Time: at(100), ID: "at the floor"})
	advance(t, s, Step{Lane: lane, Done: true})
	var ids []string
	for _, p := range load(t, s, lane, origin).Delivered {
		ids = append(ids, p.ID)
	}
	if got, want := strings.Join(ids, ", "), "future, at the floor"; got != want {
		t.Errorf("delivered: %s, want %s", got, want)
	}
}

func (h Harness) outOfOrder(t *testing.T) {
	s := h.open(t, t.TempDir())
	defer closeStore(t, s)
	lane := "acme/a"
	cp := load(t, s, lane, origin)
	batch := func(seq uint64, change func(*pipeline.Manifest)) *pipeline.Manifest {
		m := &pipeline.Manifest{ID: pipeline.BatchID{Lane: lane, Epoch: cp.Epoch, Seq: seq}, Members: []pipeline.Position{{Time: origin, ID: "x"}},
			Floors: map[string]time.Time{"organization": origin}}
		if change != nil {
			change(m)
		}
		return m
	}
	empty := func(m *pipeline.Manifest) { m.Members = nil }
	refuse := func(what string, st Step) {
		t.Helper()
		before := load(t, s, lane, origin)
		if err := s.Advance(t.Context(), st.Lane, st.Done, st.Next); err == nil {
			t.Errorf("%s: accepted", what)
		} else if !strings.Contains(err.Error(), st.Lane) {
			t.Errorf("%s: the error does not name the lane: %v", what, err)
		}
		if d := Diff(load(t, s, lane, origin), before); d != "" {
			t.Errorf("%s changed the lane:\n%s", what, d)
		}
	}
	n := cp.Next
	refuse("done without anything prepared", Step{lane, true, nil})
	refuse("a number too high", Step{lane, false, batch(n+1, nil)})
	refuse("a number too low", Step{lane, false, batch(n-1, nil)})
	refuse("another epoch", Step{lane, false, batch(n, func(m *pipeline.Manifest) { m.ID.Epoch = "00000000" })})
	refuse("another lane", Step{lane, false, batch(n, func(m *pipeline.Manifest) { m.ID.Lane = "acme/b" })})
	refuse("progress of another epoch", Step{lane, false, batch(n, func(m *pipeline.Manifest) { m.ID.Epoch, m.Members = "00000000", nil })})
	refuse("a time that is not whole", Step{lane, false, batch(n, func(m *pipeline.Manifest) { m.Members[0].Time = origin.Add(1) })})
	refuse("a lane that was not loaded", Step{"acme/unknown", false, nil})
	advance(t, s, Step{lane, false, batch(n, nil)})
	refuse("prepared while prepared", Step{lane, false, batch(n+1, nil)})
	refuse("progress while prepared", Step{lane, false, batch(n+1, empty)})
	advance(t, s, Step{lane, true, nil})
	refuse("done twice", Step{lane, true, nil})
	refuse("a floor that goes back", Step{lane, false, batch(n+1, func(m *pipeline.Manifest) {
		m.Members, m.Floors["organization"] = nil, origin.Add(-time.Second)
	})})
	advance(t, s, Step{lane, false, batch(n+1, nil)})
}

// Seed returns the seed of a random test, which it prints if the test fails.
func Seed(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

func (h Harness) randomWalk(t *testing.T) {
	rng := Seed(t)
	dir, lanes := t.TempDir(), []string{"acme/a", "acme/b", "beta/a"}
	s := h.open(t, dir)
	m := NewModel()
	for _, lane := range lanes {
		m.Add(lane, load(t, s, lane, origin).Epoch, origin)
	}
	for i := range 150 {
		if rng.IntN(8) == 0 {
			closeStore(t, s)
			s = h.open(t, dir)
			for _, lane := range lanes {
				if d := Diff(load(t, s, lane, time.Time{}), m.Checkpoint(lane)); d != "" {
					t.Fatalf("step %d, lane %s, after a restart:\n%s", i, lane, d)
				}
			}
		}
		st := m.Random(rng, lanes[rng.IntN(len(lanes))])
		advance(t, s, st)
		m.Advance(st)
	}
	for _, lane := range lanes {
		if d := Diff(load(t, s, lane, time.Time{}), m.Checkpoint(lane)); d != "" {
			t.Errorf("lane %s, at the end:\n%s", lane, d)
		}
	}
	closeStore(t, s)
}

func (h Harness) parallel(t *testing.T) {
	dir := t.TempDir()
	s := h.open(t, dir)
	want := make([]pipeline.Checkpoint, 6)
	var wg sync.WaitGroup
	for i := range want {
		rng, lane := rand.New(rand.NewPCG(uint64(i), 1)), fmt.Sprint("acme/", i)
		wg.Go(func() {
			cp, err := s.Load(context.Background(), lane, origin)
			if err != nil {
				t.Error(err)
				return
			}
			m := NewModel()
			m.Add(lane, cp.Epoch, origin)
			for range 25 {
				st := m.Random(rng, lane)
				if err := s.Advance(context.Background(), lane, st.Done, st.Next); err != nil {
					t.Error(err)
					return
				}
				m.Advance(st)
			}
			want[i] = m.Checkpoint(lane)
		})
	}
	wg.Wait()
	closeStore(t, s)
	s = h.open(t, dir)
	defer closeStore(t, s)
	for i := range want {
		if d := Diff(load(t, s, fmt.Sprint("acme/", i), origin), want[i]); d != "" {
			t.Errorf("lane %d:\n%s", i, d)
		}
	}
}

func (h Harness) cancelled(t *testing.T) {
	s := h.open(t, t.TempDir())
	defer closeStore(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Load(ctx, "acme/a", origin); !errors.Is(err, context.Canceled) {
		t.Errorf("Load: %v, want %v", err, context.Canceled)
	}
}

// CopyDir copies the files of a folder, as a backup would.
func CopyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func filesOf(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("files of the store: %v %v", names, err)
	}
	return names
}
