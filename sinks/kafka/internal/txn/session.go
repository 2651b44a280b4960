package txn

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go/protocol/addpartitionstotxn"
	"github.com/segmentio/kafka-go/protocol/endtxn"
	"github.com/segmentio/kafka-go/protocol/initproducerid"

	"auditlog-connector/sinks/kafka/internal/wire"
)

// TakeOver makes this producer the owner of its transactional id. Whoever owned it
// is fenced, and its open transaction ended, once TakeOver returns nil. It may take
// a minute where the id is the cluster's first.
func (p *Producer) TakeOver(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, TransactionTimeout, fmt.Errorf("not taken over within %s", TransactionTimeout))
	defer cancel()
	// -1 and -1 say: whoever I was. A producer that recovers must not say so: it
	// would fence its successor.
	if err := p.initialize(ctx, -1, -1); err != nil {
		return err
	}
	p.state = ready
	return nil
}

// initialize gets a producer id with a new epoch. The request may be repeated: with
// an id and epoch it gives the same answer again, without it another epoch.
func (p *Producer) initialize(ctx context.Context, id int64, epoch int16) error {
	return p.retry(ctx, repeatable, func(ctx context.Context) error {
		res, err := p.coordinator(ctx, &initproducerid.Request{
			TransactionalID: p.id, TransactionTimeoutMs: int32(TransactionTimeout.Milliseconds()), ProducerID: id, ProducerEpoch: epoch,
		})
		if err != nil {
			return err
		}
		answer := res.(*initproducerid.Response)
		if err := wire.Failure(answer.ErrorCode, p.what(), ""); err != nil {
			return err
		}
		p.producer, p.epoch, p.sequences = answer.ProducerID, answer.ProducerEpoch, make(map[Partition]int32)
		return nil
	})
}

// addPartitions makes partitions part of the transaction. A request without an answer
// is not repeated: the caller aborts.
func (p *Producer) addPartitions(ctx context.Context, partitions []Partition) error {
	topics := make(map[string][]int32)
	for _, at := range partitions {
		topics[at.Topic] = append(topics[at.Topic], at.ID)
	}
	req := &addpartitionstotxn.Request{TransactionalID: p.id, ProducerID: p.producer, ProducerEpoch: p.epoch}
	for name, partitions := range topics {
		req.Topics = append(req.Topics, addpartitionstotxn.RequestTopic{Name: name, Partitions: partitions})
	}
	return p.retry(ctx, once, func(ctx context.Context) error {
		for _, at := range partitions {
			// The coordinator says of one that is gone, too, that it is unknown.
			if _, err := p.leader(ctx, at); errors.As(err, new(*GoneError)) {
				return err
			}
		}
		res, err := p.coordinator(ctx, req)
		if err != nil {
			return err
		}
		var worst error
		for _, t := range res.(*addpartitionstotxn.Response).Results {
			for _, r := range t.Results {
				what := "topic " + t.Name
				switch wire.Code(r.ErrorCode) {
				case wire.TransactionalIDAuthz, wire.InvalidProducerEpoch, wire.ProducerFenced, wire.InvalidProducerIDMapping,
					wire.ConcurrentTransactions, wire.InvalidTxnState:
					what = p.what()
				}
				err := wire.Failure(r.ErrorCode, what, "")
				// Innocent partitions of a refused request say so; the reason is elsewhere.
				if err != nil && (worst == nil || wire.Code(r.ErrorCode) != wire.OperationNotAttempted) {
					worst = err
				}
			}
		}
		return worst
	})
}

// abort ends the transaction and raises the epoch, in this order: raising it over an
// open transaction fences the rightful producer on some brokers.
func (p *Producer) abort(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, deliveryTimeout, fmt.Errorf("not aborted within %s", deliveryTimeout))
	defer cancel()
	if p.state != aborted {
		err := p.end(ctx, false)
		var answer *wire.Error
		if errors.As(err, &answer) && answer.Code == wire.InvalidTxnState {
			err = nil // nothing was open
		}
		if err != nil {
			return p.judge(err)
		}
		p.state = aborted
	}
	if err := p.initialize(ctx, p.producer, p.epoch); err != nil {
		return p.judge(err)
	}
	p.state = ready
	return nil
}

func (p *Producer) finishCommit(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, deliveryTimeout, fmt.Errorf("commit not answered within %s", deliveryTimeout))
	defer cancel()
	err := p.end(ctx, true)
	var answer *wire.Error
	switch {
	case err == nil:
		p.state = ready
		return nil
	case errors.As(err, &answer) && answer.Code == wire.InvalidTxnState:
		// There is nothing to commit: somebody ended it, and the log knows how.
		p.state = lost
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return p.judge(err)
}

// end ends the transaction. The request may be repeated: it has its effect once.
func (p *Producer) end(ctx context.Context, commit bool) error {
	repeat := once
	if !commit {
		repeat = repeatable
	}
	return p.retry(ctx, repeat, func(ctx context.Context) error {
		res, err := p.coordinator(ctx, p.ending(commit))
		if err != nil {
			return err
		}
		return wire.Failure(res.(*endtxn.Response).ErrorCode, p.what(), "")
	})
}

func (p *Producer) ending(commit bool) *endtxn.Request {
	return &endtxn.Request{TransactionalID: p.id, ProducerID: p.producer, ProducerEpoch: p.epoch, Committed: commit}
}
