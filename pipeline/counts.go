package pipeline

import "sync"

// result is what became of an entry that a lane read.
type result int

const (
	resultDelivered result = iota
	resultDuplicate
	resultFiltered
	resultQuarantined
	resultLateLost
	resultReleased
	results // how many there are
)

func (r result) String() string {
	return [...]string{"delivered", "duplicate", "filtered", "quarantined", "late_lost", "released"}[r]
}

// laneCounts counts what became of every entry that a lane read. Read is the sum
// of all results and of what is in flight, at every moment (invariant 7). It is
// safe for concurrent use.
type laneCounts struct {
	mu       sync.Mutex
	read     uint64
	inFlight uint64
	result   [results]uint64
}

// add counts an entry read and done with at once.
func (c *laneCounts) add(r result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read++
	c.result[r]++
}

// hold counts an entry read and admitted.
func (c *laneCounts) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read++
	c.inFlight++
}

// resume counts the members of a batch that an earlier life had read.
func (c *laneCounts) resume(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read += uint64(n)
	c.inFlight += uint64(n)
}

// settle counts a batch of n recorded as delivered, rejected of them in quarantine.
func (c *laneCounts) settle(n, rejected int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight -= uint64(n)
	c.result[resultDelivered] += uint64(n - rejected)
	c.result[resultQuarantined] += uint64(rejected)
}

// release counts n entries given up, to be read again.
func (c *laneCounts) release(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight -= uint64(n)
	c.result[resultReleased] += uint64(n)
}
