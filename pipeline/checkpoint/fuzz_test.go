package checkpoint

import (
	"encoding/binary"
	"errors"
	"reflect"
	"testing"
	"time"

	"auditlog-connector/pipeline"
)

// What the fuzzed values belong to.
const (
	fuzzLane  = "acme/sink"
	fuzzEpoch = "0011aabb"
	fuzzSeq   = 7
)

// sealed returns value and the same with a checksum that is right: otherwise
// nothing but the checksum would ever be tried.
func sealed(value []byte, salt string, key []byte) [][]byte {
	versioned := append([]byte{formatVersion}, value...)
	return [][]byte{value, seal(versioned, salt, key)}
}

// refused makes sure that err is told as damage, or as a newer version's work.
func refused(t *testing.T, err error) {
	t.Helper()
	var newer newerError
	if err = damaged(err, "value"); errors.As(err, &newer) == errors.Is(err, pipeline.ErrCorrupt) {
		t.Errorf("%v: want ErrCorrupt, or a newer version", err)
	}
}

// body is a sealed value without version and checksum, as a seed.
func body(value []byte) []byte { return value[1 : len(value)-4] }

func FuzzHeader(f *testing.F) {
	at := time.Date(2026, 11, 22, 3, 4, 5, 6, time.UTC)
	h := newHeader(fuzzEpoch, at)
	f.Add(body(encodeHeader(fuzzLane, &h)))
	h.streams["organization"] = pipeline.Progress{Watermark: at, Floor: at.Add(-time.Hour), Joined: at}
	h.streams["tenant"] = pipeline.Progress{}
	h.prepared = &pipeline.Manifest{
		ID: pipeline.BatchID{Seq: fuzzSeq}, Place: "a/b", Watermarks: map[string]time.Time{"tenant": at}, Floors: map[string]time.Time{"": at},
	}
	h.blocks.add(fuzzSeq, 3)
	f.Add(body(encodeHeader(fuzzLane, &h)))
	f.Add(encodeHeader(fuzzLane, &h))
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, v := range sealed(value, fuzzLane, headerKey) {
			h, err := decodeHeader(fuzzLane, v)
			if err != nil {
				refused(t, err)
				continue
			}
			again, err := decodeHeader(fuzzLane, encodeHeader(fuzzLane, &h))
			if err != nil || !reflect.DeepEqual(again, h) {
				t.Errorf("written back: got %+v, %v, want %+v", again, err, h)
			}
		}
	})
}

func FuzzBlock(f *testing.F) {
	at := time.Date(2026, 11, 22, 3, 4, 5, 0, time.UTC)
	members := []pipeline.Position{{Time: at, ID: "a"}, {Time: at, ID: ""}, {Time: at.AddDate(-3, 0, 0), ID: "\xff"}}
	f.Add(body(encodeBlock(fuzzLane, fuzzEpoch, fuzzSeq, members)))
	f.Add(encodeBlock(fuzzLane, fuzzEpoch, fuzzSeq, nil))
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, v := range sealed(value, blockSalt(fuzzLane, fuzzEpoch), seqKey(fuzzSeq)) {
			members, err := decodeBlock(fuzzLane, fuzzEpoch, fuzzSeq, v)
			if err != nil {
				refused(t, err)
				continue
			}
			again, err := decodeBlock(fuzzLane, fuzzEpoch, fuzzSeq, encodeBlock(fuzzLane, fuzzEpoch, fuzzSeq, members))
			if err != nil || !reflect.DeepEqual(again, members) {
				t.Errorf("written back: got %v, %v, want %v", again, err, members)
			}
		}
	})
}

func FuzzWitness(f *testing.F) {
	f.Add([]byte{})
	f.Add(witness{}.encode())
	f.Add(witness{fuzzLane: 3, "b/\n": 1 << 63}.encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		// Once as it is, and once with the checksum that belongs to it.
		for _, text := range [][]byte{data, append(append([]byte(nil), data...), []byte(hexSum(data))...)} {
			w, err := decodeWitness(text)
			if err != nil {
				var newer newerError
				if !errors.As(err, &newer) && !errors.Is(err, errChecksum) && !errors.Is(err, errEncoding) {
					t.Errorf("%v: want a checksum, an encoding or a version", err)
				}
				continue
			}
			again, err := decodeWitness(w.encode())
			if err != nil || !reflect.DeepEqual(again, w) {
				t.Errorf("written back: got %v, %v, want %v", again, err, w)
			}
		}
	})
}

// hexSum is the last line of a witness.
func hexSum(data []byte) string {
	const digits = "0123456789abcdef"
	var b []byte
	for _, c := range binary.BigEndian.AppendUint32(nil, crc(data)) {
		b = append(b, digits[c>>4], digits[c&15])
	}
	return string(append(b, '\n'))
}

// FuzzQuarantine reads any bytes as a container: its blocks are what makes it again.
func FuzzQuarantine(f *testing.F) {
	var marker [syncSize]byte
	empty := appendOCFHeader(nil, map[string]string{schemaKey: "{}", codecKey: "null"}, marker)
	f.Add(empty)
	f.Add(appendOCFBlock(appendOCFBlock(empty[:len(empty):len(empty)], []byte("one"), marker), nil, marker))
	f.Fuzz(func(t *testing.T, data []byte) {
		meta, blocks, err := readOCF(data)
		if err != nil {
			if !errors.Is(err, errContainer) {
				t.Errorf("%v: want errContainer", err)
			}
			return
		}
		b := appendOCFHeader(nil, meta, marker)
		for _, content := range blocks {
			b = appendOCFBlock(b, content, marker)
		}
		meta2, blocks2, err := readOCF(b)
		if err != nil || !reflect.DeepEqual(meta2, meta) || len(blocks2) != len(blocks) {
			t.Errorf("written back: got %v and %d blocks, %v, want %v and %d", meta2, len(blocks2), err, meta, len(blocks))
		}
	})
}
