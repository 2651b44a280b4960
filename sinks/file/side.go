package file

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"auditlog-connector/internal/durable"
	"auditlog-connector/pipeline"
)

// sideVersion is that of the side record's form.
const sideVersion = 1

// side is the lane's record beside its files. What a file has beyond the length
// that stands here does not count.
type side struct {
	Version int    `json:"version"`
	Lane    string `json:"lane"`
	pipeline.Marker
	File      string           `json:"file,omitempty"`       // of the last batch
	Offset    int64            `json:"offset"`               // where it begins
	Length    int64            `json:"length"`               // of File, once it was written
	Files     map[string]int64 `json:"files,omitempty"`      // lengths, by name in the folder
	TakenOver bool             `json:"taken_over,omitempty"` // files of an earlier owner may be there: they are continued
}

// marker is the record's marker; nil if there is no record.
func (r *side) marker() *pipeline.Marker {
	if r == nil {
		return nil
	}
	return &r.Marker
}

func (r *side) clone() *side {
	c := *r
	c.Files = maps.Clone(r.Files)
	if c.Files == nil {
		c.Files = make(map[string]int64)
	}
	return &c
}

// accept takes files that were cut, replaced or removed as they are now: the lane is
// taken over, and what they lack is not expected any more.
func (r *side) accept(dir string) error {
	for name, length := range r.Files {
		size, _, err := sizeOf(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		r.Files[name] = min(length, size)
	}
	if length := r.Files[r.File]; length < r.Length {
		r.Offset, r.Length = length, length
	}
	return nil
}

// readSide reads the record at path; nil if there is none.
func readSide(path string) (*side, error) {
	content, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read side record: %w", err)
	}
	var r side
	if err := json.Unmarshal(content, &r); err != nil {
		return nil, pipeline.Permanent(fmt.Errorf("%w: side record %s: %w", pipeline.ErrCorrupt, path, err))
	}
	if r.Version > sideVersion {
		return nil, pipeline.Permanent(fmt.Errorf("side record %s has version %d, this program knows up to %d: a newer connector wrote it",
			path, r.Version, sideVersion))
	}
	sound := r.Version == sideVersion && r.Lane != "" && r.Epoch != "" && r.Offset >= 0 && r.Offset <= r.Length && r.Length == r.Files[r.File]
	for name, length := range r.Files {
		// A name that leads out of the folder would have another file cut.
		sound = sound && length >= 0 && name == filepath.Base(name) && filepath.IsLocal(name) && name != "."
	}
	if !sound {
		return nil, pipeline.Permanent(fmt.Errorf("%w: side record %s contradicts itself", pipeline.ErrCorrupt, path))
	}
	return &r, nil
}

// writeSide replaces the record at path. When it returns nil the record is on the
// disk; after an error it is the old or the new one, whole.
func writeSide(path string, r *side, step func(string) error) error {
	content, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write side record: %w", err)
	}
	if err := durable.Replace(path, append(content, '\n'), step); err != nil {
		return fmt.Errorf("write side record: %w", err)
	}
	return nil
}
