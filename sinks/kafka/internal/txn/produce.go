package txn

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/protocol/produce"

	"auditlog-connector/sinks/kafka/internal/batch"
	"auditlog-connector/sinks/kafka/internal/wire"
)

// maxRequest bounds the bytes of one produce request, well below what brokers take
// (socket.request.max.bytes).
const maxRequest = 32 << 20

// brokerPatience is how long a broker may wait for its replicas: longer than it takes
// a cluster to notice that one of them is gone, shorter than we wait for the answer.
const brokerPatience = wire.RequestTimeout - 3*time.Second

// queue is the batches of a partition that are not written yet, in order.
type queue struct {
	at       Partition
	batches  []batch.Batch
	stamped  bool // the first of them is
	sequence int32
}

// written takes note that the first batch is.
func (q *queue) written() { q.batches, q.stamped = q.batches[1:], false }

// first stamps the first batch, once: what is sent again is the same bytes.
func (q *queue) first(p *Producer) *batch.Batch {
	b := &q.batches[0]
	if !q.stamped {
		b.Stamp(p.producer, p.epoch, q.sequence)
		q.sequence, q.stamped = batch.NextSequence(q.sequence, len(b.Indexes)), true
	}
	return b
}

// produce writes batches, to all leaders at the same time; a partition has one batch
// on its way at most. What a broker refuses without effect, because the leader moved
// for instance, is sent again, the same bytes.
//
// A broker gets one request at a time: it asks the coordinator whether a transaction
// has a partition, and of several requests in one transaction refuses some meanwhile.
func (p *Producer) produce(ctx context.Context, batches map[Partition][]batch.Batch) error {
	var queues []*queue
	for at, list := range batches {
		queues = append(queues, &queue{at: at, batches: list, sequence: p.sequences[at]})
	}
	// The order of a map is not one; a topic's partitions have to be side by side.
	slices.SortFunc(queues, func(a, b *queue) int {
		return cmp.Or(cmp.Compare(a.at.Topic, b.at.Topic), cmp.Compare(a.at.ID, b.at.ID))
	})
	err := p.retry(ctx, once, func(ctx context.Context) error { return p.round(ctx, queues) })
	for _, q := range queues {
		p.sequences[q.at] = q.sequence
	}
	return err
}

// round writes what is left in the queues. If several leaders fail, the error is one
// that cannot be helped, if there is one.
func (p *Producer) round(ctx context.Context, queues []*queue) (err error) {
	byLeader := make(map[int32][]*queue)
	for _, q := range queues {
		if len(q.batches) == 0 {
			continue
		}
		leader, err := p.leader(ctx, q.at)
		if err != nil {
			return err
		}
		byLeader[leader] = append(byLeader[leader], q)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for leader, mine := range byLeader {
		wg.Go(func() {
			e := p.drain(ctx, leader, mine)
			mu.Lock()
			defer mu.Unlock()
			err = worse(err, e)
		})
	}
	wg.Wait()
	return err
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

// leader is the broker that takes a partition's batches now.
func (p *Producer) leader(ctx context.Context, at Partition) (int32, error) {
	topic, err := p.cluster.Topic(ctx, at.Topic)
	if err != nil {
		return 0, err
	}
	if int(at.ID) >= len(topic.Leaders) {
		return 0, &GoneError{At: at, Partitions: len(topic.Leaders)}
	}
	leader := topic.Leaders[at.ID]
	if leader < 0 {
		return 0, wire.Failure(int16(wire.LeaderNotAvailable), fmt.Sprintf("partition %d of topic %s", at.ID, at.Topic), "")
	}
	return leader, nil
}

// GoneError means that a topic was made again with fewer partitions: what was packed
// for one that is gone has to be packed anew.
type GoneError struct {
	At         Partition
	Partitions int // that the topic has now
}

func (e *GoneError) Error() string {
	return fmt.Sprintf("partition %d of topic %s is gone, the topic has %d now: was it made again?", e.At.ID, e.At.Topic, e.Partitions)
}

// drain writes the queues of one leader, one batch of each partition in a request.
func (p *Producer) drain(ctx context.Context, leader int32, queues []*queue) error {
	for {
		queues = slices.DeleteFunc(queues, func(q *queue) bool { return len(q.batches) == 0 })
		if len(queues) == 0 {
			return nil
		}
		if err := p.send(ctx, leader, queues); err != nil {
			return err
		}
	}
}

// send makes one request of the first batches of as many queues as it takes.
func (p *Producer) send(ctx context.Context, leader int32, queues []*queue) (err error) {
	var topics []wire.TopicPieces
	size, asked := 0, make(map[Partition]*queue, len(queues))
	for _, q := range queues {
		b := q.first(p)
		if size += len(b.Bytes); size > maxRequest && len(asked) > 0 {
			break
		}
		asked[q.at] = q
		if n := len(topics); n == 0 || topics[n-1].Topic != q.at.Topic {
			topics = append(topics, wire.TopicPieces{Topic: q.at.Topic})
		}
		t := &topics[len(topics)-1]
		t.Pieces = append(t.Pieces, wire.Piece{Partition: q.at.ID, Batch: b.Bytes})
	}
	res, err := p.cluster.Produce(ctx, leader, p.id, brokerPatience, topics)
	if err != nil {
		return err
	}
	for _, t := range res.Topics {
		for _, part := range t.Partitions {
			at := Partition{t.Topic, part.Partition}
			q := asked[at]
			delete(asked, at)
			switch e := refusal(t.Topic, &part); {
			case q == nil:
				err = worse(err, fmt.Errorf("produce: an answer about partition %d of topic %s, which was not asked", at.ID, at.Topic))
			case e != nil:
				err = worse(err, &ProduceError{At: at, Batch: &q.batches[0], Err: e})
			default:
				q.written()
			}
		}
	}
	if len(asked) > 0 {
		err = worse(err, fmt.Errorf("produce: no answer about %d partitions of %d", len(asked), len(queues)))
	}
	return err
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
