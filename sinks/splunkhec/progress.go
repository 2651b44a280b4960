package splunkhec

import (
	"maps"
	"time"

	"auditlog-connector/pipeline"
)

// progress is what is known of the batch that was last delivered or resolved, in
// this process.
//
//	unsent ─ taken ──────────────────────────────▶ done
//	   │ ▲   taken, with an id ─▶ pending ─ acked ──▲ │
//	   │ └────── expired ───────────┘   found ────────┤
//	   └── refused ─▶ done, rejected ─────────────────┘
//
// It has no more entries than the batch has records, and goes when the next batch
// comes.
type progress struct {
	id       pipeline.BatchID
	digest   [32]byte
	done     []bool // confirmed by the destination or rejected
	left     int    // not done
	rejected map[int]error
	pending  []*pending
	timeouts int // of acknowledgements, one after the other

	// What searches have found of the batch since something was last sent.
	watched bool
	found   int
	since   time.Time // from when on it was so many
}

// pending is a request that was taken and is not acknowledged yet.
type pending struct {
	session *session
	channel string
	id      int64 // -1: the server did not say; it is never acknowledged
	records []int
	since   time.Time
	expired bool // nobody waits for it any more; it may still be asked for
}

func newProgress(m *pipeline.Manifest) *progress {
	return &progress{id: m.ID, digest: m.Digest(), done: make([]bool, len(m.Members)), left: len(m.Members), rejected: make(map[int]error)}
}

// of reports whether p is about m.
func (p *progress) of(m *pipeline.Manifest) bool {
	return p != nil && p.id == m.ID && p.digest == m.Digest()
}

// confirm notes that records are in the destination.
func (p *progress) confirm(records []int) {
	for _, i := range records {
		p.finish(i)
	}
}

// reject notes that the destination does not take record i.
func (p *progress) reject(i int, why error) {
	p.rejected[i] = why
	p.finish(i)
}

func (p *progress) finish(i int) {
	if !p.done[i] {
		p.done[i] = true
		p.left--
	}
}

// wait notes that records were taken and are not indexed for sure.
func (p *progress) wait(w *pending) {
	for _, other := range p.pending {
		if other.session == w.session && other.channel == w.channel && w.id >= 0 && other.id >= w.id {
			// Ids only grow: the server has begun again and knows nothing of these.
			other.expired = true
		}
	}
	p.pending = append(p.pending, w)
}

// acked notes the answer to a question about w.
func (p *progress) acked(w *pending) {
	p.confirm(w.records)
	w.records = nil
}

// tidy takes out what is pending no more.
func (p *progress) tidy() {
	kept := p.pending[:0]
	for _, w := range p.pending {
		for _, i := range w.records {
			if !p.done[i] {
				kept = append(kept, w)
				break
			}
		}
	}
	clear(p.pending[len(kept):])
	p.pending = kept
}

// expired reports whether something is pending for which nobody waits.
func (p *progress) expired() bool {
	for _, w := range p.pending {
		if w.expired {
			return true
		}
	}
	return false
}

// giveUp forgets what has expired: it is to be sent again.
func (p *progress) giveUp() {
	kept := p.pending[:0]
	for _, w := range p.pending {
		if !w.expired {
			kept = append(kept, w)
		}
	}
	clear(p.pending[len(kept):])
	p.pending = kept
}

// todo returns the records to send: neither done nor pending.
func (p *progress) todo() []int {
	waiting := make([]bool, len(p.done))
	for _, w := range p.pending {
		for _, i := range w.records {
			waiting[i] = true
		}
	}
	todo := make([]int, 0, p.left)
	for i, done := range p.done {
		if !done && !waiting[i] {
			todo = append(todo, i)
		}
	}
	return todo
}

// verdict is the error of a batch that is there: nil, or the records that are not.
func (p *progress) verdict() error {
	if len(p.rejected) == 0 {
		return nil
	}
	return &pipeline.RejectedError{Records: maps.Clone(p.rejected)}
}
