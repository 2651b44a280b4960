package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Coverage counts how often each thing happened. A world that is too kind, or so
// hostile that nothing is ever finished, proves nothing. It is safe for concurrent use.
type Coverage struct {
	mu     sync.Mutex
	counts map[string]int
}

// NewCoverage returns a coverage with no counts.
func NewCoverage() *Coverage { return &Coverage{counts: make(map[string]int)} }

// Add counts one more of what; the value nil counts nothing.
func (c *Coverage) Add(what string) { c.AddN(what, 1) }

// AddN counts n more of what.
func (c *Coverage) AddN(what string, n int) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[what] += n
}

// Of returns the count of what.
func (c *Coverage) Of(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[what]
}

// Missing returns those of wanted that never happened.
func (c *Coverage) Missing(wanted ...string) []string {
	var missing []string
	for _, w := range wanted {
		if c.Of(w) == 0 {
			missing = append(missing, w)
		}
	}
	return missing
}

// String is a table of the counts by name.
func (c *Coverage) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(c.counts)) {
		fmt.Fprintf(&b, "%-36s %10d\n", k, c.counts[k])
	}
	return b.String()
}
