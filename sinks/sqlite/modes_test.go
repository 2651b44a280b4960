//go:build !windows

package sqlite

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFilesAreTheOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := openSink(t, filepath.Join(dir, "audit.db"), lane)
	defer s.Close()
	if f := s.Check(t.Context()); f[0].Status != "ok" {
		t.Errorf("check before the first run: %+v", f)
	}
	claim(t, s, "e1", 1)
	if err := s.Deliver(t.Context(), batch(1, 3)); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		t.Fatal(entries, err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v (%v), want 0600", e.Name(), info.Mode(), err)
		}
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if info, err := os.Stat(d); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: mode %v (%v), want 0700", d, info.Mode(), err)
		}
	}
	if f := s.Check(t.Context()); f[0].Status != "ok" {
		t.Errorf("check: %+v", f)
	}
}
