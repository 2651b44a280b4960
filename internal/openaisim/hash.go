package openaisim

// mix spreads the bits of x: the finalizer of SplitMix64, a bijection.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// site is the hash of the seed and the name of a place where something is decided.
func site(seed uint64, name string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 0x100000001b3
	}
	return mix(mix(seed) ^ h)
}

// nth is the hash of the nth decision at a site.
func nth(site, n uint64) uint64 { return mix(site ^ mix(n)) }

// unit maps a hash to [0, 1).
func unit(h uint64) float64 { return float64(h>>11) / (1 << 53) }

// rng is a private generator, started from a hash: one event's values.
type rng uint64

func (r *rng) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	return mix(uint64(*r))
}

// below returns a number in [0, n); n must be positive.
func (r *rng) below(n int) int { return int((r.next() >> 32) * uint64(n) >> 32) }

// chance reports true with probability p.
func (r *rng) chance(p float64) bool { return unit(r.next()) < p }

const (
	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	hexes  = "0123456789abcdef"
)

// text appends n characters of alphabet to b.
func (r *rng) text(b []byte, alphabet string, n int) []byte {
	size := uint64(len(alphabet))
	for n > 0 {
		// One draw feeds eight characters of at most six bits' worth of choice.
		for x, k := r.next(), min(n, 8); k > 0; k, n = k-1, n-1 {
			b = append(b, alphabet[(x&0xff)*size>>8])
			x >>= 8
		}
	}
	return b
}
