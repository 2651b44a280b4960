package main

import "testing"

// TestCheckpointOnAFullDisk is for Linux, which has a device that is always full.
func TestCheckpointOnAFullDisk(t *testing.T) {
	badInput{
		config: "  path: /dev/full", code: exitFailure,
		want: []string{"open checkpoint /dev/full: ", "no space left on device"},
	}.isExplained(t)
}
