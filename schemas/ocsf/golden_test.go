package ocsf_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"auditlog-connector/internal/eventtest"
	"auditlog-connector/schemas/ocsf"
)

var update = flag.Bool("update", false, "rewrite the golden files and docs/mappings.md")

// The golden files are one event of every type, laid out to be read: what the
// mapping makes of it.
func TestGolden(t *testing.T) {
	types := slices.DeleteFunc(eventtest.Compact(t), func(s eventtest.Sample) bool { return strings.Contains(s.Name, "/") }) // no variants
	eventtest.Golden(t, *update, types, ocsf.Append)
	files, err := os.ReadDir("testdata/golden")
	if err != nil || len(files) != len(types) || len(types) != 149 {
		t.Errorf("%d types, %d files, %v: want 149 of each", len(types), len(files), err)
	}
}
