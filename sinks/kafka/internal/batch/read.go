package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/segmentio/kafka-go/compress"
)

// maxInflated bounds what a compressed batch may become.
const maxInflated = 64 << 20

// ErrCut means that the bytes end in the middle of a batch, as a broker's answer may.
var ErrCut = errors.New("the batch is cut off")

// Stored is a record batch as it is in a log.
type Stored struct {
	Base       int64 // offset of the first record, whether it is still there or not
	Next       int64 // offset after the last one
	ProducerID int64
	Control    bool // it says how a transaction ended, and has no records of anybody
	Aborts     bool // of a control batch: the transaction was aborted
	Txn        bool // part of a transaction

	codec   compress.Compression
	count   int
	records []byte
	time    int64
}

// Next reads the first batch of b, and returns what follows it. After compaction a
// batch may have lost records at its end, or all of them; its offsets stay.
func Next(b []byte) (s Stored, rest []byte, err error) {
	be := binary.BigEndian
	if len(b) < atLeaderEpoch {
		return s, nil, ErrCut
	}
	length := int64(be.Uint32(b[atLength:]))
	if length+atLeaderEpoch > int64(len(b)) {
		return s, nil, ErrCut
	}
	b, rest = b[:length+atLeaderEpoch], b[length+atLeaderEpoch:]
	switch {
	case len(b) < headerSize:
		return s, nil, fmt.Errorf("a batch of %d bytes", len(b))
	case b[atMagic] != 2:
		return s, nil, fmt.Errorf("batch format %d, want 2", b[atMagic])
	case be.Uint32(b[atCRC:]) != crc32.Checksum(b[atAttributes:], castagnoli):
		return s, nil, errors.New("batch with a wrong checksum")
	}
	attributes := be.Uint16(b[atAttributes:])
	s = Stored{
		Base: int64(be.Uint64(b)), ProducerID: int64(be.Uint64(b[atProducerID:])),
		Control: attributes&isControl != 0, Txn: attributes&isTransactional != 0,
		codec: compress.Compression(attributes & codecMask), count: int(int32(be.Uint32(b[atCount:]))), records: b[headerSize:],
		time: int64(be.Uint64(b[atBaseTime:])),
	}
	s.Next = s.Base + int64(int32(be.Uint32(b[atLastDelta:]))) + 1
	if s.Next <= s.Base {
		return s, nil, fmt.Errorf("batch at offset %d ends before it begins", s.Base)
	}
	if s.Control && s.count > 0 {
		err = s.Each(func(_ int64, r *Record) error {
			if len(r.Key) < 4 {
				return fmt.Errorf("control record at offset %d without a type", s.Base)
			}
			s.Aborts = be.Uint16(r.Key[2:]) == 0
			return nil
		})
	}
	return s, rest, err
}

// Each calls f with the batch's records and their offsets, in order, until it
// returns an error. A record is valid during the call.
func (s *Stored) Each(f func(offset int64, r *Record) error) error {
	records := s.records
	if codec := s.codec.Codec(); codec != nil {
		r := codec.NewReader(bytes.NewReader(records))
		inflated, err := io.ReadAll(io.LimitReader(r, maxInflated+1))
		if e := r.Close(); err == nil {
			err = e
		}
		switch {
		case err != nil:
			return fmt.Errorf("batch at offset %d: %s: %w", s.Base, codec.Name(), err)
		case len(inflated) > maxInflated:
			return fmt.Errorf("batch at offset %d: more than %d bytes", s.Base, maxInflated)
		}
		records = inflated
	} else if s.codec != compress.None {
		return fmt.Errorf("batch at offset %d: unknown compression %d", s.Base, int8(s.codec))
	}
	d := decoder{b: records}
	for range s.count {
		body := decoder{b: d.bytes()}
		if len(body.b) == 0 {
			return fmt.Errorf("batch at offset %d: a record ends too early", s.Base)
		}
		body.b = body.b[1:] // attributes
		r := Record{Time: s.time + body.varint()}
		delta := body.varint()
		r.Key, r.Value = body.bytes(), body.bytes()
		headers := body.varint()
		for range headers {
			if body.bad {
				break
			}
			r.Headers = append(r.Headers, Header{Key: string(body.bytes()), Value: body.bytes()})
		}
		if d.bad || body.bad || delta < 0 {
			return fmt.Errorf("batch at offset %d: a record ends too early", s.Base)
		}
		if err := f(s.Base+delta, &r); err != nil {
			return err
		}
	}
	return nil
}

// decoder reads the fields of records. After the end was passed it returns zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.b, d.bad = nil, true
		return 0
	}
	d.b = d.b[n:]
	return v
}

// bytes reads a length and as many bytes; nil for a length of -1.
func (d *decoder) bytes() []byte {
	n := d.varint()
	if n < -1 || n > int64(len(d.b)) {
		d.b, d.bad = nil, true
	}
	if n < 0 || d.bad {
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}
