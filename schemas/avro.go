package schemas

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/linkedin/goavro/v2"
)

//go:embed audit_event.avsc
var schema string

// fingerprint is the schema's; a test computes it anew.
const fingerprint uint64 = 0xa77060ae86eaace1

// Schema returns the Avro schema of [AuditEvent] as JSON text, with its
// documentation.
func Schema() string { return schema }

// Fingerprint returns the CRC-64-AVRO fingerprint of the schema's Parsing
// Canonical Form, as other Avro implementations compute it; it changes only when a
// field is added. The Rabin field of [Codec] is another number: goavro's canonical
// form keeps the object around a logical type.
func Fingerprint() uint64 { return fingerprint }

var codec = sync.OnceValue(func() *goavro.Codec {
	c, err := goavro.NewCodec(schema)
	if err != nil {
		panic(fmt.Sprintf("parse the embedded Avro schema: %v", err))
	}
	return c
})

// Codec returns goavro's codec of the schema, for container files and textual
// Avro. [Encode] and [Decode] do the same as its binary methods, without maps; for
// its single-object methods take [AppendSingle] and [CutSingle]. It is made at the
// first call and is safe for concurrent use.
func Codec() *goavro.Codec { return codec() }

// singleHeader marks a single-object encoding and names the schema.
var singleHeader = binary.LittleEndian.AppendUint64([]byte{0xC3, 0x01}, fingerprint)

// AppendSingle appends the Avro single-object encoding of a record, given its
// encoding without framing.
func AppendSingle(dst, avro []byte) []byte {
	return append(append(dst, singleHeader...), avro...)
}

// CutSingle returns the record inside of a single-object encoding, shared with b.
// It fails if b has no such header, or that of another schema.
func CutSingle(b []byte) ([]byte, error) {
	avro, ok := bytes.CutPrefix(b, singleHeader)
	switch {
	case ok:
		return avro, nil
	case !bytes.HasPrefix(b, singleHeader[:2]) || len(b) < len(singleHeader):
		return nil, errors.New("cut single object: no header")
	}
	return nil, fmt.Errorf("cut single object: schema %016x, want %016x", binary.LittleEndian.Uint64(b[2:]), fingerprint)
}
