package format

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

var errCut = errors.New("it ends early")

// Event is one event as an object holds it.
type Event struct {
	ID    string // empty: what is there does not say it
	Index int    // its place in the batch
	Line  []byte // as JSON on one line, without the newline; valid until the next event
}

// Read calls yield for each event of an object with that key and content, in the
// order of the object. It returns the first error, yield's or its own: content that
// was cut, changed or is none of ours is an error and never a panic.
func Read(key string, body []byte, yield func(Event) error) error {
	f, err := Format{}.Of(key)
	if err != nil {
		return err
	}
	switch f.Container {
	case Avro:
		err = readAvro(body, yield)
	case JSONL:
		err = readLines(f.Compression, body, yield)
	default:
		err = readParquet(body, yield)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", f.Container, err)
	}
	return nil
}

func readLines(compression string, body []byte, yield func(Event) error) error {
	var in io.Reader = bytes.NewReader(body)
	switch compression {
	case "gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			return err
		}
		defer z.Close()
		in = z
	case "zstd":
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return err
		}
		defer z.Close()
		in = z
	}
	r := bufio.NewReaderSize(in, 256<<10)
	for index := 0; ; index++ {
		line, err := r.ReadBytes('\n')
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0:
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("event %d: %w", index, errCut)
		case err != nil:
			return fmt.Errorf("event %d: %w", index, err)
		}
		line = line[:len(line)-1]
		if !json.Valid(line) {
			return fmt.Errorf("event %d: not JSON", index)
		}
		if err := yield(Event{ID: documentID(line), Index: index, Line: line}); err != nil {
			return err
		}
	}
}

// documentID is the event ID in a document of any schema, empty if there is none.
func documentID(line []byte) string {
	var d struct {
		EventID  any `json:"event_id"` // normalized, CIM
		Metadata struct {
			UID any `json:"uid"` // OCSF
		} `json:"metadata"`
		Event     any  `json:"event"` // ECS: an object with id
		ID        any  `json:"id"`    // raw
		Raw       any  `json:"raw"`   // raw that is no text
		RawBase64 bool `json:"raw_base64"`
	}
	if err := json.Unmarshal(line, &d); err != nil && !errors.As(err, new(*json.UnmarshalTypeError)) {
		return ""
	}
	ecs, _ := d.Event.(map[string]any)
	for _, id := range []any{d.EventID, d.Metadata.UID, ecs["id"], d.ID} {
		if s, ok := id.(string); ok {
			return s
		}
	}
	if text, ok := d.Raw.(string); ok && d.RawBase64 {
		var entry struct {
			ID string `json:"id"`
		}
		raw, err := base64.StdEncoding.DecodeString(text)
		if err == nil && json.Unmarshal(raw, &entry) == nil {
			return entry.ID
		}
	}
	return ""
}
