package checkpoint

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"auditlog-connector/pipeline"
)

// Lanes returns the names of all lanes in the file, sorted, those included that
// only the witness knows. Lanes that no configuration has any more stay.
func (f *File) Lanes() ([]string, error) {
	f.mu.Lock()
	names := maps.Clone(f.witness)
	err := f.usable()
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	err = f.view(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, _ *bolt.Bucket) error {
			names[string(name)] = 0
			return nil
		})
	})
	return slices.Sorted(maps.Keys(names)), err
}

// Inspect returns lane's checkpoint without taking the lane or making one. The
// error wraps [ErrNoLane] if there is none, and is like that of Load otherwise.
func (f *File) Inspect(lane string) (pipeline.Checkpoint, error) {
	f.mu.Lock()
	err := f.usable()
	f.mu.Unlock()
	if err != nil {
		return pipeline.Checkpoint{}, err
	}
	cp, found, err := f.read(lane, &fileLane{})
	if err == nil && !found {
		err = f.fileError(ErrNoLane)
	}
	if err != nil {
		return pipeline.Checkpoint{}, fmt.Errorf("read lane %s: %w", lane, err)
	}
	return cp, nil
}

// Reset forgets everything about lane and makes it anew: a new epoch, from start
// on. With takeover the destination is taken over at the next run. It works on a
// lane that is damaged, is durable when it returns nil, and must not be called
// while the lane runs.
func (f *File) Reset(lane string, start time.Time, takeover bool) error {
	l, release, err := f.take(lane, true)
	if err != nil {
		return err
	}
	defer release()
	if _, found, err := f.read(lane, l); err == nil && found {
		// The witness has to catch up before the header moves again.
		if err := f.submit(&write{lane: lane, generation: l.header.generation}); err != nil {
			return err
		}
	}
	l.header, l.index, l.ahead = header{}, blockIndex{}, nil // Load comes next
	f.mu.Lock()
	seen := f.witness[lane]
	f.mu.Unlock()
	h := newHeader(f.mint(), start)
	h.takeover = takeover
	h.generation = seen + 1
	return f.submit(&write{lane: lane, generation: h.generation, apply: putHeader(lane, &h)})
}

// Resolve records what an operator knows of lane's prepared batch: committed, it
// counts as delivered; otherwise it is dropped, its number is not used again, and
// its members are read and delivered anew. It must not be called while the lane
// runs, and is durable when it returns nil.
func (f *File) Resolve(lane string, committed bool) error {
	if _, err := f.Inspect(lane); err != nil {
		return err
	}
	if _, err := f.Load(context.Background(), lane, time.Time{}); err != nil {
		return err
	}
	if committed {
		return f.Advance(context.Background(), lane, true, nil)
	}
	l, release, err := f.take(lane, false)
	if err != nil {
		return err
	}
	defer release()
	s, err := drop(lane, &l.header, &l.index)
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", f.path, err)
	}
	w := &write{lane: lane, generation: s.header.generation, before: l.header.generation, apply: func(tx *bolt.Tx) error {
		return s.write(tx, lane)
	}}
	if err = f.submit(w); w.applied {
		l.header = s.header
		l.index.apply(s)
	}
	return err
}
