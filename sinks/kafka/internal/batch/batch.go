// Package batch is Kafka's record batch, version 2: how records are packed for a
// partition, and how a partition's log is read.
package batch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/segmentio/kafka-go/compress"
)

// Where the fields of a batch are.
const (
	atLength      = 8  // of what follows
	atLeaderEpoch = 12 //
	atMagic       = 16
	atCRC         = 17
	atAttributes  = 21 // what the CRC covers begins here
	atLastDelta   = 23
	atBaseTime    = 27
	atMaxTime     = 35
	atProducerID  = 43
	atEpoch       = 51
	atSequence    = 53
	atCount       = 57
	headerSize    = 61
)

const (
	codecMask       = 0x07
	isTransactional = 0x10
	isControl       = 0x20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Record is one record. Key and Value may be nil, which is not the same as empty.
type Record struct {
	Key, Value []byte
	Headers    []Header
	Time       int64 // milliseconds since 1970
}

// Header is one header of a record.
type Header struct {
	Key   string
	Value []byte
}

// Batch is a record batch, encoded.
type Batch struct {
	Bytes   []byte
	Indexes []int // of its records, as the caller counted
}

// Stamp puts in who sends the batch and the sequence number of its first record,
// as part of a transaction.
func (b *Batch) Stamp(producer int64, epoch int16, sequence int32) {
	binary.BigEndian.PutUint64(b.Bytes[atProducerID:], uint64(producer))
	binary.BigEndian.PutUint16(b.Bytes[atEpoch:], uint16(epoch))
	binary.BigEndian.PutUint32(b.Bytes[atSequence:], uint32(sequence))
	binary.BigEndian.PutUint32(b.Bytes[atCRC:], crc32.Checksum(b.Bytes[atAttributes:], castagnoli))
}

// NextSequence is the sequence number after count records from sequence on. The
// numbers go round from 2^31-1 to 0.
func NextSequence(sequence int32, count int) int32 {
	return int32((int64(sequence) + int64(count)) & math.MaxInt32)
}

// TooLargeError means that a record does not fit a batch, even alone.
type TooLargeError struct{ Size, Limit int }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%d bytes as a batch of its own, and the topic takes %d (max.message.bytes)", e.Size, e.Limit)
}

// Builder packs the records of one partition into batches of at most Limit bytes.
type Builder struct {
	Limit int // of a batch, as the broker counts: its header included, compressed
	Codec compress.Compression

	done    []Batch
	records []byte // of the batch that is being built, room for a header in front
	indexes []int
	base    int64
	latest  int64
	spare   []Batch // memory to use again
}

// Add adds a record, the index-th of the caller's, and keeps nothing of it. It
// returns a [*TooLargeError], and leaves the record out, if it does not fit.
func (b *Builder) Add(index int, r *Record) error {
	body := b.body(r)
	if len(b.indexes) > 0 && len(b.records)+varintSize(int64(body))+body > b.Limit {
		b.cut()
		body = b.body(r)
	}
	b.append(index, r, body)
	if len(b.indexes) > 1 || len(b.records) <= b.Limit {
		return nil
	}
	// Alone, and too large: compressed it may do.
	b.cut()
	last := len(b.done) - 1
	if size := len(b.done[last].Bytes); size > b.Limit {
		b.recycle(b.done[last])
		b.done = b.done[:last]
		return &TooLargeError{size, b.Limit}
	}
	return nil
}

// Batches returns what was added, in order. It is valid until [Builder.Reset].
func (b *Builder) Batches() []Batch {
	if len(b.indexes) > 0 {
		b.cut()
	}
	return b.done
}

// Reset makes the builder empty. The memory of its batches is used again.
func (b *Builder) Reset() {
	for _, one := range b.done {
		b.recycle(one)
	}
	b.done, b.records, b.indexes = b.done[:0], b.records[:0], b.indexes[:0]
}

func (b *Builder) recycle(one Batch) {
	b.spare = append(b.spare, Batch{one.Bytes[:0], one.Indexes[:0]})
}

func (b *Builder) append(index int, r *Record, body int) {
	if len(b.indexes) == 0 {
		b.base, b.latest = r.Time, r.Time
		b.records = append(b.records[:0], make([]byte, headerSize)...)
	}
	b.latest = max(b.latest, r.Time)
	buf := binary.AppendVarint(b.records, int64(body))
	buf = append(buf, 0) // attributes
	buf = binary.AppendVarint(buf, r.Time-b.base)
	buf = binary.AppendVarint(buf, int64(len(b.indexes)))
	buf = appendBytes(buf, r.Key)
	buf = appendBytes(buf, r.Value)
	buf = binary.AppendVarint(buf, int64(len(r.Headers)))
	for _, h := range r.Headers {
		buf = append(binary.AppendVarint(buf, int64(len(h.Key))), h.Key...)
		buf = appendBytes(buf, h.Value)
	}
	b.records = buf
	b.indexes = append(b.indexes, index)
}

// body is the length of r's encoding as the batch's next record, without the length
// in front.
func (b *Builder) body(r *Record) int {
	delta := int64(0)
	if len(b.indexes) > 0 {
		delta = r.Time - b.base
	}
	n := 1 + varintSize(delta) + varintSize(int64(len(b.indexes))) + bytesSize(len(r.Key)) + bytesSize(len(r.Value)) + varintSize(int64(len(r.Headers)))
	for _, h := range r.Headers {
		n += bytesSize(len(h.Key)) + bytesSize(len(h.Value))
	}
	return n
}

// cut makes a batch of the records so far.
func (b *Builder) cut() {
	var next Batch
	if n := len(b.spare); n > 0 {
		next, b.spare = b.spare[n-1], b.spare[:n-1]
	}
	buf, free, attributes := b.records, next.Bytes, uint16(isTransactional)
	if codec := b.Codec.Codec(); codec != nil {
		if small := b.compress(codec, next.Bytes); len(small) < len(buf) {
			buf, free = small, b.records
			attributes |= uint16(codec.Code())
		}
	}
	be := binary.BigEndian
	be.PutUint32(buf[atLength:], uint32(len(buf)-atLeaderEpoch))
	be.PutUint32(buf[atLeaderEpoch:], math.MaxUint32)
	buf[atMagic] = 2
	be.PutUint16(buf[atAttributes:], attributes)
	be.PutUint32(buf[atLastDelta:], uint32(len(b.indexes)-1))
	be.PutUint64(buf[atBaseTime:], uint64(b.base))
	be.PutUint64(buf[atMaxTime:], uint64(b.latest))
	be.PutUint32(buf[atCount:], uint32(len(b.indexes)))
	b.done = append(b.done, Batch{Bytes: buf, Indexes: b.indexes})
	b.records, b.indexes = free[:0], next.Indexes
}

// compress returns the records compressed, room for a header in front, in dst's
// memory if it has enough; nil if the codec fails.
func (b *Builder) compress(codec compress.Codec, dst []byte) []byte {
	out := bytes.NewBuffer(append(dst, make([]byte, headerSize)...))
	w := codec.NewWriter(out)
	_, err := w.Write(b.records[headerSize:])
	if e := w.Close(); err != nil || e != nil {
		return nil
	}
	return out.Bytes()
}

func appendBytes(dst, v []byte) []byte {
	if v == nil {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(v))), v...)
}

func bytesSize(n int) int { return varintSize(int64(n)) + n }

// varintSize is the length of v as a zigzag varint.
func varintSize(v int64) int {
	u := uint64(v<<1) ^ uint64(v>>63)
	n := 1
	for ; u >= 0x80; u >>= 7 {
		n++
	}
	return n
}
