package ecs_test

import (
	"flag"
	"testing"

	"auditlog-connector/internal/eventtest"
	"auditlog-connector/schemas/ecs"
)

// iPhone is the header of a browser on a device with a name.
const iPhone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"

var update = flag.Bool("update", false, "rewrite the golden files")

// The golden files say what becomes of every sample. Read them as documentation;
// rewrite them with -update.
func TestGolden(t *testing.T) { eventtest.Golden(t, *update, eventtest.Samples(t), ecs.Append) }
