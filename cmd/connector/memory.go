package main

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// garbage is how much of it may lie about, in percent of what is in use, while the
// memory limit is far. GOGC replaces it.
const garbage = 200

// leastLimit is the memory limit of a program that has little in use. One lane that
// reads a long log, with batches of 5,000 events, has about half of it in use.
const leastLimit = 64 << 20

// memoryLimit is where the collector begins to work harder than it has to, with so many
// bytes in use. A limit below what is in use would have it work all the time, so that
// a third as much is left for garbage, beside what is not heap.
func memoryLimit(used uint64) int64 { return max(leastLimit, int64(used+used/3)+12<<20) }

// limitMemory keeps the program small: the limit follows what is in use, which many
// lanes, large events or the ids of many days make more. GOMEMLIMIT replaces it.
func limitMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit(leastLimit)
	go func() {
		sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}} // as of the last collection
		for range time.Tick(time.Second) {
			metrics.Read(sample)
			debug.SetMemoryLimit(memoryLimit(sample[0].Value.Uint64()))
		}
	}()
}
