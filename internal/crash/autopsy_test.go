//go:build unix

package crash

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver: the destination is read without the sink

	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint"
)

// copied is what an autopsy reads: opening the originals could repair them.
var copied = []string{
	"checkpoint.db", "checkpoint.db.generation", "audit.db", "audit.db-wal", "audit.jsonl", "audit.jsonl.lane.json",
}

// autopsy returns, by lane, what had become of the batch that the checkpoint left
// behind says is in doubt, as the destination's content shows.
func (w *world) autopsy(ctx context.Context) (map[string]pipeline.Outcome, error) {
	dir, err := os.MkdirTemp(w.dir, "autopsy-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for _, name := range copied {
		if err := copyFile(filepath.Join(dir, name), w.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "checkpoint.db")); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	store, err := checkpoint.Open(filepath.Join(dir, "checkpoint.db"))
	if err != nil {
		return nil, fmt.Errorf("autopsy: %w", err)
	}
	defer store.Close()
	found := make(map[string]pipeline.Outcome)
	for _, lane := range lanes {
		cp, err := store.Inspect(lane)
		if errors.Is(err, checkpoint.ErrNoLane) || err == nil && cp.Prepared == nil {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("autopsy: %w", err)
		}
		held, err := holdings(ctx, dir, lane)
		if err != nil {
			return nil, fmt.Errorf("autopsy of %s: %w", lane, err)
		}
		if found[lane], err = outcome(cp.Prepared, held); err != nil {
			return nil, fmt.Errorf("autopsy of %s: %w", lane, err)
		}
	}
	return found, nil
}

// outcome is what became of m: a batch is in its destination as a whole or not at all.
func outcome(m *pipeline.Manifest, held []row) (pipeline.Outcome, error) {
	ids := make(map[string]bool, len(held))
	for _, r := range held {
		ids[r.id] = true
	}
	there := 0
	for _, p := range m.Members {
		if ids[p.ID] {
			there++
		}
	}
	switch there {
	case 0:
		return pipeline.OutcomeAbsent, nil
	case len(m.Members):
		return pipeline.OutcomeCommitted, nil
	}
	return pipeline.OutcomeUnknown, fmt.Errorf("%d of %d events of batch %s are there", there, len(m.Members), m.ID)
}

// row is one event as a destination holds it.
type row struct {
	id  string
	raw []byte
}

// holdings is what the destination of lane in dir holds, by the rules of its reader.
func holdings(ctx context.Context, dir, lane string) ([]row, error) {
	if lane == laneDB {
		return tableRows(ctx, filepath.Join(dir, "audit.db"))
	}
	return countedLines(filepath.Join(dir, "audit.jsonl"))
}

// tableRows reads the table of a database; it may have been killed in the making.
func tableRows(ctx context.Context, path string) ([]row, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path}).String())
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var tables int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE name = 'audit_events'").Scan(&tables); err != nil || tables == 0 {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, "SELECT event_id, raw FROM audit_events")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.id, &r.raw); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// countedLines reads the lines of a file as far as its side record says that it counts.
func countedLines(path string) ([]row, error) {
	text, err := os.ReadFile(path + ".lane.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var side struct{ Length int }
	if err := json.Unmarshal(text, &side); err != nil {
		return nil, fmt.Errorf("side record: %w", err)
	}
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(content) < side.Length {
		return nil, fmt.Errorf("the file has %d bytes, its side record says %d", len(content), side.Length)
	}
	return parseLines(content[:side.Length])
}

func parseLines(content []byte) ([]row, error) {
	if len(content) > 0 && content[len(content)-1] != '\n' {
		return nil, errors.New("the last line is torn")
	}
	var all []row
	for line := range bytes.Lines(content) {
		var e struct {
			ID  string          `json:"event_id"`
			Raw json.RawMessage `json:"raw"`
		}
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(all)+1, err)
		}
		all = append(all, row{e.ID, e.Raw})
	}
	return all, nil
}

func copyFile(to, from string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o600)
}
