package checkpointtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditlog-connector/pipeline"
)

var damageLanes = []string{"acme/a", "acme/b"}

// history makes a store in dir with a few dozen batches and returns what it holds.
func (h Harness) history(t *testing.T, rng *rand.Rand, dir string) *Model {
	t.Helper()
	s := h.open(t, dir)
	m := NewModel()
	for _, lane := range damageLanes {
		m.Add(lane, load(t, s, lane, origin).Epoch, origin)
	}
	h.more(t, rng, s, m, 40)
	closeStore(t, s)
	return m
}

func (h Harness) more(t *testing.T, rng *rand.Rand, s pipeline.Store, m *Model, steps int) {
	t.Helper()
	for i := range steps {
		st := m.Random(rng, damageLanes[i%len(damageLanes)])
		advance(t, s, st)
		m.Advance(st)
	}
}

// judge opens the damaged store in dir. Every lane has to be refused with an
// error that names a file of it, or to be exactly what m says; in that case it
// has to go on. It returns how many lanes were refused.
func (h Harness) judge(t *testing.T, what, dir string, m *Model) int {
	t.Helper()
	refusal := func(err error) {
		t.Helper()
		if !errors.Is(err, pipeline.ErrCorrupt) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: the error does not wrap ErrCorrupt and name the file: %v", what, err)
		}
	}
	s, err := h.Open(dir)
	if err != nil {
		refusal(err)
		return len(damageLanes)
	}
	refused := 0
	m = m.Clone()
	for _, lane := range damageLanes {
		cp, err := s.Load(t.Context(), lane, origin)
		if err != nil {
			refusal(err)
			refused++
			continue
		}
		if d := Diff(cp, m.Checkpoint(lane)); d != "" {
			t.Errorf("%s: lane %s is neither refused nor the same:\n%s", what, lane, d)
			continue
		}
		st := m.Random(rand.New(rand.NewPCG(1, 2)), lane)
		advance(t, s, st)
		m.Advance(st)
		cp, err = s.Load(t.Context(), lane, origin)
		if err != nil {
			t.Errorf("%s: lane %s was loaded, advanced, and is then refused: %v", what, lane, err)
		} else if d := Diff(cp, m.Checkpoint(lane)); d != "" {
			t.Errorf("%s: lane %s is not the same after a step:\n%s", what, lane, d)
		}
	}
	_ = s.Close()
	return refused
}

func (h Harness) damage(t *testing.T) {
	rng := Seed(t)
	dir := t.TempDir()
	m := h.history(t, rng, dir)
	if h.judge(t, "untouched", CopyDir(t, dir), m) != 0 {
		t.Fatal("the store is refused without damage")
	}
	for _, name := range filesOf(t, dir) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// A file's first bytes are its most telling; the rest is sampled where
		// there is something.
		var offsets []int
		for page := 0; page < min(len(data), 8192); page += 4096 {
			for i := page; i < min(page+96, len(data)); i += 3 {
				offsets = append(offsets, i)
			}
		}
		for range 4000 {
			if i := rng.IntN(len(data)); data[i] != 0 && len(offsets) < 140 {
				offsets = append(offsets, i)
			}
		}
		refused := 0
		work := CopyDir(t, dir)
		for _, i := range offsets {
			flipped := append([]byte(nil), data...)
			flipped[i] ^= 1 << rng.IntN(8)
			restore(t, work, dir)
			if err := os.WriteFile(filepath.Join(work, filepath.Base(name)), flipped, 0o600); err != nil {
				t.Fatal(err)
			}
			refused += h.judge(t, fmt.Sprintf("%s, byte %d: %#x for %#x", filepath.Base(name), i, flipped[i], data[i]), work, m)
		}
		if refused == 0 {
			t.Errorf("%s: none of %d flipped bytes was noticed", name, len(offsets))
		}
	}
}

func restore(t *testing.T, work, from string) {
	t.Helper()
	for _, name := range filesOf(t, from) {
		data, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(work, filepath.Base(name)), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (h Harness) olderFile(t *testing.T) {
	rng := Seed(t)
	dir := t.TempDir()
	m := h.history(t, rng, dir)
	old := CopyDir(t, dir)
	s := h.open(t, dir)
	for _, lane := range damageLanes {
		load(t, s, lane, time.Time{})
	}
	h.more(t, rng, s, m, 10)
	closeStore(t, s)
	for _, name := range filesOf(t, old) {
		work := CopyDir(t, dir)
		data, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(work, filepath.Base(name)), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := h.judge(t, "older "+filepath.Base(name), work, m); got != len(damageLanes) {
			t.Errorf("with an older %s, %d of %d lanes are refused", filepath.Base(name), got, len(damageLanes))
		}
	}
}

func (h Harness) missingFile(t *testing.T) {
	rng := Seed(t)
	dir := t.TempDir()
	m := h.history(t, rng, dir)
	for _, name := range filesOf(t, dir) {
		base := filepath.Base(name)
		for _, keep := range []int64{-1, 0, 1, 100, 4096, 8192, 12288, 20000} {
			work := CopyDir(t, dir)
			path := filepath.Join(work, base)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case keep < 0:
				err = os.Remove(path)
			case keep >= info.Size():
				continue
			default:
				err = os.Truncate(path, keep)
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := h.judge(t, fmt.Sprintf("%s cut to %d", base, keep), work, m); got != len(damageLanes) {
				t.Errorf("with %s cut to %d bytes (-1: removed), %d of %d lanes are refused", base, keep, got, len(damageLanes))
			}
		}
	}
}

func (h Harness) secondOwner(t *testing.T) {
	dir := t.TempDir()
	s := h.open(t, dir)
	load(t, s, "acme/a", origin)
	second, err := h.Open(dir)
	if err == nil {
		_, err = second.Load(t.Context(), "acme/a", origin)
		_ = second.Close()
	}
	if !errors.Is(err, pipeline.ErrFenced) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second owner: %v, want ErrFenced with the path", err)
	}
	closeStore(t, s)
	s = h.open(t, dir)
	load(t, s, "acme/a", origin)
	closeStore(t, s)
}
