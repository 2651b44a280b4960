package mutants

import (
	"os"
	"path/filepath"
	"testing"
)

// TestListFitsTheCode fails if a mutant cannot be made any more.
func TestListFitsTheCode(t *testing.T) {
	names := make(map[string]bool)
	for _, m := range All {
		if names[m.Name] {
			t.Errorf("mutant %q is there twice", m.Name)
		}
		names[m.Name] = true
		if m.Why == "" || m.Run == "" && m.Tier == TierUnit {
			t.Errorf("mutant %q: no reason, or tests that do not fit its tier", m.Name)
		}
		if _, err := m.Apply(read(t, m.File)); err != nil {
			t.Error(err)
		}
	}
}

// path makes a path of the module absolute.
func path(t *testing.T, rel string) string {
	t.Helper()
	abs, err := filepath.Abs(filepath.Join("..", "..", filepath.FromSlash(rel)))
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

func read(t *testing.T, rel string) string {
	t.Helper()
	data, err := os.ReadFile(path(t, rel))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
