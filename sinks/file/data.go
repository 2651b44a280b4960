package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"auditlog-connector/internal/durable"
	"auditlog-connector/pipeline"
)

// openData opens the file at path for the next batch, cut to what counts of it, and
// returns where the batch begins. The record knows the file before it has a byte.
func (s *sink) openData(path string) (f *os.File, offset int64, err error) {
	name := filepath.Base(path)
	size, exists, err := sizeOf(path)
	if err != nil {
		return nil, 0, err
	}
	offset, known := s.side.Files[name]
	switch {
	case known && !exists && (s.rotate == rotateDaily || offset == 0):
		known, offset = false, 0 // the day's file was moved away, or never made
	case known && size < offset:
		return nil, 0, pipeline.Permanent(fmt.Errorf("%s is %d bytes long, and %d were delivered: it was cut or replaced; put it back, "+
			"or deliver again what is missing: connector checkpoint reset --lane %s --start earliest --takeover", path, size, offset, s.lane))
	case !known && size > 0 && !s.side.TakenOver:
		return nil, 0, s.foreign(path)
	case !known:
		offset = size
	}
	if !known {
		// Without this a crash would leave a file of which nobody knows whose it is.
		r := s.side.clone()
		r.Files[name] = offset
		if r.File == name {
			r.Offset, r.Length = offset, offset
		}
		if err := s.record(r); err != nil {
			return nil, 0, err
		}
	}
	if f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, 0, err
	}
	if err = s.trim(f, size, offset); err == nil && !exists {
		err = durable.SyncFolder(filepath.Dir(path))
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, offset, nil
}

// trim cuts what a batch left that did not get as far as the record.
func (s *sink) trim(f *os.File, size, length int64) error {
	if size <= length {
		return nil
	}
	if s.clean[f.Name()] {
		return fmt.Errorf("%w: %s grew by %d bytes that this process did not write", pipeline.ErrFenced, f.Name(), size-length)
	}
	s.log.Warn("cut an unfinished batch", "lane", s.lane, "file", f.Name(), "bytes", size-length)
	if err := f.Truncate(length); err != nil {
		return err
	}
	return f.Sync()
}

// examine does what openData does to the file of the last batch, when the lane is
// claimed.
func (s *sink) examine() error {
	if s.side.File == "" {
		return nil
	}
	path := filepath.Join(filepath.Dir(s.path), s.side.File)
	if _, exists, err := sizeOf(path); err != nil || !exists && s.rotate == rotateDaily {
		return err
	}
	f, _, err := s.openData(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// needsNewline reports whether the file, continued for another owner, ends in the
// middle of a line.
func needsNewline(f *os.File, offset int64) (bool, error) {
	if offset == 0 {
		return false, nil
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], offset-1); err != nil {
		return false, err
	}
	return last[0] != '\n', nil
}

func sizeOf(path string) (size int64, exists bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, false, nil
	case err != nil:
		return 0, false, err
	case !info.Mode().IsRegular():
		return 0, false, pipeline.Permanent(fmt.Errorf("%s is not a regular file", path))
	}
	return info.Size(), true, nil
}

func (s *sink) foreign(path string) error {
	return fmt.Errorf("%w: %s is not empty and has no side record of this lane; move it away, or continue it: connector checkpoint reset --lane %s --start earliest --takeover",
		pipeline.ErrForeignEpoch, path, s.lane)
}
