package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/kafka/internal/batch"
	"auditlog-connector/sinks/kafka/internal/txn"
	"auditlog-connector/sinks/kafka/internal/wire"
)

// pack encodes a batch's records for their partitions. Records that the topic does
// not take are rejected, before anything is written.
func (s *sink) pack(ctx context.Context, b pipeline.Batch) (map[txn.Partition][]batch.Batch, map[int]error, error) {
	name := s.config.Topic
	topic, err := s.cluster.Topic(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	if len(topic.Leaders) == 0 {
		return nil, nil, wire.Failure(int16(wire.UnknownTopicOrPartition), "topic "+name, "it has no partitions")
	}
	builders := make([]batch.Builder, len(topic.Leaders))
	for i := range builders {
		builders[i] = batch.Builder{Limit: s.limit(name), Codec: s.config.codec()}
	}
	rejected := make(map[int]error)
	if s.refused.batch == b.ID {
		maps.Copy(rejected, s.refused.records)
	}
	batchID := []byte(b.ID.String())
	var rec batch.Record
	for i := range b.Records {
		if rejected[i] != nil {
			continue
		}
		r := &b.Records[i]
		rec.Key, rec.Time = s.config.key(r), r.Time.UnixMilli()
		rec.Value = s.format.append(rec.Value[:0], r)
		rec.Headers = headers(rec.Headers, r, batchID)
		err := builders[partition(rec.Key, i, len(b.Records), len(builders))].Add(i, &rec)
		var large *batch.TooLargeError
		if errors.As(err, &large) {
			rejected[i] = fmt.Errorf("topic %s: the record is too large: %w", name, err)
		}
	}
	batches := make(map[txn.Partition][]batch.Batch, len(builders)+1)
	for i := range builders {
		if done := builders[i].Batches(); len(done) > 0 {
			batches[txn.Partition{Topic: name, ID: int32(i)}] = done
		}
	}
	return batches, rejected, nil
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
