package cim_test

import (
	"flag"
	"testing"

	"auditlog-connector/internal/eventtest"
	"auditlog-connector/schemas/cim"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The golden files say what becomes of every sample. Read them as documentation;
// rewrite them with -update.
func TestGolden(t *testing.T) { eventtest.Golden(t, *update, eventtest.Samples(t), cim.Append) }
