package checkpoint

import (
	"context"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"auditlog-connector/internal/durable"
	"auditlog-connector/pipeline"
)

// fill keeps pages full: blocks are only ever appended.
const fill = 1.0

// request is a call of Advance, as far as needed to recognise it when it is made
// again.
type request struct {
	done   bool
	next   bool
	id     pipeline.BatchID
	digest [32]byte
}

func requestOf(done bool, next *pipeline.Manifest) request {
	r := request{done: done, next: next != nil}
	if next != nil {
		r.id, r.digest = next.ID, next.Digest()
	}
	return r
}

// Advance implements [pipeline.Store]. It does not look at ctx: a write that has
// begun is finished, and lanes share the transaction.
//
// After an error the lane is as it was, unless only the witness could not be
// written: then the step is taken, and the same call, made again, completes it.
// An error about the order of calls is the caller's mistake.
func (f *File) Advance(_ context.Context, lane string, done bool, next *pipeline.Manifest) error {
	l, release, err := f.take(lane, false)
	if err != nil {
		return err
	}
	defer release()
	if l.ahead != nil {
		if err := f.submit(&write{lane: lane, generation: l.header.generation}); err != nil {
			return err
		}
		made := *l.ahead
		l.ahead = nil
		if made == requestOf(done, next) {
			return nil
		}
	}
	s, err := plan(lane, &l.header, &l.index, done, next)
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", f.path, err)
	}
	w := &write{lane: lane, generation: s.header.generation, before: l.header.generation, apply: func(tx *bolt.Tx) error {
		return s.write(tx, lane)
	}}
	err = f.submit(w)
	if !w.applied {
		return err
	}
	l.header = s.header
	l.index.apply(s)
	if err != nil {
		r := requestOf(done, next)
		l.ahead = &r
	}
	return err
}

// write stores what s changes.
func (s *step) write(tx *bolt.Tx, lane string) error {
	b := tx.Bucket([]byte(lane))
	if b == nil {
		return corrupt("lane %s is gone", lane)
	}
	b.FillPercent = fill
	for _, d := range s.drop {
		if err := b.Delete(seqKey(d.seq)); err != nil {
			return err
		}
	}
	if s.put != nil {
		if err := b.Put(seqKey(s.put.seq), encodeBlock(lane, s.header.epoch, s.put.seq, s.members)); err != nil {
			return err
		}
	}
	return b.Put(headerKey, encodeHeader(lane, &s.header))
}

// putHeader makes lane anew with h alone.
func putHeader(lane string, h *header) func(tx *bolt.Tx) error {
	return func(tx *bolt.Tx) error {
		name := []byte(lane)
		if tx.Bucket(name) != nil {
			if err := tx.DeleteBucket(name); err != nil {
				return err
			}
		}
		b, err := tx.CreateBucket(name)
		if err != nil {
			return err
		}
		return b.Put(headerKey, encodeHeader(lane, h))
	}
}

// write is one lane's part of a transaction.
type write struct {
	lane       string
	generation uint64                  // of the header afterwards
	before     uint64                  // and now; 0: there is none, or it does not matter
	apply      func(tx *bolt.Tx) error // nil: the database has it, the witness may not

	applied bool          // it is in the database
	err     error         // what became of it
	done    chan struct{} // closed when applied and err are set
	lead    chan struct{} // closed to make its caller the writer
}

// submit writes w and the witness. Whoever comes first becomes the writer; who
// comes while it writes shares the next transaction, whose writer is the first
// of them.
func (f *File) submit(w *write) error {
	w.done, w.lead = make(chan struct{}), make(chan struct{})
	f.mu.Lock()
	if err := f.broken; err != nil {
		f.mu.Unlock()
		return err
	}
	f.queue = append(f.queue, w)
	if f.leading {
		f.mu.Unlock()
		select {
		case <-w.done:
			return w.err
		case <-w.lead:
		}
		f.mu.Lock()
	}
	f.leading = true
	group := f.queue
	f.queue = nil
	f.mu.Unlock()

	f.commit(group)
	for _, o := range group {
		close(o.done)
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) > 0 {
		close(f.queue[0].lead)
	} else {
		f.leading = false
	}
	return w.err
}

// commit writes group in one transaction, then the witness, and sets what became
// of each. If the transaction fails, each is tried alone: one lane's trouble is
// not the other's.
func (f *File) commit(group []*write) {
	f.mu.Lock()
	broken := f.broken
	f.mu.Unlock()
	err := broken
	if err == nil {
		err = f.transaction(group)
	}
	if err != nil && len(group) > 1 && broken == nil {
		for _, w := range group {
			f.commit([]*write{w})
		}
		return
	}
	if err == nil {
		for _, w := range group {
			w.applied = true
		}
		err = f.testify(group)
	}
	for _, w := range group {
		w.err = err
	}
}

// transaction applies group to the database.
func (f *File) transaction(group []*write) error {
	changes := 0
	for _, w := range group {
		if w.apply != nil {
			changes++
		}
	}
	if changes == 0 {
		return nil
	}
	f.at("transaction")
	err := guard(func() error {
		return f.db.Update(func(tx *bolt.Tx) error {
			for _, w := range group {
				if w.apply == nil {
					continue
				}
				if err := w.apply(tx); err != nil {
					return fmt.Errorf("lane %s: %w", w.lane, err)
				}
			}
			return nil
		})
	})
	if err == nil {
		return nil
	}
	// bbolt may hold its locks for ever after a panic; without one, the file has to
	// be as it was.
	var crashed *panicError
	if !errors.As(err, &crashed) {
		lost := f.unchanged(group)
		if lost == nil {
			return f.fileError(err)
		}
		err = fmt.Errorf("%w (%w)", err, lost)
	}
	return f.breakWith(f.fileError(err))
}

// unchanged checks that a transaction that failed has left no trace: the newest
// meta page may be written and not synced.
func (f *File) unchanged(group []*write) error {
	return f.view(func(tx *bolt.Tx) error {
		for _, w := range group {
			if w.before == 0 {
				continue
			}
			b := tx.Bucket([]byte(w.lane))
			if b == nil {
				return corrupt("lane %s is gone", w.lane)
			}
			h, err := readHeader(b, w.lane)
			if err != nil {
				return err
			}
			if h.generation != w.before {
				return fmt.Errorf("lane %s is at generation %d instead of %d, perhaps not on disk", w.lane, h.generation, w.before)
			}
		}
		return nil
	})
}

// testify brings the witness up to date with group.
func (f *File) testify(group []*write) error {
	f.mu.Lock()
	next := make(witness, len(f.witness)+1)
	changed := false
	for lane, g := range f.witness {
		next[lane] = g
	}
	for _, w := range group {
		changed = changed || next[w.lane] != w.generation
		next[w.lane] = w.generation
	}
	f.mu.Unlock()
	if !changed {
		return nil
	}
	f.at("witness")
	if err := durable.Replace(witnessPath(f.path), next.encode(), func(step string) error { f.at(step); return nil }); err != nil {
		return fmt.Errorf("checkpoint %s: write its witness: %w", f.path, err)
	}
	f.at("done")
	f.mu.Lock()
	f.witness = next
	f.mu.Unlock()
	return nil
}
