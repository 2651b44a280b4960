package pipeline

import (
	"crypto/sha256"
	"maps"
	"time"
)

// admission is what the ledger says of one entry.
type admission int

const (
	admitFresh     admission = iota // now held
	admitDuplicate                  // held or delivered
	admitLate                       // below the horizon and never delivered: the overlap was too short
	admitForgotten                  // below all that is remembered, so that nobody can tell any more, or before the lane's start
)

// idKey stands for an entry's ID in memory: 16 bytes of its hash instead of the string.
type idKey [16]byte

func keyOf(id string) idKey {
	var few [64]byte // as long as an ID is, as a rule: without memory from the heap
	sum := sha256.Sum256(append(few[:0], id...))
	return idKey(sum[:16])
}

// ledger is a lane's checkpoint as a pure state machine. It has no clock and does no I/O.
//
//	          admit                cut                 commit
//	unknown ────────▶ held: queue ─────▶ held: batch ────────▶ seen ──prune──▶ forgotten
//	                    │ release
//	                    ▼
//	                 unknown
//
// Three states of progress follow one another: what the next cut may claim (tip
// and loose), what the manifests cut so far claim (tip), what is committed
// (progress). The horizon follows the last.
type ledger struct {
	lane, epoch string
	next        uint64
	start       time.Time
	overlap     time.Duration
	slack       time.Duration // how far below the horizon ids stay remembered, to tell late from repeated

	progress map[string]Progress  // committed
	tip      map[string]Progress  // of the last manifest cut
	loose    map[string]time.Time // claims that wait for no held record

	queue []heldRecord
	bytes int
	first time.Time          // the oldest event time in the queue; zero if it is empty
	held  map[idKey]struct{} // the queue and the batch in delivery
	seen  map[idKey]int64    // delivered ids: event time in Unix seconds
	kept  time.Time          // every delivered id at or above it is in seen
}

// heldRecord is an admitted record that waits for its batch.
type heldRecord struct {
	*Record
	size   int
	since  time.Time            // when it was admitted, by the lane's clock
	claims map[string]time.Time // claims that may be made once the record is delivered
}

func newLedger(lane string, cp Checkpoint, overlap, slack time.Duration) *ledger {
	l := &ledger{
		lane: lane, epoch: cp.Epoch, next: cp.Next, start: cp.Start, overlap: overlap, slack: slack,
		progress: maps.Clone(cp.Streams),
		loose:    make(map[string]time.Time),
		held:     make(map[idKey]struct{}),
		seen:     make(map[idKey]int64, len(cp.Delivered)),
	}
	if l.progress == nil {
		l.progress = make(map[string]Progress)
	}
	for _, p := range cp.Delivered {
		l.seen[keyOf(p.ID)] = p.Time.Unix()
	}
	for _, p := range l.progress {
		// A stream that joined later lies lower, but what came through the others
		// below their floors had been forgotten by then.
		if p.Floor.After(l.kept) {
			l.kept = p.Floor
		}
	}
	l.tip = maps.Clone(l.progress)
	if m := cp.Prepared; m != nil {
		l.prepare(*m)
	}
	return l
}

// known reports whether the lane has progress in stream.
func (l *ledger) known(stream string) bool {
	_, ok := l.tip[stream]
	return ok
}

// join makes stream known. It begins at the lane's start; older entries than the
// horizon of the streams known so far may have come through those and be forgotten.
func (l *ledger) join(stream string) {
	if l.known(stream) {
		return
	}
	// By the manifests cut so far, not by those committed: the store forgets by
	// what is on its way to it, and learns of the stream only with the next one.
	p := Progress{Watermark: l.start, Floor: l.start, Joined: lowest(l.tip, l.overlap)}
	l.progress[stream], l.tip[stream] = p, p
}

// horizon is the later of floor and watermark − overlap (invariant 6: it never
// goes back, so a raised overlap repeats nothing).
func (l *ledger) horizon(stream string) time.Time {
	p, ok := l.progress[stream]
	if !ok {
		return l.start // nothing of it is committed; a batch in doubt may know it already
	}
	return horizonOf(p, l.overlap)
}

func horizonOf(p Progress, overlap time.Duration) time.Time {
	if h := p.Watermark.Add(-overlap); h.After(p.Floor) {
		return h
	}
	return p.Floor
}

// lowest is the lowest horizon of all streams in progress; zero if there is none.
func lowest(progress map[string]Progress, overlap time.Duration) time.Time {
	var low time.Time
	for _, p := range progress {
		if h := horizonOf(p, overlap); low.IsZero() || h.Before(low) {
			low = h
		}
	}
	return low
}

// admit says whether p, read from stream, is to be delivered, and holds it if so.
func (l *ledger) admit(stream string, p Position) admission {
	key := keyOf(p.ID)
	if _, ok := l.seen[key]; ok {
		return admitDuplicate
	}
	if _, ok := l.held[key]; ok {
		return admitDuplicate
	}
	if p.Time.Before(l.horizon(stream)) {
		if p.Time.Before(l.kept) || p.Time.Before(l.start) {
			return admitForgotten
		}
		// Invariant 7: everything delivered from here on is remembered, and this was not.
		return admitLate
	}
	l.held[key] = struct{}{}
	return admitFresh
}

// hold queues an admitted record.
func (l *ledger) hold(r *Record, size int, now time.Time) {
	l.queue = append(l.queue, heldRecord{Record: r, size: size, since: now})
	if l.first.IsZero() || r.Time.Before(l.first) {
		l.first = r.Time
	}
	l.bytes += size
}

// claim notes that all entries of stream that were visible before t have been
// admitted, or are below the horizon t − overlap. The claim is made once
// everything that is queued now is delivered.
func (l *ledger) claim(stream string, t time.Time) {
	into := &l.loose
	if n := len(l.queue); n > 0 {
		into = &l.queue[n-1].claims
	}
	if *into == nil {
		*into = make(map[string]time.Time)
	}
	raise(*into, stream, t)
}

func raise(claims map[string]time.Time, stream string, t time.Time) {
	if t.After(claims[stream]) {
		claims[stream] = t
	}
}

// release forgets what is queued and returns how many records that were.
func (l *ledger) release() int {
	n := len(l.queue)
	for i := range l.queue {
		delete(l.held, keyOf(l.queue[i].ID))
	}
	l.queue, l.bytes, l.first = nil, 0, time.Time{}
	l.loose = make(map[string]time.Time)
	return n
}

// cut takes the first n queued records as the next batch. Its manifest claims per
// stream the highest of what its members, and claims between them, allow.
func (l *ledger) cut(n int) Batch {
	taken := l.queue[:n]
	b := Batch{Records: make([]Record, n)}
	b.Members = make([]Position, n)
	claims := l.loose
	l.loose = make(map[string]time.Time)
	for i := range taken {
		h := &taken[i]
		b.Records[i], b.Members[i] = *h.Record, h.Position
		l.bytes -= h.size
		// Invariant 5: at most AsOf, so that neither an entry dated next year nor
		// a shallow poll can hide anything.
		t := h.Time
		if h.AsOf.Before(t) {
			t = h.AsOf
		}
		raise(claims, h.Stream, t)
		for s, c := range h.claims {
			raise(claims, s, c)
		}
	}
	clear(taken) // lets the records go, which the array behind the queue would keep
	l.queue = l.queue[n:]
	l.first = time.Time{}
	for i := range l.queue {
		if t := l.queue[i].Time; l.first.IsZero() || t.Before(l.first) {
			l.first = t
		}
	}
	b.Manifest = l.manifest(b.Members, claims)
	l.next++ // Invariant 2: the number is used up, whatever becomes of the batch.
	return b
}

// stride returns a manifest of progress without members, or false if there is
// nothing to claim but what waits for queued records.
func (l *ledger) stride() (Manifest, bool) {
	moved := false
	for s, t := range l.loose {
		moved = moved || l.known(s) && t.After(l.tip[s].Watermark)
	}
	if !moved {
		return Manifest{}, false
	}
	claims := l.loose
	l.loose = make(map[string]time.Time)
	return l.manifest(nil, claims), true
}

func (l *ledger) manifest(members []Position, claims map[string]time.Time) Manifest {
	m := Manifest{
		ID:         BatchID{Lane: l.lane, Epoch: l.epoch, Seq: l.next},
		Members:    members,
		Watermarks: make(map[string]time.Time, len(l.tip)),
		Floors:     make(map[string]time.Time, len(l.tip)),
	}
	for s, p := range l.tip {
		if t := claims[s]; t.After(p.Watermark) {
			p.Watermark = t
		}
		p.Floor = horizonOf(p, l.overlap)
		l.tip[s] = p
		m.Watermarks[s], m.Floors[s] = p.Watermark, p.Floor
		if !p.Joined.IsZero() {
			if m.Joined == nil {
				m.Joined = make(map[string]time.Time)
			}
			m.Joined[s] = p.Joined
		}
	}
	return m
}

// prepare takes over a manifest that is durable: its members are held.
func (l *ledger) prepare(m Manifest) {
	for _, p := range m.Members {
		l.held[keyOf(p.ID)] = struct{}{}
	}
	if m.ID.Seq >= l.next {
		l.next = m.ID.Seq + 1
	}
	l.tip = progressOf(l.tip, m)
}

// commit records that m was delivered, or that its progress is durable if it has
// no members: watermarks, floors, seen set.
func (l *ledger) commit(m Manifest) {
	for _, p := range m.Members {
		key := keyOf(p.ID)
		delete(l.held, key)
		l.seen[key] = p.Time.Unix()
	}
	l.progress = progressOf(l.progress, m)
	l.prune()
}

// progressOf returns the progress per stream once m is committed.
func progressOf(now map[string]Progress, m Manifest) map[string]Progress {
	next := maps.Clone(now)
	for s, w := range m.Watermarks {
		next[s] = Progress{Watermark: w, Floor: m.Floors[s], Joined: m.Joined[s]}
	}
	return next
}

// prune forgets ids below the lowest horizon (invariant 6), once in a while: the
// set is walked whole.
func (l *ledger) prune() {
	low := lowest(l.progress, l.overlap).Add(-l.slack)
	if low.Sub(l.kept) <= l.overlap/32 {
		return
	}
	l.kept = low
	for key, t := range l.seen {
		if t < low.Unix() {
			delete(l.seen, key)
		}
	}
}
