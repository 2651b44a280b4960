package checkpoint

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"auditlog-connector/internal/durable"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
	"auditlog-connector/schemas/history"
)

// Quarantine is a [pipeline.Quarantine] in a folder:
//
//	<source>/<sink>/<epoch>-<seq>.avro     a batch's refused records: AuditEvent and "reason"
//	<source>/set-aside/<hash>.json         an entry set aside: {id, reason, body}
//
// Files appear and change in one step. Methods may be called concurrently.
type Quarantine struct {
	dir string
	mu  sync.Mutex // held while files change
}

// NewQuarantine returns the quarantine in dir, which is made when it is needed.
func NewQuarantine(dir string) *Quarantine { return &Quarantine{dir: dir} }

// SetAsideDir is the folder of a source for entries that were set aside, beside those
// of its sinks: no sink may have that name.
const SetAsideDir = "set-aside"

// Put implements [pipeline.Quarantine].
func (q *Quarantine) Put(_ context.Context, m pipeline.Manifest, records []pipeline.Record, reasons map[int]error) error {
	path, err := q.path(m.ID)
	if err != nil {
		return fmt.Errorf("quarantine batch %s: %w", m.ID, err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(reasons) == 0 {
		err := os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			err = durable.SyncFolder(filepath.Dir(path))
		}
		return wrapQuarantine(m.ID, err)
	}
	digest := m.Digest()
	marker := [syncSize]byte(digest[:syncSize])
	file := appendOCFHeader(nil, map[string]string{schemaKey: quarantineSchema(), codecKey: "null", batchKey: m.ID.String()}, marker)
	for _, i := range slices.Sorted(maps.Keys(reasons)) {
		if i < 0 || i >= len(records) {
			return fmt.Errorf("quarantine batch %s: record %d of %d was refused", m.ID, i, len(records))
		}
		reason := "unknown"
		if reasons[i] != nil {
			reason = strings.ToValidUTF8(reasons[i].Error(), "\uFFFD")
		}
		file = appendOCFBlock(file, append(appendAvroString(nil, reason), records[i].Avro...), marker)
	}
	if err = durable.MakeFolder(filepath.Dir(path)); err == nil {
		err = durable.Replace(path, file, nil)
	}
	return wrapQuarantine(m.ID, err)
}

func wrapQuarantine(id pipeline.BatchID, err error) error {
	if err != nil {
		return fmt.Errorf("quarantine batch %s: %w", id, err)
	}
	return nil
}

// aside is the content of a file for an entry that was set aside.
type aside struct {
	ID         string `json:"id"`
	Reason     string `json:"reason"`
	Body       string `json:"body,omitempty"`        // as served
	BodyBase64 []byte `json:"body_base64,omitempty"` // instead, if it is not UTF-8
}

// SetAside implements [pipeline.Quarantine].
func (q *Quarantine) SetAside(_ context.Context, source string, entry pipeline.Aside) error {
	name := filepath.Join(q.dir, source, SetAsideDir)
	if err := safeName(source); err != nil {
		return fmt.Errorf("set entry %q aside: %w", entry.ID, err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d:%s", len(entry.ID), entry.ID)
	h.Write(entry.Body)
	path := filepath.Join(name, hex.EncodeToString(h.Sum(nil)[:16])+".json")
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, err := os.Stat(path); err == nil {
		return nil // a file that is there is whole and durable
	}
	a := aside{ID: entry.ID, Reason: entry.Reason}
	if utf8.Valid(entry.Body) {
		a.Body = string(entry.Body)
	} else {
		a.BodyBase64 = entry.Body
	}
	data, err := json.MarshalIndent(a, "", "  ")
	if err == nil {
		err = durable.MakeFolder(name)
	}
	if err == nil {
		err = durable.Replace(path, append(data, '\n'), nil)
	}
	if err != nil {
		return fmt.Errorf("set entry %q aside: %w", entry.ID, err)
	}
	return nil
}

// Batches returns the batches of which records are in quarantine, sorted.
func (q *Quarantine) Batches() ([]pipeline.BatchID, error) {
	names, err := filepath.Glob(filepath.Join(globLiteral(q.dir), "*", "*", "*.avro"))
	if err != nil {
		return nil, fmt.Errorf("list quarantine: %w", err)
	}
	var ids []pipeline.BatchID
	for _, name := range names {
		dir, base := filepath.Split(name)
		epoch, number, _ := strings.Cut(strings.TrimSuffix(base, ".avro"), "-")
		seq, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			continue // not one of ours
		}
		sink := filepath.Base(dir)
		source := filepath.Base(filepath.Dir(filepath.Clean(dir)))
		ids = append(ids, pipeline.BatchID{Lane: source + "/" + sink, Epoch: epoch, Seq: seq})
	}
	return ids, nil
}

// Refused is a record in quarantine.
type Refused struct {
	Event  schemas.AuditEvent
	Reason string
}

// Read returns the refused records of a batch, in the batch's order. The error
// wraps [fs.ErrNotExist] if there are none.
func (q *Quarantine) Read(id pipeline.BatchID) ([]Refused, error) {
	path, err := q.path(id)
	if err != nil {
		return nil, fmt.Errorf("read quarantine of batch %s: %w", id, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read quarantine: %w", err)
	}
	meta, blocks, err := readOCF(data)
	if err != nil {
		return nil, fmt.Errorf("read quarantine: %s: %w", path, err)
	}
	decode, err := refusedDecoder(meta[schemaKey])
	if err != nil {
		return nil, fmt.Errorf("read quarantine: %s: %w", path, err)
	}
	refused := make([]Refused, len(blocks))
	for i, block := range blocks {
		if refused[i], err = decode(block); err != nil {
			return nil, fmt.Errorf("read quarantine: %s: record %d: %w", path, i, err)
		}
	}
	return refused, nil
}

// refusedDecoder returns what reads a record that was written with schema. Files
// outlive the version that wrote them.
func refusedDecoder(schema string) (func(block []byte) (Refused, error), error) {
	if schema == quarantineSchema() {
		return func(block []byte) (Refused, error) {
			reason, rest, ok := cutAvroBytes(block)
			if !ok {
				return Refused{}, errContainer
			}
			event, err := schemas.Decode(rest)
			return Refused{Event: event, Reason: string(reason)}, err
		}, nil
	}
	read, err := history.With(schema)
	if err != nil {
		return nil, err
	}
	return func(block []byte) (Refused, error) {
		event, fields, err := read(block)
		reason, _ := fields["reason"].(string)
		return Refused{Event: event, Reason: reason}, err
	}, nil
}

func (q *Quarantine) path(id pipeline.BatchID) (string, error) {
	source, sink, _ := strings.Cut(id.Lane, "/")
	if err := errors.Join(safeName(source), safeName(sink), safeName(id.Epoch)); err != nil {
		return "", err
	}
	return filepath.Join(q.dir, source, sink, fmt.Sprintf("%s-%020d.avro", id.Epoch, id.Seq)), nil
}

// safeName refuses what would lead out of the folder.
func safeName(s string) error {
	if s == "" || s == "." || s == ".." || strings.ContainsAny(s, "/\\\x00") {
		return fmt.Errorf("%q cannot be a file name", s)
	}
	return nil
}

// globLiteral makes s match itself.
func globLiteral(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}
