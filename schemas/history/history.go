// Package history has every version of the Avro schema that was released, and reads
// records of all of them.
//
// A version is a file, N.avsc, which never changes. The last one says the same as
// the schema of package schemas; the tests compare them, and prove that each version
// follows from the one before by the rules of the README, so that every reader reads
// every writer.
package history

import (
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/linkedin/goavro/v2"

	"auditlog-connector/schemas"
)

//go:embed *.avsc
var files embed.FS

// Version is one version of the schema.
type Version struct {
	Number      int    // 1 is the first
	Schema      string // JSON text, with its documentation
	Fingerprint uint64 // CRC-64-AVRO, as in the header of single objects

	codec func() *goavro.Codec
}

// fingerprints are those of the versions, from the first. A test computes them anew.
var fingerprints = []uint64{0xa77060ae86eaace1}

var versions = sync.OnceValue(func() []Version {
	all := make([]Version, len(fingerprints))
	for i, fingerprint := range fingerprints {
		text, err := files.ReadFile(fmt.Sprintf("%d.avsc", i+1))
		if err != nil {
			panic(err) // embedded; the tests read it too
		}
		all[i] = Version{Number: i + 1, Schema: string(text), Fingerprint: fingerprint, codec: sync.OnceValue(func() *goavro.Codec {
			codec, err := goavro.NewCodec(string(text))
			if err != nil {
				panic(fmt.Sprintf("parse version %d of the Avro schema: %v", i+1, err))
			}
			return codec
		})}
	}
	return all
})

// Versions returns every version, the first one first. It is shared and must not be
// modified.
func Versions() []Version { return versions() }

// Current returns the version that records are written with.
func Current() Version { return versions()[len(fingerprints)-1] }

// Codec returns goavro's codec of the version. It is made at the first call and is
// safe for concurrent use.
func (v Version) Codec() *goavro.Codec { return v.codec() }

// Find returns the version that a schema is, of a container file for instance. Its
// documentation may be another one, and so may its white space. It reports false if
// it is no version that this program knows: a later one's records can still be read
// with that schema, and [FromNative].
func Find(schema string) (Version, bool) {
	for _, v := range versions() {
		if v.Schema == schema {
			return v, true
		}
	}
	codec, err := goavro.NewCodec(schema)
	if err != nil {
		return Version{}, false
	}
	for _, v := range versions() {
		if v.Codec().CanonicalSchema() == codec.CanonicalSchema() {
			return v, true
		}
	}
	return Version{}, false
}

// Decode reads a record without framing that was written with the version of that
// fingerprint: fields added since have their defaults. The result shares nothing
// with avro.
//
// It fails if there is no such version, which a newer program may have written, or
// avro is not one record of it.
func Decode(avro []byte, fingerprint uint64) (schemas.AuditEvent, error) {
	if fingerprint == schemas.Fingerprint() {
		return schemas.Decode(avro)
	}
	for _, v := range versions() {
		if v.Fingerprint != fingerprint {
			continue
		}
		return v.decode(avro)
	}
	return schemas.AuditEvent{}, fmt.Errorf("decode audit event: no version of the schema has fingerprint %016x (a newer connector may know it)", fingerprint)
}

// decode reads a record of the version with its own schema, and resolves it.
func (v Version) decode(avro []byte) (schemas.AuditEvent, error) {
	native, rest, err := v.Codec().NativeFromBinary(avro)
	if err != nil {
		return schemas.AuditEvent{}, fmt.Errorf("decode audit event of version %d: %w", v.Number, err)
	}
	if len(rest) > 0 {
		return schemas.AuditEvent{}, fmt.Errorf("decode audit event of version %d: %d bytes after the record", v.Number, len(rest))
	}
	return FromNative(native)
}

// singleHeader is the length of a single object's header: two bytes that mark it,
// and the fingerprint.
const singleHeader = 10

// DecodeSingle reads a record in Avro's single-object encoding, of any version.
func DecodeSingle(b []byte) (schemas.AuditEvent, error) {
	if len(b) < singleHeader || b[0] != 0xC3 || b[1] != 0x01 {
		return schemas.AuditEvent{}, errors.New("decode audit event: no header of a single object")
	}
	return Decode(b[singleHeader:], binary.LittleEndian.Uint64(b[2:]))
}

// FromNative makes a record of what goavro read, of a container file for instance,
// with the schema of any version, or of one that this program does not know yet:
// fields it does not have get their defaults, and fields unknown here are left out.
func FromNative(native any) (schemas.AuditEvent, error) {
	avro, err := schemas.Codec().BinaryFromNative(nil, native)
	if err != nil {
		return schemas.AuditEvent{}, fmt.Errorf("resolve audit event: %w", err)
	}
	return schemas.Decode(avro)
}

// With returns a function that reads records written with a schema: the record of
// any version, one this program does not know included, and with fields of its own
// beside the record's, which it returns as goavro does. Fields that the schema lacks
// get their defaults. It fails if schema is no schema; the function fails if avro is
// not one record of it, or lacks what every version has.
func With(schema string) (func(avro []byte) (schemas.AuditEvent, map[string]any, error), error) {
	codec, err := goavro.NewCodec(schema)
	if err != nil {
		return nil, fmt.Errorf("parse the writer's schema: %w", err)
	}
	return func(avro []byte) (schemas.AuditEvent, map[string]any, error) {
		native, rest, err := codec.NativeFromBinary(avro)
		if err != nil {
			return schemas.AuditEvent{}, nil, fmt.Errorf("decode with the writer's schema: %w", err)
		}
		fields, ok := native.(map[string]any)
		if len(rest) > 0 || !ok {
			return schemas.AuditEvent{}, nil, fmt.Errorf("decode with the writer's schema: not one record, %d bytes are left", len(rest))
		}
		event, err := FromNative(native)
		return event, fields, err
	}, nil
}

// Container reads the events of an Avro object container that was written with any
// version of the schema, one this program does not know included, and hands each to
// yield, whose error ends it.
func Container(r io.Reader, yield func(schemas.AuditEvent) error) error {
	c, err := goavro.NewOCFReader(r)
	if err != nil {
		return fmt.Errorf("open container: %w", err)
	}
	for c.Scan() {
		native, err := c.Read()
		if err != nil {
			return fmt.Errorf("read container: %w", err)
		}
		event, err := FromNative(native)
		if err != nil {
			return err
		}
		if err := yield(event); err != nil {
			return err
		}
	}
	if err := c.Err(); err != nil {
		return fmt.Errorf("read container: %w", err)
	}
	return nil
}
