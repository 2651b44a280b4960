package checkpoint

import (
	"errors"
	"fmt"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"auditlog-connector/pipeline"
)

// panicError is a panic of bbolt's, which asserts instead of returning errors, or
// a page of the mapped file that could not be read.
type panicError struct{ reason any }

func (e *panicError) Error() string { return fmt.Sprint(e.reason) }

func (e *panicError) Unwrap() error { return pipeline.ErrCorrupt }

// guard calls fn and returns its panics and page faults as errors that wrap
// [pipeline.ErrCorrupt]. Faults of goroutines that fn starts are not caught, which
// is why bbolt's Batch and Check, which start some, are not used.
func guard(fn func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		if r := recover(); r != nil {
			err = &panicError{r}
		}
	}()
	return fn()
}

// view reads the database. After a panic the file is broken: bbolt may hold its
// locks for ever.
func (f *File) view(fn func(tx *bolt.Tx) error) error {
	f.mu.Lock()
	err := f.broken
	f.mu.Unlock()
	if err != nil {
		return err
	}
	err = guard(func() error { return f.db.View(fn) })
	var crashed *panicError
	if errors.As(err, &crashed) {
		return f.breakWith(f.fileError(err))
	}
	return f.fileError(err)
}

// breakWith makes err what every later call returns.
func (f *File) breakWith(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken == nil {
		f.broken = fmt.Errorf("%w; no more is read or written: stop and start the connector", err)
	}
	return f.broken
}

// fileError adds the path, and to damage a hint.
func (f *File) fileError(err error) error {
	if err == nil {
		return nil
	}
	for _, damage := range []error{berrors.ErrInvalid, berrors.ErrChecksum, berrors.ErrVersionMismatch} {
		if errors.Is(err, damage) && !errors.Is(err, pipeline.ErrCorrupt) {
			err = fmt.Errorf("%w: %w", pipeline.ErrCorrupt, err)
		}
	}
	if errors.Is(err, pipeline.ErrCorrupt) {
		return fmt.Errorf("checkpoint %s: %w (%s)", f.path, err, f.damageHint())
	}
	return fmt.Errorf("checkpoint %s: %w", f.path, err)
}

// damageHint says what to do about damage: to a lane, or to the file as a whole, which
// no command can open.
func (f *File) damageHint() string {
	restore := "restore it and " + witnessPath(f.path) + " from one backup"
	if f.db != nil {
		return restore + ", or make the lane begin anew: connector checkpoint reset"
	}
	return restore + "; or move both aside and start with an empty one: the destinations then refuse their lanes, and " +
		"connector checkpoint reset --takeover makes each lane begin anew"
}

// corrupt makes an error that wraps [pipeline.ErrCorrupt].
func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %w", pipeline.ErrCorrupt, fmt.Errorf(format, args...))
}
