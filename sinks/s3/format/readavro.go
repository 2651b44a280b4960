package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/s2"

	"auditlog-connector/schemas"
	"auditlog-connector/schemas/history"
)

// container reads an Avro object container from the front. After the first error
// every read returns zero.
type container struct {
	rest []byte
	err  error
}

func (c *container) long() int64 {
	v, n := binary.Varint(c.rest)
	if n <= 0 {
		c.fail(errCut)
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

func (c *container) take(n int64) []byte {
	if n < 0 || n > int64(len(c.rest)) {
		c.fail(errCut)
		return nil
	}
	b := c.rest[:n]
	c.rest = c.rest[n:]
	return b
}

func (c *container) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.rest = nil
}

// header reads what stands before the blocks. Current says that the records are of
// the schema that this program writes.
func (c *container) header() (codec string, sync []byte, current bool) {
	if !bytes.Equal(c.take(int64(len(avroMagic))), avroMagic) {
		c.fail(errors.New("not an Avro container"))
	}
	meta := make(map[string][]byte)
	for {
		n := c.long()
		if n < 0 {
			n = -n
			c.long() // the size of this block of entries
		}
		if n == 0 || c.err != nil {
			break
		}
		for ; n > 0 && c.err == nil; n-- {
			k := c.take(c.long())
			meta[string(k)] = c.take(c.long())
		}
	}
	return string(meta["avro.codec"]), c.take(syncSize), bytes.Equal(meta["avro.schema"], avroSchema)
}

// recordLength is how many bytes the record at the front of b takes.
func recordLength(b []byte) (int, error) {
	c := &container{rest: b}
	c.texts(2)
	c.long()
	c.texts(2)
	c.optionals(1)
	c.texts(3)
	c.optionals(1)
	c.texts(1)
	c.optionals(9)
	c.optional(func() { c.optionals(7) })
	c.blocks(func() { c.texts(1); c.optionals(2) })
	c.optional(func() { c.texts(1); c.optionals(1) })
	c.optional(func() { c.optionals(2) })
	c.optional(func() { c.blocks(func() { c.texts(2) }) })
	c.take(1)
	c.blocks(func() { c.texts(1) })
	c.optionals(1)
	c.texts(1)
	return len(b) - len(c.rest), c.err
}

// texts skips n strings or byte strings.
func (c *container) texts(n int) {
	for range n {
		c.take(c.long())
	}
}

// optionals skips n strings that may be null.
func (c *container) optionals(n int) {
	for range n {
		c.optional(func() { c.texts(1) })
	}
}

// optional skips what may be null.
func (c *container) optional(skip func()) {
	switch c.long() {
	case 0:
	case 1:
		skip()
	default:
		c.fail(errors.New("a record is not one of this schema"))
	}
}

// blocks skips an array or a map.
func (c *container) blocks(skip func()) {
	for n := c.long(); n != 0 && c.err == nil; n = c.long() {
		if n < 0 {
			c.take(c.long())
			continue
		}
		for ; n > 0 && c.err == nil; n-- {
			skip()
		}
	}
}

func readAvro(body []byte, yield func(Event) error) error {
	c := &container{rest: body}
	codec, sync, current := c.header()
	index := 0
	var line, block []byte
	if c.err == nil && !current {
		// An archive outlives the version that wrote it.
		return history.Container(bytes.NewReader(body), func(e schemas.AuditEvent) error {
			line = schemas.AppendNormalized(line[:0], &e)
			err := yield(Event{ID: e.EventID, Index: index, Line: line})
			index++
			return err
		})
	}
	for c.err == nil && len(c.rest) > 0 {
		n := c.long()
		packed := c.take(c.long())
		if !bytes.Equal(c.take(syncSize), sync) && c.err == nil {
			c.fail(errors.New("a block does not end in the marker"))
		}
		if c.err != nil {
			break
		}
		var err error
		if block, err = unpack(codec, block[:0], packed); err != nil {
			return fmt.Errorf("event %d: %w", index, err)
		}
		rest := block
		for ; n > 0; n-- {
			used, err := recordLength(rest)
			if err != nil {
				return fmt.Errorf("event %d: %w", index, err)
			}
			e, err := schemas.Decode(rest[:used])
			if err != nil {
				return fmt.Errorf("event %d: %w", index, err)
			}
			rest = rest[used:]
			line = schemas.AppendNormalized(line[:0], &e)
			if err := yield(Event{ID: e.EventID, Index: index, Line: line}); err != nil {
				return err
			}
			index++
		}
		if len(rest) > 0 {
			return fmt.Errorf("event %d: %d bytes after the last one of a block", index, len(rest))
		}
	}
	return c.err
}

// unpack appends the records of a block.
func unpack(codec string, dst, packed []byte) ([]byte, error) {
	switch codec {
	case "", "null":
		return append(dst, packed...), nil
	case "snappy":
		if len(packed) < 4 {
			return nil, errCut
		}
		end := len(packed) - 4
		block, err := s2.Decode(nil, packed[:end])
		if err == nil && crc32.ChecksumIEEE(block) != binary.BigEndian.Uint32(packed[end:]) {
			err = errors.New("the checksum of a block is wrong")
		}
		return block, err
	case "deflate":
		out := bytes.NewBuffer(dst)
		_, err := out.ReadFrom(flate.NewReader(bytes.NewReader(packed)))
		return out.Bytes(), err
	}
	return nil, fmt.Errorf("unknown codec %q", codec)
}
