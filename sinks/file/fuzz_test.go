package file

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"auditlog-connector/pipeline"
)

// FuzzSideRecord reads any bytes as a side record: they are one, which is written
// back as it was and names files in its own folder only, or an error stops the lane.
func FuzzSideRecord(f *testing.F) {
	for _, seed := range []string{
		"", "null", "{}", `{"version":1}`, `{"version":99}`,
		`{"version":1,"lane":"acme/sink","epoch":"e1","seq":3,"digest":"","file":"a.jsonl","offset":10,"length":20,"files":{"a.jsonl":20}}`,
		`{"version":1,"lane":"acme/sink","epoch":"e1","seq":3,"file":"../a.jsonl","offset":0,"length":20,"files":{"../a.jsonl":20}}`,
		`{"version":1,"lane":"acme/sink","epoch":"e1","offset":0,"length":0,"files":{"b":-1}}`,
		`{"version":1,"lane":"acme/sink","epoch":"e1","offset":0,"length":0}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "a.jsonl.lane.json")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := readSide(path)
		if err != nil {
			if !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v: want a permanent error that names the file", err)
			}
			if newer := strings.Contains(err.Error(), "a newer connector wrote it"); errors.Is(err, pipeline.ErrCorrupt) == newer {
				t.Errorf("%v: want ErrCorrupt, or a newer version", err)
			}
			return
		}
		for name := range r.Files {
			if name != filepath.Base(name) || name == "." || name == ".." {
				t.Errorf("the record names %q, which is not a file beside it", name)
			}
		}
		if r.Length != r.Files[r.File] || r.Offset < 0 || r.Offset > r.Length {
			t.Errorf("the record contradicts itself: %+v", r)
		}
		if err := writeSide(path, r, func(string) error { return nil }); err != nil {
			t.Fatal(err)
		}
		again, err := readSide(path)
		if err != nil {
			t.Fatalf("written back: %v", err)
		}
		if !reflect.DeepEqual(again.clone(), r.clone()) {
			t.Errorf("written back: got %+v, want %+v", again, r)
		}
	})
}
