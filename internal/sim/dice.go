package sim

import (
	"encoding/binary"
	"hash/fnv"
	"sync"
)

// Dice decides by hash: the nth decision at a site is the same for the same seed,
// whatever happened elsewhere. It is safe for concurrent use.
type Dice struct {
	seed uint64

	mu    sync.Mutex
	times map[string]uint64
}

// NewDice returns the dice of one history.
func NewDice(seed uint64) *Dice { return &Dice{seed: seed, times: make(map[string]uint64)} }

// Roll returns a number from 0 to n−1 for the next decision at site.
func (d *Dice) Roll(site string, n int) int {
	d.mu.Lock()
	times := d.times[site]
	d.times[site] = times + 1
	d.mu.Unlock()
	h := fnv.New64a()
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], d.seed)
	binary.LittleEndian.PutUint64(b[8:], times)
	h.Write(b[:])
	h.Write([]byte(site))
	x := h.Sum64()
	// FNV's low bits are weak for inputs this alike: mix once more.
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return int(x % uint64(n))
}

// Chance reports whether the next decision at site, one in n, comes true.
func (d *Dice) Chance(site string, n int) bool { return n > 0 && d.Roll(site, n) == 0 }
