//go:build unix

package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// verdict compares both destinations with the log: every event once, as it was
// served, and nothing else.
func (w *world) verdict(ctx context.Context) error {
	log := make(map[string][]byte)
	for e := range w.sim.Events() {
		log[e.ID] = e.Body
	}
	rows, err := tableRows(ctx, w.path("audit.db"))
	if err != nil {
		return fmt.Errorf("read the database: %w", err)
	}
	content, err := os.ReadFile(w.path("audit.jsonl"))
	if err != nil {
		return err
	}
	lines, err := parseLines(content) // all of them: nothing may lie beyond what counts
	if err != nil {
		return fmt.Errorf("read the file: %w", err)
	}
	return errors.Join(
		compare("the database", log, rows, bytes.Clone),
		compare("the file", log, lines, compact),
		w.tidy())
}

func compare(name string, log map[string][]byte, held []row, form func([]byte) []byte) error {
	var repeated, foreign, changed, lost int
	seen := make(map[string]bool, len(held))
	for _, r := range held {
		body, known := log[r.id]
		switch {
		case !known:
			foreign++
		case seen[r.id]:
			repeated++
		case !bytes.Equal(r.raw, form(body)):
			changed++
		}
		seen[r.id] = true
	}
	for id := range log {
		if !seen[id] {
			lost++
		}
	}
	if repeated+foreign+changed+lost > 0 {
		return fmt.Errorf("%s: of %d events %d are lost, %d repeated, %d changed; %d are foreign", name, len(log), lost, repeated, changed, foreign)
	}
	return nil
}

// compact is how the file spells an entry.
func compact(body []byte) []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, body); err != nil {
		return body
	}
	return b.Bytes()
}

// tidy makes sure that nothing of an interrupted write is left lying about.
func (w *world) tidy() error {
	for _, pattern := range []string{"*.tmp", "quarantine/*"} {
		if left, err := filepath.Glob(w.path(pattern)); err != nil || len(left) > 0 {
			return fmt.Errorf("left behind: %v %w", left, err)
		}
	}
	return nil
}
