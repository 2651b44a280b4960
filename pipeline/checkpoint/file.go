package checkpoint

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"auditlog-connector/internal/durable"
	"auditlog-connector/pipeline"
)

// File is a [pipeline.Store] in a bbolt file. See the package's description for
// what is on disk. Methods may be called concurrently; calls for one lane must
// not overlap, and are refused if they do.
type File struct {
	path string
	db   *bolt.DB
	file *os.File // bbolt's; closing it gives the lock up
	mint func() string
	at   func(step string) // called before each step of a write; tests stop the process there

	mu      sync.Mutex
	lanes   map[string]*fileLane // those that were loaded
	queue   []*write
	leading bool  // somebody is writing
	broken  error // no call works any more
	closed  bool

	witness witness // as on disk; only the writer uses it
}

// fileLane is what is kept in memory of a lane that was loaded.
type fileLane struct {
	busy   bool
	header header
	index  blockIndex
	ahead  *request // what is in the database while its witness could not be written
}

// Option changes how a store is opened.
type Option func(*options)

type options struct {
	lockWait time.Duration
	mint     func() string
}

func newOptions(opts []Option) options {
	o := options{lockWait: time.Second, mint: randomEpoch}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// WithLockWait says how long Open waits for another process to give the file up;
// by default a second.
func WithLockWait(d time.Duration) Option { return func(o *options) { o.lockWait = d } }

// WithEpochs replaces how epochs are made: 8 hex digits, never the same twice
// anywhere. By default they are random.
func WithEpochs(mint func() string) Option { return func(o *options) { o.mint = mint } }

func randomEpoch() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Open opens the checkpoint file at path, and makes it and its folder if they do
// not exist. The caller closes it.
//
// The error wraps [pipeline.ErrFenced] if another process, or another File of
// this one, holds the file, and [pipeline.ErrCorrupt] if the file is damaged or
// gone while its witness is still there.
func Open(path string, opts ...Option) (*File, error) {
	o := newOptions(opts)
	f := &File{path: path, mint: o.mint, at: func(string) {}, lanes: make(map[string]*fileLane)}
	if err := durable.MakeFolder(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("checkpoint %s: make its folder: %w", path, err)
	}
	err := guard(func() (err error) {
		f.db, err = bolt.Open(path, 0o600, &bolt.Options{
			Timeout:      o.lockWait + time.Second,
			FreelistType: bolt.FreelistArrayType, // takes the lowest page, which keeps the file small
			NoStatistics: true,
			OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
				return f.openFile(name, flag, mode, o.lockWait)
			},
		})
		return err
	})
	if err != nil {
		if f.file != nil {
			_ = unlockFile(f.file) // bbolt may have closed it already
			_ = f.file.Close()
		}
		return nil, f.openError(err)
	}
	f.db.AllocSize = 1 << 20
	return f, nil
}

func (f *File) openError(err error) error {
	switch {
	case errors.Is(err, pipeline.ErrFenced), errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("checkpoint %s: %w: the file is locked (is another connector running with it?)", f.path, pipeline.ErrFenced)
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("checkpoint %s: %w (its file and folder must be writable)", f.path, err)
	}
	return f.fileError(err)
}

// openFile opens, locks and checks the file for bbolt, which would go by what a
// damaged page says.
func (f *File) openFile(name string, flag int, mode os.FileMode, wait time.Duration) (*os.File, error) {
	w, err := readWitness(name)
	if err != nil {
		return nil, err
	}
	if len(w) > 0 {
		// With a witness there was a file; an empty one must not take its place.
		flag &^= os.O_CREATE
	}
	file, err := os.OpenFile(name, flag, mode)
	if errors.Is(err, fs.ErrNotExist) && len(w) > 0 {
		return nil, corrupt("the file is gone and its witness %s is not", witnessPath(name))
	}
	if err != nil {
		return nil, err
	}
	f.file = file
	if err := f.prepareFile(file, wait); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

func (f *File) prepareFile(file *os.File, wait time.Duration) error {
	if ok, err := lockFile(file, wait); err != nil {
		return fmt.Errorf("lock: %w", err)
	} else if !ok {
		return pipeline.ErrFenced
	}
	var err error
	if f.witness, err = readWitness(f.path); err != nil { // again: under the lock
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	// A file with a lane has more pages than bbolt starts with. One that was being
	// made when the process died is all zeros or torn, and has nothing to lose; any
	// other is not ours.
	if _, ok := newestMeta(file); !ok && len(f.witness) == 0 && size > 0 && size <= 4*int64(os.Getpagesize()) {
		ours, err := interrupted(file, size)
		if err != nil {
			return err
		}
		if !ours {
			return errors.New("the file is not a checkpoint; refusing to touch it (is checkpoint.path right?)")
		}
		size = 0
		if err := file.Truncate(0); err != nil {
			return err
		}
	}
	if size > 0 {
		return verify(file, size)
	}
	if len(f.witness) > 0 {
		return corrupt("the file is empty")
	}
	return durable.SyncFolder(filepath.Dir(f.path))
}

// interrupted reports whether a small file without a whole meta page is what the
// making of a checkpoint leaves when the process dies: nothing but zeros and pieces
// of bbolt's first pages, of which the first begins with a meta page's header.
func interrupted(file *os.File, size int64) (bool, error) {
	b := make([]byte, size)
	if _, err := file.ReadAt(b, 0); err != nil {
		return false, err
	}
	if len(bytes.Trim(b, "\x00")) == 0 {
		return true, nil
	}
	const metaFlag = 0x04 // of a page: id 8 bytes, then flags
	return len(b) >= 10 && binary.NativeEndian.Uint64(b) == 0 && binary.NativeEndian.Uint16(b[8:]) == metaFlag, nil
}

// Load implements [pipeline.Store].
func (f *File) Load(ctx context.Context, lane string, start time.Time) (pipeline.Checkpoint, error) {
	if err := ctx.Err(); err != nil {
		return pipeline.Checkpoint{}, err
	}
	if lane == "" {
		return pipeline.Checkpoint{}, errors.New("load checkpoint: a lane without a name")
	}
	l, release, err := f.take(lane, true)
	if err != nil {
		return pipeline.Checkpoint{}, err
	}
	defer release()
	for {
		cp, found, err := f.read(lane, l)
		if err != nil {
			return pipeline.Checkpoint{}, fmt.Errorf("load %s: %w", lane, err)
		}
		if found {
			// The witness has to catch up before the header moves again.
			return cp, f.submit(&write{lane: lane, generation: l.header.generation})
		}
		h := newHeader(f.mint(), start)
		if err := f.submit(&write{lane: lane, generation: h.generation, apply: putHeader(lane, &h)}); err != nil {
			return pipeline.Checkpoint{}, err
		}
	}
}

// read fills l and returns the lane's checkpoint, and whether there is one.
func (f *File) read(lane string, l *fileLane) (cp pipeline.Checkpoint, found bool, err error) {
	err = f.view(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(lane))
		if b == nil {
			return f.agree(lane, false, 0)
		}
		found = true
		h, err := readHeader(b, lane)
		if err != nil {
			return err
		}
		if err := f.agree(lane, true, h.generation); err != nil {
			return err
		}
		var index blockIndex
		cp, err = readBlocks(b, lane, &h, &index)
		l.header, l.index, l.ahead = h, index, nil
		return err
	})
	return cp, found, err
}

func (f *File) agree(lane string, known bool, generation uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.witness.agree(lane, known, generation)
}

// take gives the caller lane for one call. It fails if the lane was not loaded,
// unless the call is Load itself.
func (f *File) take(lane string, loads bool) (*fileLane, func(), error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.usable(); err != nil {
		return nil, nil, err
	}
	l, ok := f.lanes[lane]
	if !ok {
		if !loads {
			return nil, nil, fmt.Errorf("checkpoint %s: lane %s was not loaded", f.path, lane)
		}
		l = &fileLane{}
		f.lanes[lane] = l
	}
	if l.busy {
		return nil, nil, fmt.Errorf("checkpoint %s: lane %s is used twice at the same time", f.path, lane)
	}
	l.busy = true
	return l, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		l.busy = false
		if l.header.epoch == "" { // nothing was read
			delete(f.lanes, lane)
		}
	}, nil
}

// usable is called with f.mu held.
func (f *File) usable() error {
	if f.closed {
		return fmt.Errorf("checkpoint %s: %w", f.path, fs.ErrClosed)
	}
	return f.broken
}

// Close implements [pipeline.Store]. It waits for writes that have begun. It may
// be called twice.
func (f *File) Close() error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil
	}
	f.closed = true
	broken := f.broken
	f.mu.Unlock()
	if broken != nil {
		// bbolt may hold its own locks for ever; the file's lock is what counts.
		return errors.Join(unlockFile(f.file), f.file.Close())
	}
	return f.fileError(guard(f.db.Close))
}

func readHeader(b *bolt.Bucket, lane string) (header, error) {
	value := b.Get(headerKey)
	if value == nil {
		return header{}, corrupt("lane %s has no header", lane)
	}
	h, err := decodeHeader(lane, value)
	if err != nil {
		return header{}, damaged(err, "header")
	}
	return h, nil
}

// damaged tells damage from what a newer version wrote.
func damaged(err error, what string, args ...any) error {
	what = fmt.Sprintf(what, args...)
	var newer newerError
	if errors.As(err, &newer) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return corrupt("%s: %w", what, err)
}

// readBlocks reads all blocks of a lane, and checks that they are those that h
// states.
func readBlocks(b *bolt.Bucket, lane string, h *header, index *blockIndex) (pipeline.Checkpoint, error) {
	var (
		found     blockSet
		prepared  []pipeline.Position
		delivered []pipeline.Position
		floor     = h.floor()
	)
	if h.blocks.count > 0 && h.blocks.members < 1<<32 {
		delivered = make([]pipeline.Position, 0, h.blocks.members)
	}
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if string(k) == string(headerKey) {
			continue
		}
		if len(k) != 8 {
			return pipeline.Checkpoint{}, corrupt("a key of %d bytes", len(k))
		}
		seq := binary.BigEndian.Uint64(k)
		members, err := decodeBlock(lane, h.epoch, seq, v)
		if err != nil {
			return pipeline.Checkpoint{}, damaged(err, "batch %d", seq)
		}
		found.add(seq, len(members))
		index.add(infoOf(seq, members))
		if h.isPrepared(seq) {
			prepared = members
			continue
		}
		delivered = appendAbove(delivered, members, floor)
	}
	if found != h.blocks {
		return pipeline.Checkpoint{}, corrupt("%d batches with %d members were written, %d with %d are there",
			h.blocks.count, h.blocks.members, found.count, found.members)
	}
	if h.prepared != nil && len(prepared) == 0 {
		return pipeline.Checkpoint{}, corrupt("the members of batch %d, which is prepared, are missing", h.prepared.ID.Seq)
	}
	cp := h.checkpoint(lane, prepared)
	cp.Delivered = delivered
	return cp, nil
}
