package batch

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"
)

func records(n, size int) []Record {
	out := make([]Record, n)
	for i := range out {
		out[i] = Record{
			Key: fmt.Append(nil, "key-", i), Value: bytes.Repeat([]byte{byte('a' + i%26)}, size), Time: 1_700_000_000_000 + int64(i%7)*1000 - int64(i%3),
			Headers: []Header{{"event_id", fmt.Append(nil, i)}, {"empty", []byte{}}},
		}
	}
	return out
}

func build(t testing.TB, b *Builder, recs []Record) []Batch {
	t.Helper()
	for i := range recs {
		if err := b.Add(i, &recs[i]); err != nil {
			t.Fatal(err)
		}
	}
	return b.Batches()
}

func TestRecordsComeBackAndBatchesKeepTheLimit(t *testing.T) {
	for _, codec := range []compress.Compression{compress.None, compress.Gzip, compress.Snappy, compress.Lz4, compress.Zstd} {
		t.Run(codec.String(), func(t *testing.T) {
			recs := records(1000, 300)
			recs[10].Key, recs[11].Value, recs[12].Headers = nil, nil, nil
			const limit = 20_000
			batches := build(t, &Builder{Limit: limit, Codec: codec}, recs)
			if len(batches) < 10 {
				t.Errorf("%d batches, want many", len(batches))
			}
			var got []Record
			var indexes []int
			for _, b := range batches {
				if len(b.Bytes) > limit {
					t.Errorf("a batch of %d bytes, limit %d", len(b.Bytes), limit)
				}
				b.Stamp(77, 3, 5)
				indexes = append(indexes, b.Indexes...)
				s, rest, err := Next(b.Bytes)
				if err != nil || len(rest) > 0 {
					t.Fatalf("%v, %d bytes left", err, len(rest))
				}
				if s.ProducerID != 77 || !s.Txn || s.Control || s.Next-s.Base != int64(len(b.Indexes)) {
					t.Errorf("stored batch %+v", s)
				}
				if err := s.Each(func(_ int64, r *Record) error { got = append(got, *r); return nil }); err != nil {
					t.Fatal(err)
				}
			}
			for i := range recs {
				if i >= len(got) || indexes[i] != i || fmt.Sprintf("%#v", got[i]) != fmt.Sprintf("%#v", recs[i]) {
					t.Fatalf("record %d: got %+v, want %+v", i, got[min(i, len(got)-1)], recs[i])
				}
			}
		})
	}
}

// kafka-go's own encoder, slower, gives the same bytes.
func TestBatchIsAsKafkaGoEncodesIt(t *testing.T) {
	recs := records(50, 100)
	got := build(t, &Builder{Limit: 1 << 20}, recs)[0]
	theirs := make([]protocol.Record, len(recs))
	for i, r := range recs {
		theirs[i] = protocol.Record{
			Time: time.UnixMilli(r.Time), Key: protocol.NewBytes(r.Key), Value: protocol.NewBytes(r.Value),
			Headers: []protocol.Header{{Key: r.Headers[0].Key, Value: r.Headers[0].Value}, {Key: r.Headers[1].Key, Value: r.Headers[1].Value}},
		}
	}
	set := protocol.RecordSet{Version: 2, Attributes: protocol.Transactional, Records: protocol.NewRecordReader(theirs...)}
	var want bytes.Buffer
	if _, err := set.WriteTo(&want); err != nil {
		t.Fatal(err)
	}
	b := want.Bytes()[4:] // without the size
	// It leaves the producer's fields and the leader's epoch at values of its own.
	copy(got.Bytes[atLeaderEpoch:atMagic], b[atLeaderEpoch:])
	copy(got.Bytes[atProducerID:atCount], b[atProducerID:])
	copy(got.Bytes[atCRC:atAttributes], b[atCRC:])
	// It takes the last record's time for the greatest.
	copy(got.Bytes[atMaxTime:atProducerID], b[atMaxTime:])
	if !bytes.Equal(got.Bytes, b) {
		for i := range b {
			if i >= len(got.Bytes) || got.Bytes[i] != b[i] {
				t.Fatalf("%d bytes, want %d; first difference at %d", len(got.Bytes), len(b), i)
			}
		}
	}
}

func TestRecordTooLargeIsLeftOut(t *testing.T) {
	random := make([]byte, 5000)
	for i := range random {
		random[i] = byte(i * i * 7 >> 3)
	}
	for name, c := range map[string]struct {
		codec compress.Compression
		value []byte
		fits  bool
	}{
		"plain":                      {compress.None, random, false},
		"compressed it fits":         {compress.Zstd, bytes.Repeat([]byte("a"), 5000), true},
		"compressed it does not fit": {compress.Snappy, random, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := Builder{Limit: 1000, Codec: c.codec}
			small := Record{Value: []byte("small")}
			large := Record{Value: c.value}
			var errs [3]error
			for i, r := range []*Record{&small, &large, &small} {
				errs[i] = b.Add(i, r)
			}
			var tooLarge *TooLargeError
			if errs[0] != nil || errs[2] != nil || errors.As(errs[1], &tooLarge) == c.fits {
				t.Fatalf("%v", errs)
			}
			var indexes []int
			for _, done := range b.Batches() {
				indexes = append(indexes, done.Indexes...)
				if len(done.Bytes) > 1000 {
					t.Errorf("a batch of %d bytes", len(done.Bytes))
				}
			}
			want := []int{0, 2}
			if c.fits {
				want = []int{0, 1, 2}
			} else if !strings.Contains(tooLarge.Error(), "max.message.bytes") {
				t.Error(tooLarge)
			}
			if !slices.Equal(indexes, want) {
				t.Errorf("records %v, want %v", indexes, want)
			}
		})
	}
}

func TestSequencesGoRound(t *testing.T) {
	for _, c := range []struct {
		from  int32
		count int
		want  int32
	}{{0, 5, 5}, {math.MaxInt32, 1, 0}, {math.MaxInt32 - 2, 5, 2}, {math.MaxInt32 - 4, 4, math.MaxInt32}} {
		if got := NextSequence(c.from, c.count); got != c.want {
			t.Errorf("%d records from %d: %d, want %d", c.count, c.from, got, c.want)
		}
	}
}

// FuzzNext reads any bytes as a log: batches, or an error, and never a panic.
func FuzzNext(f *testing.F) {
	for _, codec := range []compress.Compression{compress.None, compress.Zstd} {
		b := build(f, &Builder{Limit: 1 << 20, Codec: codec}, records(3, 20))[0]
		b.Stamp(1, 0, 0)
		f.Add(b.Bytes)
		f.Add(b.Bytes[:len(b.Bytes)-1])
		f.Add(append(slices.Clone(b.Bytes), b.Bytes...))
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		if len(log) >= headerSize {
			// Else hardly anything gets past the checksum.
			log = slices.Clone(log)
			b := Batch{Bytes: log}
			b.Stamp(1, 0, 0)
		}
		for len(log) > 0 {
			s, rest, err := Next(log)
			if err != nil {
				return
			}
			if len(rest) >= len(log) || s.Next <= s.Base {
				t.Fatalf("no progress: %+v", s)
			}
			_ = s.Each(func(int64, *Record) error { return nil })
			log = rest
		}
	})
}
