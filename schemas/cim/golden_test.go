package cim_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"auditlog-connector/internal/eventtest"
	"auditlog-connector/schemas/cim"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The golden files say what becomes of every sample. Read them as documentation;
// rewrite them with -update.
func TestGolden(t *testing.T) {
	for _, s := range eventtest.Samples(t) {
		var got bytes.Buffer
		if err := json.Indent(&got, cim.Append(nil, &s.Event), "", "  "); err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		got.WriteByte('\n')
		path := filepath.Join("testdata", "golden", filepath.FromSlash(s.Name)+".json")
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s:\n got %s\nwant %s", s.Name, got.Bytes(), want)
		}
	}
}
