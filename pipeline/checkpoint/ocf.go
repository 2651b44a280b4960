package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"auditlog-connector/schemas"
)

// Avro object container files, uncompressed: a header, then one block a record.
//
//	header: "Obj" 1 · map of metadata · sync marker
//	block:  records · bytes · content · sync marker
const (
	ocfMagic  = "Obj\x01"
	syncSize  = 16
	schemaKey = "avro.schema"
	codecKey  = "avro.codec"
	batchKey  = "connector.batch_id"
)

// quarantineSchema is the schema of audit events with the reason in front, where
// it can be cut off: what follows is an event as sinks get it.
var quarantineSchema = sync.OnceValue(func() string {
	var s map[string]any
	err := json.Unmarshal([]byte(schemas.Schema()), &s)
	fields, ok := s["fields"].([]any)
	if err != nil || !ok {
		panic(fmt.Sprintf("the audit event's schema has no fields: %v", err))
	}
	s["fields"] = slices.Insert(fields, 0, any(map[string]any{"name": "reason", "type": "string", "doc": "Why the destination refused the event."}))
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
})

func appendOCFHeader(b []byte, meta map[string]string, marker [syncSize]byte) []byte {
	b = append(b, ocfMagic...)
	b = binary.AppendVarint(b, int64(len(meta)))
	for _, k := range slices.Sorted(maps.Keys(meta)) {
		b = appendAvroString(appendAvroString(b, k), meta[k])
	}
	b = append(b, 0)
	return append(b, marker[:]...)
}

func appendOCFBlock(b, content []byte, marker [syncSize]byte) []byte {
	b = binary.AppendVarint(b, 1)
	b = binary.AppendVarint(b, int64(len(content)))
	b = append(b, content...)
	return append(b, marker[:]...)
}

func appendAvroString(b []byte, s string) []byte {
	return append(binary.AppendVarint(b, int64(len(s))), s...)
}

var errContainer = errors.New("not an Avro container of ours")

// readOCF returns the metadata and the content of each block of a container that
// appendOCFHeader and appendOCFBlock made.
func readOCF(b []byte) (meta map[string]string, blocks [][]byte, err error) {
	b, ok := bytes.CutPrefix(b, []byte(ocfMagic))
	if !ok {
		return nil, nil, errContainer
	}
	meta = make(map[string]string)
	n, b, ok := cutVarint(b)
	for ; ok && n > 0; n-- {
		var k, v []byte
		if k, b, ok = cutAvroBytes(b); ok {
			v, b, ok = cutAvroBytes(b)
			meta[string(k)] = string(v)
		}
	}
	if !ok || len(b) < 1+syncSize || b[0] != 0 {
		return nil, nil, errContainer
	}
	marker, b := b[1:1+syncSize], b[1+syncSize:]
	for len(b) > 0 {
		var content []byte
		if n, b, ok = cutVarint(b); !ok || n != 1 {
			return nil, nil, errContainer
		}
		if content, b, ok = cutAvroBytes(b); !ok || !bytes.HasPrefix(b, marker) {
			return nil, nil, errContainer
		}
		b = b[syncSize:]
		blocks = append(blocks, content)
	}
	return meta, blocks, nil
}

func cutVarint(b []byte) (int64, []byte, bool) {
	v, n := binary.Varint(b)
	if n <= 0 {
		return 0, nil, false
	}
	return v, b[n:], true
}

func cutAvroBytes(b []byte) (field, rest []byte, ok bool) {
	n, b, ok := cutVarint(b)
	if !ok || n < 0 || n > int64(len(b)) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}
