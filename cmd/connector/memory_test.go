package main

import "testing"

// A limit below what is in use makes the collector work all the time.
func TestMemoryLimitLeavesRoom(t *testing.T) {
	for _, used := range []uint64{0, 1 << 20, 30 << 20, 40 << 20, 100 << 20, 1 << 30, 16 << 30} {
		limit := memoryLimit(used)
		if limit < leastLimit || limit < int64(used+used/4) {
			t.Errorf("with %d MiB in use the limit is %d MiB", used>>20, limit>>20)
		}
	}
	if got := memoryLimit(35 << 20); got != leastLimit {
		t.Errorf("with 35 MiB in use the limit is %d MiB, want the least", got>>20)
	}
}
