// Package txn is a transactional producer: record batches become visible to readers
// of what is committed together, once, or not at all.
//
//	          TakeOver                Write                 Commit
//	closed ─────────────▶ ready ────────────────▶ open ────────────────▶ ready
//	  ▲                     ▲                       │ any failure           │ no answer
//	  │                     │ Settle: abort, then   ▼                       ▼
//	  │                     ├──── a new epoch ──── failed              committing
//	  │                     └──────── Settle: repeat the commit ───────────┘
//	  └── lost: the coordinator does not take this producer for the owner any more
//
// A [Producer] never repeats a produce whose outcome is unknown. The epoch is raised
// after every failure: whatever of the failed transaction is still on its way is
// refused when it arrives.
package txn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"auditlog-connector/sinks/kafka/internal/batch"
	"auditlog-connector/sinks/kafka/internal/wire"
)

// ErrLost means that the coordinator refuses this producer: another one took the
// transactional id over, or a transaction was open for longer than its time-out.
// Only [Producer.TakeOver] helps, and only somebody who knows that there is no
// other may call it: two that take turns would fence each other for ever.
var ErrLost = errors.New("the producer lost its transactional id")

// Timeouts of a producer. A delivery gives up before the coordinator does.
const (
	TransactionTimeout = time.Minute
	deliveryTimeout    = 35 * time.Second
)

type state int

const (
	closed state = iota
	ready
	open       // a transaction has, or may have, partitions
	failed     // something of the transaction failed: it has to be aborted
	aborted    // it is aborted; the epoch is to be raised
	committing // its commit was sent and not answered
	lost
)

// Partition is where a batch goes.
type Partition struct {
	Topic string
	ID    int32
}

// Producer writes one transaction at a time. It is not safe for concurrent use.
type Producer struct {
	cluster *wire.Cluster
	id      string // transactional

	state     state
	producer  int64
	epoch     int16
	sequences map[Partition]int32 // of the next record, in this epoch
}

// New returns a producer that has to take over its transactional id first.
func New(c *wire.Cluster, id string) *Producer { return &Producer{cluster: c, id: id} }

// Ready reports whether a transaction may begin.
func (p *Producer) Ready() bool { return p.state == ready }

// Owns reports whether the producer has taken the id over, and has not lost it.
func (p *Producer) Owns() bool { return p.state != closed && p.state != lost }

// Committing reports whether a commit was sent that nobody answered.
func (p *Producer) Committing() bool { return p.state == committing }

// Write begins a transaction over partitions and puts into it the batches that pack
// makes for them, each partition's in order; pack is called while the coordinator is
// asked. It returns nil once every batch is written; [Producer.Commit] makes them
// count. After an error nothing of them ever will: [Producer.Settle] is next. The
// batches are stamped and otherwise left alone.
func (p *Producer) Write(ctx context.Context, partitions []Partition, pack func() (map[Partition][]batch.Batch, error)) error {
	if p.state != ready {
		return fmt.Errorf("write: the producer is not ready (state %d)", p.state)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, deliveryTimeout, fmt.Errorf("not delivered within %s", deliveryTimeout))
	defer cancel()
	p.state = open
	err := p.write(ctx, partitions, pack)
	if err != nil {
		p.state = failed
		return p.judge(err)
	}
	return nil
}

func (p *Producer) write(ctx context.Context, partitions []Partition, pack func() (map[Partition][]batch.Batch, error)) error {
	added := make(chan error, 1)
	go func() { added <- p.addPartitions(ctx, partitions) }()
	batches, err := pack()
	if e := <-added; e != nil {
		return e
	}
	if err != nil {
		return err
	}
	return p.produce(ctx, batches)
}

// Commit makes the transaction count. A nil means that it does, or will in a moment.
// After an error nobody knows, unless it wraps [ErrLost]; [Producer.Settle] is next.
func (p *Producer) Commit(ctx context.Context) error {
	if p.state != open {
		return fmt.Errorf("commit: no transaction is open (state %d)", p.state)
	}
	p.state = committing
	return p.finishCommit(ctx)
}

// Settle ends what the last transaction left open: a commit that was not answered is
// repeated, anything else is aborted and the epoch raised. It returns nil once the
// producer is ready again, and may be called until then.
func (p *Producer) Settle(ctx context.Context) error {
	switch p.state {
	case ready:
		return nil
	case closed, lost:
		return p.judge(ErrLost)
	case committing:
		return p.finishCommit(ctx)
	}
	return p.abort(ctx)
}

// Abandon aborts what is open, in one attempt: a courtesy to readers and to others,
// who would wait for the coordinator to do it. The producer is not used afterwards.
// A commit that was not answered is left alone.
func (p *Producer) Abandon(ctx context.Context) {
	if p.state != open && p.state != failed {
		return
	}
	p.state = lost
	if broker, err := p.cluster.Coordinator(ctx, p.id); err == nil {
		_, _ = p.cluster.Request(ctx, broker, p.ending(false))
	}
}

// judge takes note of an answer that says that the id is lost.
func (p *Producer) judge(err error) error {
	var answer *wire.Error
	if errors.As(err, &answer) {
		switch answer.Code {
		case wire.InvalidProducerEpoch, wire.ProducerFenced, wire.InvalidProducerIDMapping:
			p.state = lost
			return fmt.Errorf("%w: %w", ErrLost, err)
		}
	}
	return err
}

func (p *Producer) what() string { return "transactional id " + p.id }
