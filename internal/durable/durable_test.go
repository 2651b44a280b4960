package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestReplaceLeavesTheOldFileOrTheNewOne(t *testing.T) {
	broken := errors.New("broken")
	for failing, want := range map[string]string{"temporary": "old", "renamed": "new", "": "new"} {
		path := filepath.Join(t.TempDir(), "file")
		if err := Replace(path, []byte("old"), nil); err != nil {
			t.Fatal(err)
		}
		var steps []string
		err := Replace(path, []byte("new"), func(step string) error {
			steps = append(steps, step)
			if step == failing {
				return broken
			}
			return nil
		})
		if errors.Is(err, broken) != (failing != "") {
			t.Errorf("failing at %q: %v", failing, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("failing at %q: %q, %v, want %q", failing, got, err, want)
		}
		if want := []string{"temporary", "renamed"}; failing == "" && !slices.Equal(steps, want) {
			t.Errorf("steps %v, want %v", steps, want)
		}
		// What a failure left is in nobody's way.
		if err := Replace(path, []byte("next"), nil); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(path + ".tmp"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the temporary file is left: %v", err)
		}
	}
}

func TestMakeFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := os.WriteFile(filepath.Join(filepath.Dir(filepath.Dir(dir)), "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := MakeFolder(dir); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		t.Errorf("%v, %v", info, err)
	}
	if err := MakeFolder(filepath.Join(filepath.Dir(filepath.Dir(dir)), "file", "c")); err == nil {
		t.Error("a folder was made in a file")
	}
	if err := SyncFolder(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("sync: %v", err)
	}
}

func TestWritableLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Join(dir, "not", "there")} {
		if err := Writable(d); err != nil {
			t.Error(err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Writable(filepath.Join(dir, "file", "x")); err == nil {
		t.Error("a file can be made in a file")
	}
}
