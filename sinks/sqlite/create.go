package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"auditlog-connector/internal/durable"
	"auditlog-connector/pipeline"
)

// prepareFile makes sure that path exists, readable by its owner alone if it has
// to be made.
func prepareFile(path string, create bool) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !create {
		return pipeline.Permanent(fmt.Errorf("open database %s: it does not exist any more, and a batch in doubt belongs there; "+
			"put it back, or see: connector checkpoint resolve", path))
	}
	if err := makeFile(path); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	return nil
}

func makeFile(path string) error {
	if err := durable.MakeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), durable.SyncFolder(filepath.Dir(path)))
}
