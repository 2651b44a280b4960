package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"auditlog-connector/internal/durable"
	"auditlog-connector/pipeline"
)

// What is in quarantine can be delivered again, as a batch of its own. While that
// is under way the file has another name, which says as which batch:
//
//	<old>.avro ─▶ <old>.retry-<new> ─▶ batch new is prepared ─▶ delivered ─▶ removed
//	    ▲                │
//	    │                ▼ batch new is given up
//	    └───────── <old>.drop-<new>
//
// The new name is durable before the batch is prepared. From the names and the
// checkpoint alone follows what became of it, so whoever loads the lane looks
// ([WithQuarantine]). Old and new are epoch and number: a number that was not used yet was never prepared; one that
// was used and is not prepared any more was delivered, unless it was given up.

// Retry is a batch in quarantine that is being delivered again.
type Retry struct {
	Batch pipeline.BatchID // in quarantine
	As    pipeline.BatchID // how it is delivered
	drop  bool             // As is being given up
}

const (
	retryMark = ".retry-"
	dropMark  = ".drop-"
)

func (r Retry) name(mark string) string {
	return fileStem(r.Batch) + mark + fileStem(r.As)
}

// fileStem is how a batch is named in its lane's folder.
func fileStem(id pipeline.BatchID) string { return fmt.Sprintf("%s-%020d", id.Epoch, id.Seq) }

func parseStem(lane, s string) (pipeline.BatchID, bool) {
	epoch, number, ok := strings.Cut(s, "-")
	seq, err := strconv.ParseUint(number, 10, 64)
	return pipeline.BatchID{Lane: lane, Epoch: epoch, Seq: seq}, ok && err == nil
}

// BeginRetry notes that batch id is about to be delivered again as batch as of the
// same lane, which is not prepared yet. It is durable when it returns nil.
func (q *Quarantine) BeginRetry(id, as pipeline.BatchID) error {
	path, err := q.path(id)
	if err == nil {
		r := Retry{Batch: id, As: as}
		err = q.rename(path, filepath.Join(filepath.Dir(path), r.name(retryMark)))
	}
	if err != nil {
		return fmt.Errorf("begin to deliver batch %s again: %w", id, err)
	}
	return nil
}

// DropRetry notes that the batch seq of lane, which is prepared, is about to be
// given up: what it delivers again then stays in quarantine. It does nothing if the
// batch is an ordinary one.
func (q *Quarantine) DropRetry(lane string, seq uint64) error {
	retries, err := q.Retries(lane)
	if err != nil {
		return err
	}
	for _, r := range retries {
		if r.As.Seq != seq || r.drop {
			continue
		}
		dir, err := q.laneDir(lane)
		if err == nil {
			err = q.rename(filepath.Join(dir, r.name(retryMark)), filepath.Join(dir, r.name(dropMark)))
		}
		if err != nil {
			return fmt.Errorf("give up batch %s: %w", r.As, err)
		}
	}
	return nil
}

// Retries returns what of lane is being delivered again.
func (q *Quarantine) Retries(lane string) ([]Retry, error) {
	dir, err := q.laneDir(lane)
	if err != nil {
		return nil, fmt.Errorf("list quarantine: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list quarantine: %w", err)
	}
	var retries []Retry
	for _, e := range entries {
		if r, ok := parseRetry(lane, e.Name()); ok {
			retries = append(retries, r)
		}
	}
	return retries, nil
}

// AllRetries returns what of every lane is being delivered again.
func (q *Quarantine) AllRetries() ([]Retry, error) {
	var all []Retry
	for _, mark := range []string{retryMark, dropMark} {
		names, err := filepath.Glob(filepath.Join(globLiteral(q.dir), "*", "*", "*"+mark+"*"))
		if err != nil {
			return nil, fmt.Errorf("list quarantine: %w", err)
		}
		for _, name := range names {
			dir, base := filepath.Split(name)
			dir = filepath.Clean(dir)
			if r, ok := parseRetry(filepath.Base(filepath.Dir(dir))+"/"+filepath.Base(dir), base); ok {
				all = append(all, r)
			}
		}
	}
	return all, nil
}

func parseRetry(lane, name string) (Retry, bool) {
	mark := retryMark
	batch, as, ok := strings.Cut(name, retryMark)
	if !ok {
		mark = dropMark
		batch, as, ok = strings.Cut(name, dropMark)
	}
	old, ok2 := parseStem(lane, batch)
	fresh, ok3 := parseStem(lane, as)
	if !ok || !ok2 || !ok3 {
		return Retry{}, false
	}
	r := Retry{Batch: old, As: fresh, drop: mark == dropMark}
	return r, r.name(mark) == name
}

// settleRetries brings the names up to date with cp, lane's checkpoint, which
// nobody changes meanwhile.
func (q *Quarantine) settleRetries(lane string, cp pipeline.Checkpoint) error {
	retries, err := q.Retries(lane)
	if err != nil || len(retries) == 0 {
		return err
	}
	dir, err := q.laneDir(lane)
	if err != nil {
		return err
	}
	for _, r := range retries {
		mark := retryMark
		if r.drop {
			mark = dropMark
		}
		now := filepath.Join(dir, r.name(mark))
		back := filepath.Join(dir, fileStem(r.Batch)+".avro")
		prepared := cp.Prepared != nil && cp.Prepared.ID.Seq == r.As.Seq
		switch {
		case r.As.Epoch != cp.Epoch, cp.Next <= r.As.Seq:
			err = q.rename(now, back) // the lane was reset; or the batch was never prepared
		case prepared && r.drop:
			err = q.rename(now, filepath.Join(dir, r.name(retryMark))) // it was not given up after all
		case prepared:
		case r.drop:
			err = q.rename(now, back)
		default:
			err = q.remove(now)
		}
		if err != nil {
			return fmt.Errorf("batch %s, delivered again as %s: %w", r.Batch, r.As, err)
		}
	}
	return nil
}

// laneDir is the folder of a lane's batches.
func (q *Quarantine) laneDir(lane string) (string, error) {
	source, sink, _ := strings.Cut(lane, "/")
	if err := errors.Join(safeName(source), safeName(sink)); err != nil {
		return "", err
	}
	return filepath.Join(q.dir, source, sink), nil
}

func (q *Quarantine) rename(from, to string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return durable.SyncFolder(filepath.Dir(to))
}

func (q *Quarantine) remove(path string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := os.Remove(path); err != nil {
		return err
	}
	return durable.SyncFolder(filepath.Dir(path))
}

// WithQuarantine returns store with a Load that first finds out what became of
// batches of the lane that were being delivered again from q. Every life of a lane
// begins with Load, so that a number under which a batch is delivered again is never
// taken for that of another batch. One that is recorded as delivered later leaves q
// with the same call of Advance.
func WithQuarantine(store pipeline.Store, q *Quarantine) pipeline.Store {
	return &storeWithQuarantine{Store: store, quarantine: q, again: make(map[string]bool)}
}

type storeWithQuarantine struct {
	pipeline.Store
	quarantine *Quarantine

	mu    sync.Mutex
	again map[string]bool // by lane: what is prepared is being delivered again
}

// Load implements [pipeline.Store].
func (s *storeWithQuarantine) Load(ctx context.Context, lane string, start time.Time) (pipeline.Checkpoint, error) {
	cp, err := s.Store.Load(ctx, lane, start)
	if err != nil {
		return cp, err
	}
	if err := s.quarantine.settleRetries(lane, cp); err != nil {
		return cp, err
	}
	retries, err := s.quarantine.Retries(lane)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.again[lane] = len(retries) > 0
	return cp, err
}

// Advance implements [pipeline.Store].
func (s *storeWithQuarantine) Advance(ctx context.Context, lane string, done bool, next *pipeline.Manifest) error {
	if err := s.Store.Advance(ctx, lane, done, next); err != nil || !done {
		return err
	}
	s.mu.Lock()
	again := s.again[lane]
	delete(s.again, lane)
	s.mu.Unlock()
	if !again {
		return nil
	}
	// Load left nothing but what was prepared then, which is delivered now.
	return s.quarantine.endRetries(lane)
}

// endRetries removes what of lane was being delivered again, because it was.
func (q *Quarantine) endRetries(lane string) error {
	retries, err := q.Retries(lane)
	if err != nil {
		return err
	}
	dir, err := q.laneDir(lane)
	if err != nil {
		return err
	}
	for _, r := range retries {
		if err := q.remove(filepath.Join(dir, r.name(retryMark))); err != nil {
			return fmt.Errorf("batch %s, delivered again as %s: %w", r.Batch, r.As, err)
		}
	}
	return nil
}
