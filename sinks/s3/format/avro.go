package format

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/s2"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
)

// avroBlock is how many bytes of records a block has before it is closed. A reader
// holds one block at a time.
const avroBlock = 256 << 10

// deflateLevel trades a few percent of size for half of the time.
const deflateLevel = 1

var avroMagic = []byte("Obj\x01")

// syncSize is the length of the marker that ends the header and every block.
const syncSize = 16

// avroSchema is the schema without the white space.
var avroSchema = func() []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(schemas.Schema())); err != nil {
		panic(fmt.Sprintf("compact the embedded Avro schema: %v", err))
	}
	return b.Bytes()
}()

// avroEncoder writes Avro object container files. The records are encoded
// already, so a block is put together, not computed.
type avroEncoder struct {
	codec string // as the container names it
	pack  func(dst, block []byte) ([]byte, error)
	out   []byte
	block []byte
	piece []byte
}

func newAvroEncoder(f Format) encoder {
	switch f.Compression {
	case "snappy":
		return &avroEncoder{codec: "snappy", pack: packSnappy}
	case "none":
		return &avroEncoder{codec: "null"}
	}
	return &avroEncoder{codec: "deflate", pack: newDeflate()}
}

func (e *avroEncoder) encode(b *pipeline.Batch) ([]byte, error) {
	// The marker may be anything that is not in the data by chance; that of the
	// batch makes the same batch the same bytes.
	digest := b.Digest()
	sync := digest[:syncSize]
	out := append(e.out[:0], avroMagic...)
	out = binary.AppendVarint(out, 2)
	out = avroEntry(out, "avro.codec", []byte(e.codec))
	out = avroEntry(out, "avro.schema", avroSchema)
	out = append(out, 0)
	out = append(out, sync...)
	var err error
	for from := 0; from < len(b.Records); {
		e.block = e.block[:0]
		n := 0
		for ; from+n < len(b.Records) && len(e.block) < avroBlock; n++ {
			e.block = append(e.block, b.Records[from+n].Avro...)
		}
		packed := e.block
		if e.pack != nil {
			if e.piece, err = e.pack(e.piece[:0], e.block); err != nil {
				return nil, err
			}
			packed = e.piece
		}
		out = binary.AppendVarint(out, int64(n))
		out = binary.AppendVarint(out, int64(len(packed)))
		out = append(out, packed...)
		out = append(out, sync...)
		from += n
	}
	e.out, e.block, e.piece = trim(out), trim(e.block), trim(e.piece)
	return out, nil
}

// trim lets go of a buffer that one large batch has made large.
func trim(b []byte) []byte {
	if cap(b) > keep {
		return nil
	}
	return b
}

func avroEntry(dst []byte, key string, value []byte) []byte {
	dst = append(binary.AppendVarint(dst, int64(len(key))), key...)
	return append(binary.AppendVarint(dst, int64(len(value))), value...)
}

// newDeflate returns a function that appends the raw deflate form of a block.
func newDeflate() func(dst, block []byte) ([]byte, error) {
	w, err := flate.NewWriter(nil, deflateLevel)
	if err != nil {
		panic(fmt.Sprintf("deflate: %v", err))
	}
	return func(dst, block []byte) ([]byte, error) {
		out := bytes.NewBuffer(dst)
		w.Reset(out)
		if _, err := w.Write(block); err != nil {
			return nil, err
		}
		err := w.Close()
		return out.Bytes(), err
	}
}

// packSnappy appends the snappy form of a block and, as Avro wants it, the
// checksum of what was compressed.
func packSnappy(dst, block []byte) ([]byte, error) {
	packed := s2.EncodeSnappy(dst[:cap(dst)], block)
	return binary.BigEndian.AppendUint32(packed, crc32.ChecksumIEEE(block)), nil
}
