package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"sync"
	"sync/atomic"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/kafka/internal/batch"
	"auditlog-connector/sinks/kafka/internal/txn"
	"auditlog-connector/sinks/kafka/internal/wire"
)

// packing is a batch whose records have their partitions.
type packing struct {
	sink     *sink
	batch    pipeline.Batch
	members  [][]int       // records of each partition, by index
	mu       sync.Mutex    // of rejected
	rejected map[int]error // records that the topic does not take
}

// plan finds the partitions of a batch's records.
func (s *sink) plan(ctx context.Context, b pipeline.Batch) (*packing, error) {
	name := s.config.Topic
	var topic wire.Topic
	if err := s.cluster.Patiently(ctx, newsTime, func(ctx context.Context) (err error) {
		topic, err = s.cluster.Topic(ctx, name)
		return err
	}); err != nil {
		return nil, err
	}
	if len(topic.Leaders) == 0 {
		return nil, wire.Failure(int16(wire.UnknownTopicOrPartition), "topic "+name, "it has no partitions")
	}
	p := &packing{sink: s, batch: b, members: make([][]int, len(topic.Leaders)), rejected: make(map[int]error)}
	if s.refused.batch == b.ID {
		maps.Copy(p.rejected, s.refused.records)
	}
	key := make([]byte, 0, 64)
	for i := range b.Records {
		if p.rejected[i] != nil {
			continue
		}
		to := partition(s.config.key(key, &b.Records[i]), i, len(b.Records), len(p.members))
		p.members[to] = append(p.members[to], i)
	}
	return p, nil
}

// partitions are those that get something.
func (p *packing) partitions() (at []txn.Partition) {
	for i, members := range p.members {
		if len(members) > 0 {
			at = append(at, txn.Partition{Topic: p.sink.config.Topic, ID: int32(i)})
		}
	}
	return at
}

// pack encodes the records, several partitions at the same time. Those that the topic
// does not take are rejected, before anything is written. The result is valid until
// the sink packs again.
func (p *packing) pack() map[txn.Partition][]batch.Batch {
	s := p.sink
	for len(s.builders) < len(p.members) {
		s.builders = append(s.builders, new(batch.Builder))
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(p.members)) {
		wg.Go(func() {
			e := encoder{key: make([]byte, 0, 64)}
			for i := next.Add(1) - 1; i < int64(len(p.members)); i = next.Add(1) - 1 {
				p.fill(&e, s.builders[i], p.members[i])
			}
		})
	}
	wg.Wait()
	batches := make(map[txn.Partition][]batch.Batch, len(p.members)+1)
	for i := range p.members {
		if done := s.builders[i].Batches(); len(done) > 0 {
			batches[txn.Partition{Topic: s.config.Topic, ID: int32(i)}] = done
		}
	}
	return batches
}

// fill encodes the records of one partition.
func (p *packing) fill(e *encoder, b *batch.Builder, members []int) {
	s, name := p.sink, p.sink.config.Topic
	b.Reset()
	b.Limit, b.Codec = s.limit(name), s.config.codec()
	e.batchID = p.batch.ID.String()
	for _, i := range members {
		var large *batch.TooLargeError
		if errors.As(b.Add(i, e.record(s, &p.batch.Records[i])), &large) {
			p.mu.Lock()
			p.rejected[i] = fmt.Errorf("topic %s: the record is too large: %w", name, large)
			p.mu.Unlock()
		}
	}
	b.Batches() // compresses the last one here, not where everybody waits
}

// partition is where the i-th of n records goes: by its key, as Kafka's own clients
// do it, or, without one, in runs of neighbours.
func partition(key []byte, i, n, partitions int) int {
	if key == nil {
		return i * partitions / n
	}
	return int(murmur2(key)&0x7fffffff) % partitions
}

// murmur2 is the hash of Kafka's Java client.
func murmur2(data []byte) uint32 {
	const m, r = 0x5bd1e995, 24
	h := 0x9747b28c ^ uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		k *= m
		k ^= k >> r
		k *= m
		h = h*m ^ k
	}
	for i := len(data) - 1; i >= 0; i-- {
		h ^= uint32(data[i]) << (8 * i)
	}
	if len(data) > 0 {
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

// learn takes note of what a broker said about batches that it refused, so that the
// next attempt at the same batch leaves out, or cuts, what it does not take.
func (s *sink) learn(id pipeline.BatchID, err error) {
	var refusal *txn.ProduceError
	if !errors.As(err, &refusal) {
		return
	}
	size, indexes := len(refusal.Batch.Bytes), refusal.Batch.Indexes
	switch refusal.Err.Code {
	case wire.MessageTooLarge, wire.RecordListTooLarge:
		// The limit is lower than it was, or than we were allowed to see.
		limit := size / 2
		if len(indexes) == 1 {
			limit = size - 1
		}
		s.limits[refusal.At.Topic] = min(s.limit(refusal.At.Topic), limit)
	case wire.InvalidTimestamp, wire.InvalidRecord:
		if s.refused.batch != id {
			s.refused = refused{batch: id, records: make(map[int]error)}
		}
		for at, why := range refusal.Err.Rejected {
			if at >= 0 && at < len(indexes) {
				s.refused.records[indexes[at]] = fmt.Errorf("%s: %s: %s", refusal.Err.What, refusal.Err.Code, why)
			}
		}
	}
}
