package txn

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"

	"auditlog-connector/sinks/kafka/internal/batch"
	"auditlog-connector/sinks/kafka/internal/wire"
)

// maxRequest bounds the bytes of one produce request, well below what brokers take
// (socket.request.max.bytes).
const maxRequest = 32 << 20

// allReplicas is the acknowledgement that is asked for.
const allReplicas = -1

// parcel is the batch of a partition that is sent next. A request has one batch of a
// partition at most, and a partition one request at a time.
type parcel struct {
	at    Partition
	batch *batch.Batch
}

// produce writes batches: in each round the next one of every partition, to all
// leaders at the same time. What a broker refuses without effect, because the leader
// moved for instance, is sent again in a later round, the same bytes.
func (p *Producer) produce(ctx context.Context, batches map[Partition][]batch.Batch) error {
	queues := maps.Clone(batches)
	stamped := make(map[Partition]bool) // the first of the queue is
	return p.retry(ctx, once, func(ctx context.Context) error {
		for len(queues) > 0 {
			var round []parcel
			for at, queue := range queues {
				if !stamped[at] {
					queue[0].Stamp(p.producer, p.epoch, p.sequences[at])
					p.sequences[at] = batch.NextSequence(p.sequences[at], len(queue[0].Indexes))
					stamped[at] = true
				}
				round = append(round, parcel{at, &queue[0]})
			}
			// The order of a map is not one.
			slices.SortFunc(round, func(a, b parcel) int {
				return cmp.Or(cmp.Compare(a.at.Topic, b.at.Topic), cmp.Compare(a.at.ID, b.at.ID))
			})
			written, err := p.round(ctx, round)
			for _, at := range written {
				delete(stamped, at)
				if queues[at] = queues[at][1:]; len(queues[at]) == 0 {
					delete(queues, at)
				}
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// round sends parcels to their leaders and returns those that were written. If
// several fail, the error is one that cannot be helped, if there is one.
func (p *Producer) round(ctx context.Context, parcels []parcel) (written []Partition, err error) {
	byLeader := make(map[int32][]parcel)
	for _, one := range parcels {
		topic, err := p.cluster.Topic(ctx, one.at.Topic)
		if err != nil {
			return nil, err
		}
		if int(one.at.ID) >= len(topic.Leaders) {
			return nil, &wire.Error{Code: wire.UnknownTopicOrPartition, What: fmt.Sprintf("partition %d of topic %s", one.at.ID, one.at.Topic),
				Message: fmt.Sprintf("the topic has %d now", len(topic.Leaders))}
		}
		leader := topic.Leaders[one.at.ID]
		if leader < 0 {
			return nil, wire.Failure(int16(wire.LeaderNotAvailable), fmt.Sprintf("partition %d of topic %s", one.at.ID, one.at.Topic), "")
		}
		byLeader[leader] = append(byLeader[leader], one)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for leader, mine := range byLeader {
		wg.Go(func() {
			done, e := p.send(ctx, leader, mine)
			mu.Lock()
			defer mu.Unlock()
			written = append(written, done...)
			err = worse(err, e)
		})
	}
	wg.Wait()
	return written, err
}

// worse returns the error that decides: one that is not passing.
func worse(a, b error) error {
	if a == nil {
		return b
	}
	if _, ok := passing(a, once); ok && b != nil {
		return b
	}
	return a
}

// send makes one request of as many parcels as it takes, all of one leader.
func (p *Producer) send(ctx context.Context, leader int32, parcels []parcel) (written []Partition, err error) {
	req := &rawproduce.Request{TransactionalID: p.id, Acks: allReplicas, Timeout: int32(wire.RequestTimeout.Milliseconds()) / 2}
	size := 0
	for _, one := range parcels {
		if size += len(one.batch.Bytes); size > maxRequest && len(req.Topics) > 0 {
			break
		}
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != one.at.Topic {
			req.Topics = append(req.Topics, rawproduce.RequestTopic{Topic: one.at.Topic})
		}
		t := &req.Topics[len(req.Topics)-1]
		length := binary.BigEndian.AppendUint32(nil, uint32(len(one.batch.Bytes)))
		t.Partitions = append(t.Partitions, rawproduce.RequestPartition{
			Partition: one.at.ID,
			RecordSet: protocol.RawRecordSet{Reader: io.MultiReader(bytes.NewReader(length), bytes.NewReader(one.batch.Bytes))},
		})
	}
	res, err := p.cluster.Request(ctx, leader, req)
	if err != nil {
		return nil, err
	}
	answers := 0
	for _, t := range res.(*produce.Response).Topics {
		for _, part := range t.Partitions {
			answers++
			at := Partition{t.Topic, part.Partition}
			i := slices.IndexFunc(parcels, func(one parcel) bool { return one.at == at })
			switch e := refusal(t.Topic, &part); {
			case i < 0:
				err = worse(err, fmt.Errorf("produce: an answer about partition %d of topic %s, which was not asked", at.ID, at.Topic))
			case e != nil:
				err = worse(err, &ProduceError{At: at, Batch: parcels[i].batch, Err: e})
			default:
				written = append(written, at)
			}
		}
	}
	want := 0
	for _, t := range req.Topics {
		want += len(t.Partitions)
	}
	if err == nil && answers != want {
		err = fmt.Errorf("produce: an answer about %d partitions, want %d", answers, want)
	}
	return written, err
}

// ProduceError is what a broker says of a batch that it refuses.
type ProduceError struct {
	At    Partition
	Batch *batch.Batch
	Err   *wire.Error
}

func (e *ProduceError) Error() string { return e.Err.Error() }
func (e *ProduceError) Unwrap() error { return e.Err }

// refusal returns what is wrong with a partition's batch, nil if it was written.
func refusal(topic string, part *produce.ResponsePartition) *wire.Error {
	if part.ErrorCode == 0 {
		return nil
	}
	e := &wire.Error{
		Code: wire.Code(part.ErrorCode), What: fmt.Sprintf("partition %d of topic %s", part.Partition, topic), Message: part.ErrorMessage,
		Rejected: make(map[int]string),
	}
	for _, r := range part.RecordErrors {
		e.Rejected[int(r.BatchIndex)] = r.BatchIndexErrorMessage
	}
	return e
}
