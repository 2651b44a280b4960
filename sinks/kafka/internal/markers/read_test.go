package markers

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go/compress"

	"auditlog-connector/sinks/kafka/internal/batch"
	"auditlog-connector/sinks/kafka/internal/wire"
)

// entry is a batch of a log that a test writes by hand.
type entry struct {
	base     int64
	span     int // offsets it takes
	producer int64
	control  bool
	abort    bool
	records  map[int]string // delta to "key=value"; the others are compacted away
}

// encode writes the batch as a broker's log has it.
func (e entry) encode(t testing.TB) []byte {
	t.Helper()
	b := batch.Builder{Limit: 1 << 20, Codec: compress.None}
	var kept []int
	for delta := range e.span {
		kv, ok := e.records[delta]
		if !ok && !e.control {
			continue
		}
		key, value, _ := bytes.Cut([]byte(kv), []byte("="))
		if e.control {
			key, value = []byte{0, 0, 0, 1}, []byte{0, 0, 0, 0, 0, 0}
			if e.abort {
				key[3] = 0
			}
		}
		if err := b.Add(delta, &batch.Record{Key: key, Value: value}); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, delta)
	}
	var out []byte
	if done := b.Batches(); len(done) > 0 {
		out = done[0].Bytes
	} else {
		// A batch that lost every record keeps its header.
		if err := b.Add(0, &batch.Record{}); err != nil {
			t.Fatal(err)
		}
		out = b.Batches()[0].Bytes[:61]
		binary.BigEndian.PutUint32(out[8:], uint32(len(out)-12))
		binary.BigEndian.PutUint32(out[57:], 0)
	}
	binary.BigEndian.PutUint64(out, uint64(e.base))
	binary.BigEndian.PutUint32(out[23:], uint32(e.span-1))
	if e.control {
		binary.BigEndian.PutUint16(out[21:], 0x30)
	}
	// The deltas of what is kept: every record's stands in one byte behind three
	// others (length, attributes, time).
	at := 61
	for _, delta := range kept {
		length, n := binary.Varint(out[at:])
		out[at+n+2] = byte(delta << 1)
		at += n + int(length)
	}
	s := batch.Batch{Bytes: out}
	s.Stamp(e.producer, 0, 0)
	return out
}

func answer(t testing.TB, stable int64, aborted []wire.Aborted, entries ...entry) wire.Fetched {
	f := wire.Fetched{Stable: stable, HighWatermark: stable, Aborted: aborted}
	for _, e := range entries {
		f.Batches = append(f.Batches, e.encode(t)...)
	}
	return f
}

func data(base, producer int64, kv string) entry {
	return entry{base: base, span: 1, producer: producer, records: map[int]string{0: kv}}
}

func end(base, producer int64, abort bool) entry {
	return entry{base: base, span: 1, producer: producer, control: true, abort: abort}
}

func TestNewestCommittedRecordOfTheKey(t *testing.T) {
	for name, c := range map[string]struct {
		from    int64
		aborted []wire.Aborted
		log     []entry
		want    string
		next    int64
	}{
		"nothing":              {0, nil, nil, "", 0},
		"only other keys":      {0, nil, []entry{data(0, 1, "other=1"), end(1, 1, false)}, "", 2},
		"the newest":           {0, nil, []entry{data(0, 1, "k=1"), end(1, 1, false), data(2, 1, "k=2"), end(3, 1, false)}, "2", 4},
		"aborted does not":     {0, []wire.Aborted{{ProducerID: 1, First: 2}}, []entry{data(0, 1, "k=1"), end(1, 1, false), data(2, 1, "k=2"), end(3, 1, true)}, "1", 4},
		"what follows does":    {0, []wire.Aborted{{ProducerID: 1, First: 0}}, []entry{data(0, 1, "k=1"), end(1, 1, true), data(2, 1, "k=2"), end(3, 1, false)}, "2", 4},
		"another's abort":      {0, []wire.Aborted{{ProducerID: 2, First: 1}}, []entry{data(0, 1, "k=1"), data(1, 2, "k=2"), end(2, 2, true), end(3, 1, false)}, "1", 4},
		"interleaved":          {0, []wire.Aborted{{ProducerID: 2, First: 0}}, []entry{data(0, 2, "k=2"), data(1, 1, "k=1"), end(2, 1, false), end(3, 2, true)}, "1", 4},
		"aborted twice":        {0, []wire.Aborted{{ProducerID: 1, First: 3}, {ProducerID: 1, First: 0}}, []entry{data(0, 1, "k=1"), end(2, 1, true), data(3, 1, "k=2"), end(4, 1, true), data(5, 1, "k=3"), end(6, 1, false)}, "3", 7},
		"begins in the middle": {10, []wire.Aborted{{ProducerID: 1, First: 4}}, []entry{data(10, 1, "k=1"), end(11, 1, true)}, "", 12},
		// The cleaner took the aborted records and left the marker; the next
		// transaction of the same producer counts.
		"compacted aborted data": {0, []wire.Aborted{{ProducerID: 1, First: 2}}, []entry{data(0, 1, "k=1"), end(3, 1, true), data(4, 1, "k=2"), end(5, 1, false)}, "2", 6},
		"an empty batch":         {0, nil, []entry{{base: 0, span: 5, producer: 1}, data(5, 1, "k=1"), end(6, 1, false)}, "1", 7},
		"an empty batch last":    {0, nil, []entry{data(0, 1, "k=1"), {base: 1, span: 9, producer: 1}}, "1", 10},
		"a tail compacted away":  {0, nil, []entry{{base: 0, span: 10, producer: 1, records: map[int]string{2: "k=1"}}}, "1", 10},
		"a head compacted away":  {0, nil, []entry{{base: 7, span: 3, producer: 1, records: map[int]string{2: "k=1"}}}, "1", 10},
		// A broker answers with whole batches: what lies before the offset is not new.
		"before the offset":  {3, nil, []entry{{base: 0, span: 5, producer: 1, records: map[int]string{1: "k=old", 4: "other=1"}}}, "", 5},
		"a whole one before": {3, nil, []entry{data(0, 1, "k=old"), data(3, 1, "k=1")}, "1", 4},
	} {
		t.Run(name, func(t *testing.T) {
			r := &reader{key: "k", next: c.from}
			if _, err := r.take(answer(t, 100, c.aborted, c.log...)); err != nil {
				t.Fatal(err)
			}
			got := ""
			if r.last != nil {
				got = string(r.last.Value)
			}
			if got != c.want || r.next != c.next {
				t.Errorf("%q and goes on at %d, want %q and %d", got, r.next, c.want, c.next)
			}
		})
	}
}

// A random log is read in pieces of any size, with answers cut anywhere, and says
// what a model of it says.
func TestRandomLogs(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		var log []entry
		var aborted []wire.Aborted
		want, next := "", int64(0)
		for txn := range 1 + rng.IntN(8) {
			producer, abort, first := int64(rng.IntN(3)), rng.IntN(3) == 0, next
			value := ""
			for range 1 + rng.IntN(3) {
				e := entry{base: next, span: 1 + rng.IntN(4), producer: producer, records: map[int]string{}}
				for delta := range e.span {
					if rng.IntN(3) > 0 {
						key := []string{"k", "other"}[rng.IntN(2)]
						e.records[delta] = fmt.Sprintf("%s=%d.%d", key, txn, next+int64(delta))
						if key == "k" {
							value = fmt.Sprintf("%d.%d", txn, next+int64(delta))
						}
					}
				}
				next += int64(e.span)
				if rng.IntN(5) > 0 || len(e.records) > 0 {
					log = append(log, e)
				}
			}
			log = append(log, end(next, producer, abort))
			next++
			if abort {
				aborted = append(aborted, wire.Aborted{ProducerID: producer, First: first})
			} else if value != "" {
				want = value
			}
		}
		r := &reader{key: "k"}
		for r.next < next {
			var f wire.Fetched
			for _, e := range log {
				if e.base+int64(e.span) > r.next {
					f.Batches = append(f.Batches, e.encode(t)...)
				}
			}
			f.Aborted = overlapping(log, aborted, r.next)
			f.Batches = f.Batches[:min(len(f.Batches), 100+rng.IntN(400))]
			if _, err := r.take(f); err != nil {
				t.Fatal(err)
			}
		}
		got := ""
		if r.last != nil {
			got = string(r.last.Value)
		}
		if got != want {
			t.Fatalf("seed %d: %q, want %q", seed, got, want)
		}
	}
}

// overlapping leaves out the transactions that ended before the offset, as a broker does.
func overlapping(log []entry, aborted []wire.Aborted, from int64) (kept []wire.Aborted) {
	for _, a := range aborted {
		for _, e := range log {
			if e.control && e.producer == a.ProducerID && e.base >= a.First {
				if e.base >= from {
					kept = append(kept, a)
				}
				break
			}
		}
	}
	return kept
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}
