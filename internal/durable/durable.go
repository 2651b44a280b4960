// Package durable makes files and folders that a power failure does not take away
// again, for their owner alone.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// MakeFolder makes dir and what is missing above it. They are there for good when it
// returns nil. A folder that was there before keeps its mode.
func MakeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	above := filepath.Dir(dir)
	if above != dir {
		if err := MakeFolder(above); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return SyncFolder(above)
}

// SyncFolder makes durable what was created, renamed or removed in dir.
func SyncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // a folder cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}

// Replace makes data the content of path in one step: a reader, or a crash, finds the
// content of before or all of data. It is durable when Replace returns nil; after an
// error the file is the old or the new one, whole. It writes path with ".tmp" appended
// first: nobody else may.
//
// At, if it is not nil, is called between two steps, after "temporary" and "renamed";
// its error ends the replacing there.
func Replace(path string, data []byte, at func(step string) error) error {
	if at == nil {
		at = func(string) error { return nil }
	}
	temporary := path + ".tmp"
	if err := writeSynced(temporary, data); err != nil {
		return err
	}
	if err := at("temporary"); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	if err := at("renamed"); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

func writeSynced(path string, data []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}

// Writable tries whether a file can be made in dir, or in the closest folder above it
// that exists. It leaves nothing behind.
func Writable(dir string) error {
	for {
		f, err := os.CreateTemp(dir, ".connector-check-*")
		switch {
		case err == nil:
			return errors.Join(f.Close(), os.Remove(f.Name()))
		case !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir):
			return err
		}
		dir = filepath.Dir(dir)
	}
}
