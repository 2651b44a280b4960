package format

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas/document"
)

// gzipLevel trades some size for half of the time.
const gzipLevel = 3

// piece is how many bytes of lines are handed to the compressor at a time.
const piece = 64 << 10

// lineEncoder writes JSON Lines.
type lineEncoder struct {
	line document.Append
	pack packer // nil: not compressed
	out  bytes.Buffer
	text []byte
}

// packer is a compressor that can be used again.
type packer interface {
	io.WriteCloser
	Reset(w io.Writer)
}

func newLineEncoder(f Format) encoder {
	e := &lineEncoder{line: document.Lookup(f.Schema)}
	switch f.Compression {
	case "gzip":
		w, err := gzip.NewWriterLevel(nil, gzipLevel)
		if err != nil {
			panic(fmt.Sprintf("gzip: %v", err))
		}
		e.pack = w
	case "zstd":
		// One goroutine: the blocks, and so the bytes, must not depend on timing.
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic(fmt.Sprintf("zstd: %v", err))
		}
		e.pack = w
	}
	return e
}

func (e *lineEncoder) encode(b *pipeline.Batch) ([]byte, error) {
	if e.out.Cap() > keep {
		e.out = bytes.Buffer{}
	}
	e.out.Reset()
	var out io.Writer = &e.out
	if e.pack != nil {
		e.pack.Reset(&e.out)
		out = e.pack
	}
	e.text = trim(e.text)[:0]
	for i := range b.Records {
		e.text = append(e.line(e.text, &b.Records[i].Audit), '\n')
		if len(e.text) < piece && i < len(b.Records)-1 {
			continue
		}
		if _, err := out.Write(e.text); err != nil {
			return nil, err
		}
		e.text = e.text[:0]
	}
	if e.pack != nil {
		if err := e.pack.Close(); err != nil {
			return nil, err
		}
	}
	return e.out.Bytes(), nil
}
