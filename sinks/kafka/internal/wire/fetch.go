package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go/protocol/fetch"
)

// MaxFetch is the most that a fetch may ask for.
const MaxFetch int32 = 32 << 20

// Fetched is what a broker returns of a partition, up to the last stable offset.
type Fetched struct {
	HighWatermark int64
	Stable        int64 // the last stable offset: what lies before it is decided
	Throttled     bool  // the broker returned nothing because of a quota
	Aborted       []Aborted
	Batches       []byte // record batches as in the log; the last one may be cut off
}

// Aborted is a transaction whose records, from First on, do not count.
type Aborted struct{ ProducerID, First int64 }

// Fetch reads a partition from offset, asked of its leader, by the rule of readers
// of what is committed. The answer may be empty. The result is the caller's.
//
// kafka-go's own decoding of the answer drops what a compacted log needs: where a
// batch ends, and batches that are empty.
func (c *Cluster) Fetch(ctx context.Context, leader int32, topic string, partition int32, offset int64, maxBytes int32) (Fetched, error) {
	req := &fetch.Request{
		ReplicaID: -1, MaxWaitTime: 100, MinBytes: 1, MaxBytes: maxBytes, IsolationLevel: 1, SessionEpoch: -1,
		Topics: []fetch.RequestTopic{{Topic: topic, Partitions: []fetch.RequestPartition{{
			Partition: partition, CurrentLeaderEpoch: -1, FetchOffset: offset, LogStartOffset: -1, PartitionMaxBytes: maxBytes,
		}}}},
	}
	var f Fetched
	err := c.with(ctx, leader, req.ApiKey(), func(ctx context.Context, k *conn, version int16) error {
		body, err := k.exchange(ctx, k.message(req, version))
		if err != nil {
			return err
		}
		f, err = parseFetch(body[8:], version, topic, partition)
		return err
	})
	return f, err
}

var errShort = errors.New("the answer ends in the middle")

// scanner reads an answer's fields. After the end was passed it returns zeros.
type scanner struct {
	b     []byte
	short bool
}

func (s *scanner) take(n int) []byte {
	if n < 0 || n > len(s.b) {
		s.short, s.b = true, nil
		return make([]byte, max(0, min(n, 8)))
	}
	b := s.b[:n]
	s.b = s.b[n:]
	return b
}

func (s *scanner) i16() int16 { return int16(binary.BigEndian.Uint16(s.take(2))) }
func (s *scanner) i32() int32 { return int32(binary.BigEndian.Uint32(s.take(4))) }
func (s *scanner) i64() int64 { return int64(binary.BigEndian.Uint64(s.take(8))) }

// count reads the length of an array, null as none.
func (s *scanner) count() int {
	n := int(s.i32())
	if n > len(s.b) {
		s.short, s.b = true, nil
	}
	return max(0, n)
}

// parseFetch reads an answer of versions 4 to 11, behind the correlation id.
func parseFetch(body []byte, version int16, topic string, partition int32) (f Fetched, err error) {
	if version < 4 {
		return f, fmt.Errorf("fetch version %d has no transactions", version)
	}
	s := &scanner{b: body}
	throttled := s.i32() > 0
	if version >= 7 {
		if err := Failure(s.i16(), "fetch of topic "+topic, ""); err != nil {
			return f, err
		}
		s.i32() // session
	}
	found := false
	for range s.count() {
		if s.short {
			break
		}
		name := string(s.take(int(s.i16())))
		for range s.count() {
			if s.short {
				break
			}
			p, code := s.i32(), s.i16()
			got := Fetched{HighWatermark: s.i64(), Stable: s.i64(), Throttled: throttled}
			if version >= 5 {
				s.i64() // where the log starts
			}
			for range s.count() {
				if s.short {
					break
				}
				got.Aborted = append(got.Aborted, Aborted{s.i64(), s.i64()})
			}
			if version >= 11 {
				s.i32() // preferred replica
			}
			got.Batches = append([]byte(nil), s.take(max(0, int(s.i32())))...)
			if name == topic && p == partition {
				if err := Failure(code, "fetch of topic "+topic, ""); err != nil {
					return f, err
				}
				f, found = got, true
			}
		}
	}
	switch {
	case s.short:
		return f, errShort
	case !found:
		return f, fmt.Errorf("fetch of topic %s: it is not in the answer", topic)
	}
	return f, nil
}
