package openaisim

import (
	"cmp"
	"math"
	"slices"
)

// entry is an event's place in a listing.
type entry struct {
	at int64 // seconds
	ev uint32
}

// listing is the index of one stream, oldest first.
type listing struct {
	entries []entry
	byTie   bool                // in no order of time
	tie     func(uint32) uint64 // places entries of one second
}

func (l *listing) compare(a, b entry) int {
	if a.at != b.at && !l.byTie {
		return cmp.Compare(a.at, b.at)
	}
	if a.ev == b.ev {
		return 0
	}
	return cmp.Or(cmp.Compare(l.tie(a.ev), l.tie(b.ev)), cmp.Compare(a.ev, b.ev))
}

// sort puts entries in order that were appended in any.
func (l *listing) sort() { slices.SortFunc(l.entries, l.compare) }

// insert puts e in its place.
func (l *listing) insert(e entry) {
	i, _ := l.find(e)
	l.entries = slices.Insert(l.entries, i, e)
}

// find returns the index of e, or where it would be.
func (l *listing) find(e entry) (int, bool) {
	return slices.BinarySearchFunc(l.entries, e, l.compare)
}

// span returns the half-open range of indices of entries with from <= at <= to,
// or of all if the listing is in no order of time.
func (l *listing) span(from, to int64) (lo, hi int) {
	if l.byTie {
		return 0, len(l.entries)
	}
	at := func(e entry, at int64) int { return cmp.Compare(e.at, at) }
	lo, _ = slices.BinarySearchFunc(l.entries, from, at)
	hi = len(l.entries)
	if to < math.MaxInt64 {
		hi, _ = slices.BinarySearchFunc(l.entries, to+1, at)
	}
	return lo, max(lo, hi)
}
