//go:build !windows

package durable

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWhatIsMadeIsTheOwnersAlone(t *testing.T) {
	top := t.TempDir()
	if err := os.Chmod(top, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(top, "a", "b")
	if err := MakeFolder(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "file")
	if err := Replace(path, nil, nil); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{top: 0o755, filepath.Dir(dir): 0o700, dir: 0o700, path: 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
}
