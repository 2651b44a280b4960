package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"time"

	"auditlog-connector/pipeline"
)

// formatVersion is the first byte of every value. A later version keeps the
// checksum where it is, so that an older program can tell new from damaged.
const formatVersion = 1

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)

	errChecksum = errors.New("checksum mismatch")
	errEncoding = errors.New("malformed value")
)

// newerError says that a value was written by a later version of the program.
type newerError byte

func (e newerError) Error() string {
	return fmt.Sprintf("written by a newer version of the connector (format %d, this one reads %d): upgrade the connector", byte(e), formatVersion)
}

// seal appends the checksum of value, bound to where it is kept: a value found
// under another lane, epoch or key does not pass.
func seal(value []byte, salt string, key []byte) []byte {
	return binary.LittleEndian.AppendUint32(value, sum(value, salt, key))
}

func sum(value []byte, salt string, key []byte) uint32 {
	c := crc32.Update(0, castagnoli, []byte(salt))
	c = crc32.Update(c, castagnoli, []byte{0})
	c = crc32.Update(c, castagnoli, key)
	return crc32.Update(c, castagnoli, value)
}

// open checks what seal did and returns the value without version and checksum.
func open(value []byte, salt string, key []byte) ([]byte, error) {
	n := len(value) - 4
	if n < 1 || sum(value[:n], salt, key) != binary.LittleEndian.Uint32(value[n:]) {
		return nil, errChecksum
	}
	if value[0] > formatVersion {
		return nil, newerError(value[0])
	}
	if value[0] != formatVersion {
		return nil, errEncoding
	}
	return value[1:n], nil
}

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// blockSalt binds a block to its lane and epoch.
func blockSalt(lane, epoch string) string { return lane + "/" + epoch }

func encodeBlock(lane, epoch string, seq uint64, members []pipeline.Position) []byte {
	size := 16
	for _, p := range members {
		size += len(p.ID) + 8
	}
	b := append(make([]byte, 0, size), formatVersion)
	b = binary.AppendUvarint(b, uint64(len(members)))
	var last int64
	for _, p := range members {
		t := p.Time.Unix()
		b = binary.AppendVarint(b, t-last)
		b = appendString(b, p.ID)
		last = t
	}
	return seal(b, blockSalt(lane, epoch), seqKey(seq))
}

func decodeBlock(lane, epoch string, seq uint64, value []byte) ([]pipeline.Position, error) {
	body, err := open(value, blockSalt(lane, epoch), seqKey(seq))
	if err != nil {
		return nil, err
	}
	// The IDs are slices of one string: one allocation a block, not one a member.
	d := decoder{b: body, s: string(body)}
	n := d.uvarint()
	if n > uint64(len(body)) {
		return nil, errEncoding
	}
	members := make([]pipeline.Position, n)
	var last int64
	for i := range members {
		last += d.varint()
		members[i] = pipeline.Position{Time: time.Unix(last, 0).UTC(), ID: d.string()}
	}
	return members, d.end()
}

var headerKey = []byte("header")

func encodeHeader(lane string, h *header) []byte {
	b := append(make([]byte, 0, 256), formatVersion)
	b = appendString(b, h.epoch)
	b = binary.AppendUvarint(b, h.generation)
	b = binary.AppendUvarint(b, h.next)
	b = binary.AppendUvarint(b, h.last)
	b = appendTime(b, h.start)
	b = appendBool(b, h.takeover)
	b = binary.AppendUvarint(b, uint64(len(h.streams)))
	for _, s := range slices.Sorted(maps.Keys(h.streams)) {
		p := h.streams[s]
		b = appendString(b, s)
		b = appendTime(appendTime(appendTime(b, p.Watermark), p.Floor), p.Joined)
	}
	b = binary.AppendUvarint(b, h.blocks.count)
	b = binary.AppendUvarint(b, h.blocks.members)
	b = binary.LittleEndian.AppendUint64(b, h.blocks.sum)
	b = appendBool(b, h.prepared != nil)
	if m := h.prepared; m != nil {
		b = binary.AppendUvarint(b, m.ID.Seq)
		b = appendString(b, m.Place)
		b = appendTimes(appendTimes(appendTimes(b, m.Watermarks), m.Floors), m.Joined)
	}
	return seal(b, lane, headerKey)
}

func decodeHeader(lane string, value []byte) (header, error) {
	body, err := open(value, lane, headerKey)
	if err != nil {
		return header{}, err
	}
	d := decoder{b: body, s: string(body)}
	h := header{epoch: d.string(), generation: d.uvarint(), next: d.uvarint(), last: d.uvarint(), start: d.time(), takeover: d.bool()}
	h.streams = make(map[string]pipeline.Progress)
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		h.streams[d.string()] = pipeline.Progress{Watermark: d.time(), Floor: d.time(), Joined: d.time()}
	}
	h.blocks = blockSet{count: d.uvarint(), members: d.uvarint(), sum: d.uint64()}
	if d.bool() {
		h.prepared = &pipeline.Manifest{ID: pipeline.BatchID{Seq: d.uvarint()}, Place: d.string()}
		h.prepared.Watermarks, h.prepared.Floors, h.prepared.Joined = d.times(), d.times(), d.times()
	}
	return h, d.end()
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendTime(b []byte, t time.Time) []byte {
	return binary.AppendUvarint(binary.AppendVarint(b, t.Unix()), uint64(t.Nanosecond()))
}

func appendTimes(b []byte, m map[string]time.Time) []byte {
	b = binary.AppendUvarint(b, uint64(len(m)))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b = appendTime(appendString(b, k), m[k])
	}
	return b
}

// decoder reads values one after the other; the first error sticks.
type decoder struct {
	b   []byte
	s   string // the same bytes, to slice strings from
	at  int
	err error
}

func (d *decoder) fail() { d.err = errEncoding }

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b[d.at:])
	return d.step(v, n)
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b[d.at:])
	return int64(d.step(uint64(v), n))
}

func (d *decoder) step(v uint64, n int) uint64 {
	if n <= 0 || d.err != nil {
		d.fail()
		return 0
	}
	d.at += n
	return v
}

func (d *decoder) uint64() uint64 {
	if d.err != nil || len(d.b)-d.at < 8 {
		d.fail()
		return 0
	}
	d.at += 8
	return binary.LittleEndian.Uint64(d.b[d.at-8:])
}

func (d *decoder) bool() bool {
	v := d.uvarint()
	if v > 1 {
		d.fail()
	}
	return v == 1
}

func (d *decoder) string() string {
	n := d.uvarint()
	if d.err != nil || n > uint64(len(d.b)-d.at) {
		d.fail()
		return ""
	}
	d.at += int(n)
	return d.s[d.at-int(n) : d.at]
}

func (d *decoder) time() time.Time {
	sec, nsec := d.varint(), d.uvarint()
	if d.err != nil || nsec > 999_999_999 {
		d.fail()
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}

func (d *decoder) times() map[string]time.Time {
	n := d.uvarint()
	if n == 0 || n > uint64(len(d.b)) {
		if n > 0 {
			d.fail()
		}
		return nil
	}
	m := make(map[string]time.Time, n)
	for ; n > 0 && d.err == nil; n-- {
		k := d.string()
		m[k] = d.time()
	}
	return m
}

// end returns the first error, or one if something is left over.
func (d *decoder) end() error {
	if d.err == nil && d.at != len(d.b) {
		d.fail()
	}
	return d.err
}
