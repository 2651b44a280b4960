// Package format makes an object's content of a batch, and reads it back.
//
// Content is deterministic: one batch in one format is the same bytes on every run
// of one version. What an object is can be read off the end of its key.
package format

import (
	"fmt"
	"strings"

	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas/document"
)

// The containers that there are.
const (
	Avro    = "avro"
	JSONL   = "jsonl"
	Parquet = "parquet"
)

// Format says what objects are like inside.
type Format struct {
	Container   string // avro, jsonl, parquet
	Schema      string // of jsonl and parquet; avro is always the record
	Compression string // of the container's; empty: its default
}

// kind is a container and what it can be.
type kind struct {
	name         string
	compressions []string          // the first is the default
	extensions   map[string]string // by compression; "" for all others
	schema       func(name string) bool
	schemas      func() string // in words
	encoder      func(f Format) encoder
}

var kinds = []kind{
	{
		name: Avro, compressions: []string{"deflate", "snappy", "none"}, extensions: map[string]string{"": ".avro"},
		schema:  func(name string) bool { return name == "normalized" },
		schemas: func() string { return "an avro object is the whole record; schema is for jsonl and parquet" },
		encoder: newAvroEncoder,
	}, {
		name: JSONL, compressions: []string{"gzip", "zstd", "none"},
		extensions: map[string]string{"gzip": ".jsonl.gz", "zstd": ".jsonl.zst", "none": ".jsonl"},
		schema:     func(name string) bool { return document.Lookup(name) != nil },
		schemas:    document.Names,
		encoder:    newLineEncoder,
	}, {
		name: Parquet, compressions: []string{"zstd", "snappy"}, extensions: map[string]string{"": ".parquet"},
		schema:  func(name string) bool { return tables[name] != nil },
		schemas: tableNames,
		encoder: newParquetEncoder,
	},
}

// Names lists the containers in words, for a hint.
const Names = "avro, jsonl or parquet"

func lookup(container string) *kind {
	for i := range kinds {
		if kinds[i].name == container {
			return &kinds[i]
		}
	}
	return nil
}

// Validate returns everything that is wrong with f, as errors about the fields
// format, schema and compression.
func (f Format) Validate() (errs []error) {
	k := lookup(f.Container)
	if k == nil {
		return []error{strictyaml.Field("format", "unknown format %q", f.Container).WithHint(Names)}
	}
	if !k.schema(f.Schema) {
		errs = append(errs, strictyaml.Field("schema", "unknown schema %q for format %s", f.Schema, k.name).WithHint(k.schemas()))
	}
	if f.Compression != "" && k.compression(f.Compression) != f.Compression {
		errs = append(errs, strictyaml.Field("compression", "unknown compression %q for format %s", f.Compression, k.name).
			WithHint(strings.Join(k.compressions, ", ")))
	}
	return errs
}

// compression returns c if the kind has it, else the default.
func (k *kind) compression(c string) string {
	for _, known := range k.compressions {
		if c == known {
			return c
		}
	}
	return k.compressions[0]
}

// Extension is what keys of such objects end in: ".avro", ".jsonl.gz".
func (f Format) Extension() string {
	k := lookup(f.Container)
	if ext, ok := k.extensions[""]; ok {
		return ext
	}
	return k.extensions[k.compression(f.Compression)]
}

// Of returns the format of an object by its key, with the details of f where the
// key does not say them. It fails for a key that no object of ours has.
func (f Format) Of(key string) (Format, error) {
	for _, k := range kinds {
		for compression, ext := range k.extensions {
			if !strings.HasSuffix(key, ext) {
				continue
			}
			of := Format{Container: k.name, Schema: f.Schema, Compression: compression}
			if compression == "" {
				of.Compression = k.compression(f.Compression)
			}
			if !k.schema(of.Schema) {
				of.Schema = "normalized"
			}
			return of, nil
		}
	}
	return Format{}, fmt.Errorf("key %q: its end is none of .avro, .jsonl, .jsonl.gz, .jsonl.zst, .parquet", key)
}

// encoder makes content of batches. Its result is valid until the next call.
type encoder interface {
	encode(b *pipeline.Batch) ([]byte, error)
}

// keep is how large a buffer may be that is kept from one batch to the next.
const keep = 16 << 20

// Encoder makes content in one format. It is for one goroutine; it keeps buffers
// from batch to batch, and none of them larger than 16 MiB.
type Encoder struct{ encoder }

// NewEncoder returns an encoder for f, which is valid.
func NewEncoder(f Format) *Encoder {
	k := lookup(f.Container)
	f.Compression = k.compression(f.Compression)
	return &Encoder{k.encoder(f)}
}

// Encode returns b as an object's content, valid until the next call. An error
// means that b cannot be written in this format, now or later.
func (e *Encoder) Encode(b *pipeline.Batch) ([]byte, error) {
	content, err := e.encode(b)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", b.ID, err)
	}
	return content, nil
}
