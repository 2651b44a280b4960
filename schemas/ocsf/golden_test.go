package ocsf_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"auditlog-connector/schemas/ocsf"
)

var update = flag.Bool("update", false, "rewrite the golden files and docs/mappings.md")

// The golden files are one event of every type, laid out to be read: what the
// mapping makes of it.
func TestGolden(t *testing.T) {
	n := 0
	for name, e := range samples(t) {
		if strings.Contains(name, "/") {
			continue // a variant
		}
		n++
		var got bytes.Buffer
		if err := json.Indent(&got, ocsf.Append(nil, e), "", "  "); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got.WriteByte('\n')
		file := filepath.Join("testdata/golden", name+".json")
		if *update {
			if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("%v (go test -update makes it)", err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s:\n got %s\nwant %s", file, got.Bytes(), want)
		}
	}
	files, err := os.ReadDir("testdata/golden")
	if err != nil || len(files) != n || n != 149 {
		t.Errorf("%d types, %d files, %v: want 149 of each", n, len(files), err)
	}
}
