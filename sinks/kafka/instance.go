package kafka

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/kafka/internal/batch"
	"auditlog-connector/sinks/kafka/internal/txn"
)

// newInstance names a sink of a process, so that it knows its own markers again.
func newInstance() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it does not fail
	return hex.EncodeToString(b[:])
}

// judgement is what a caller of begin makes of the marker it finds.
type judgement struct {
	// early looks at a marker that may be out of date, before anybody is fenced: a
	// commit is answered before it can be read. An error is for sure even so.
	early func(*pipeline.Marker) error

	// final looks at the marker once nobody else can change it, and returns the one
	// to go on with.
	final func(*pipeline.Marker) (*pipeline.Marker, error)

	stamp bool // write the marker even if the instance goes on
}

// begin makes the producer ready for a transaction, and the marker known. It ends
// what the last transaction left open, and takes the transactional id over if this
// sink does not have it.
func (s *sink) begin(ctx context.Context, j judgement) error {
	if s.producer.Owns() {
		err := s.goOn(ctx, j)
		if !errors.Is(err, txn.ErrLost) {
			return err
		}
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	found, err := s.lastMarker(ctx, false)
	if err != nil {
		return err
	}
	if err := s.mayTakeOver(found); err != nil {
		return err
	}
	if err := j.early(found.marker); err != nil {
		return err
	}
	if err := s.format.ready(ctx, s, found); err != nil {
		return err
	}
	if err := s.producer.TakeOver(ctx); err != nil {
		return err
	}
	// Only now nobody else commits any more.
	if found, err = s.lastMarker(ctx, true); err != nil {
		return s.unowned(err)
	}
	// A marker that could not be read before says who took the lane over; the owner
	// takes it back, because the newest marker is its own.
	if err := s.mayTakeOver(found); err != nil {
		return s.unowned(err)
	}
	marker, err := j.final(found.marker)
	if err != nil {
		return s.unowned(err)
	}
	s.marker, s.owned, s.predecessor = marker, true, found.instance
	return s.stamp(ctx)
}

// goOn settles the instance's last transaction.
func (s *sink) goOn(ctx context.Context, j judgement) error {
	committing := s.producer.Committing()
	if err := s.producer.Settle(ctx); err != nil {
		return err
	}
	if committing {
		s.marker = s.pending
	}
	if !j.stamp {
		return nil
	}
	marker, err := j.final(s.marker)
	if err != nil {
		return err
	}
	s.marker = marker
	return s.stamp(ctx)
}

// unowned forgets the instance after err: the marker was not read under it.
func (s *sink) unowned(err error) error {
	s.producer = txn.New(s.cluster, s.id)
	return err
}

// mayTakeOver refuses to fence whoever took the lane over from this sink. The newest
// marker says who that is: everybody writes one first.
func (s *sink) mayTakeOver(found lastMarker) error {
	if !s.owned || found.instance == s.instance || found.instance == s.predecessor {
		return nil
	}
	return fmt.Errorf("%w: another connector delivers with the transactional id %s (its marker is of instance %s, this is %s)",
		pipeline.ErrFenced, s.id, found.instance, s.instance)
}

// stamp writes the marker as this instance's.
func (s *sink) stamp(ctx context.Context) error {
	marker := *s.marker
	return s.transact(ctx, nil, func() (map[txn.Partition][]batch.Batch, pipeline.Marker) {
		return make(map[txn.Partition][]batch.Batch, 1), marker
	})
}

// transact writes what pack makes for partitions, and a marker, as one transaction.
func (s *sink) transact(ctx context.Context, partitions []txn.Partition, pack func() (map[txn.Partition][]batch.Batch, pipeline.Marker)) error {
	at := txn.Partition{Topic: s.config.markerTopic()}
	var marker pipeline.Marker
	err := s.producer.Write(ctx, append(partitions, at), func() (batches map[txn.Partition][]batch.Batch, err error) {
		batches, marker = pack()
		batches[at], err = s.markerBatch(marker)
		return batches, err
	})
	if err != nil {
		return err
	}
	s.pending = &marker
	if err := s.producer.Commit(ctx); err != nil {
		return err
	}
	s.marker = &marker
	return nil
}

// now is the time of a marker record: when it was written. Events have their own.
func now() int64 { return time.Now().UnixMilli() }
