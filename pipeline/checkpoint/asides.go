package checkpoint

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"auditlog-connector/pipeline"
)

// SetAsideEntry is an entry that a source was told not to deliver.
type SetAsideEntry struct {
	Source string
	pipeline.Aside
}

// SetAsides returns the entries that were set aside, sorted by source.
func (q *Quarantine) SetAsides() ([]SetAsideEntry, error) {
	names, err := filepath.Glob(filepath.Join(globLiteral(q.dir), "*", SetAsideDir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("list quarantine: %w", err)
	}
	var all []SetAsideEntry
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read quarantine: %w", err)
		}
		var a aside
		if err := json.Unmarshal(data, &a); err != nil {
			return nil, fmt.Errorf("read quarantine: %s: %w", name, err)
		}
		body := a.BodyBase64
		if body == nil {
			body = []byte(a.Body)
		}
		source := filepath.Base(filepath.Dir(filepath.Dir(name)))
		all = append(all, SetAsideEntry{source, pipeline.Aside{ID: a.ID, Body: body, Reason: a.Reason}})
	}
	return all, nil
}
