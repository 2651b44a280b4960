// Package markers reads the newest record of a key from a compacted topic, as a
// reader of what is committed.
package markers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"auditlog-connector/sinks/kafka/internal/batch"
	"auditlog-connector/sinks/kafka/internal/wire"
)

const (
	fetchBytes = 1 << 20
	// patience is how long somebody's open transaction is waited for: longer than the
	// coordinator lets it be open.
	patience = 2 * time.Minute
	poll     = 50 * time.Millisecond
	// emptyAnswers in a row are believed.
	emptyAnswers = 3
)

// Last returns the newest committed record of key in the topic's only partition; nil
// if there is none.
//
// If wait is true it reads up to the high watermark of the moment it was called, and
// waits for transactions that are still open below it. Otherwise it reads up to the
// last stable offset: what it returns was committed once, and may be out of date.
func Last(ctx context.Context, c *wire.Cluster, topic string, key string, wait bool) (*batch.Record, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("a transaction on topic %s was open for %s", topic, patience))
	defer cancel()
	var last *batch.Record
	err := c.Patiently(ctx, wire.RequestTimeout, func(ctx context.Context) (err error) {
		last, err = read(ctx, c, topic, key, wait)
		return err
	})
	return last, err
}

func read(ctx context.Context, c *wire.Cluster, topic string, key string, wait bool) (*batch.Record, error) {
	t, err := c.Topic(ctx, topic)
	if err != nil {
		return nil, err
	}
	if len(t.Leaders) != 1 {
		return nil, &PartitionsError{Topic: topic, Partitions: len(t.Leaders)}
	}
	r := &reader{cluster: c, topic: topic, leader: t.Leaders[0], key: key}
	if err := r.read(ctx, wait); err != nil {
		// Whoever asks again asks for the leader again too.
		c.Forget()
		return nil, err
	}
	return r.last, nil
}

// PartitionsError means that the topic cannot be read in one order.
type PartitionsError struct {
	Topic      string
	Partitions int
}

func (e *PartitionsError) Error() string {
	return fmt.Sprintf("topic %s has %d partitions, want 1", e.Topic, e.Partitions)
}

type reader struct {
	cluster *wire.Cluster
	topic   string
	leader  int32
	key     string
	next    int64 // offset to read from
	last    *batch.Record
}

func (r *reader) read(ctx context.Context, wait bool) (err error) {
	if r.next, err = r.cluster.Offset(ctx, r.leader, r.topic, 0, wire.Earliest); err != nil {
		return err
	}
	end, err := r.cluster.Offset(ctx, r.leader, r.topic, 0, wire.Latest)
	if err != nil {
		return err
	}
	size, nothing := int32(fetchBytes), 0
	for r.next < end {
		f, err := r.cluster.Fetch(ctx, r.leader, r.topic, 0, r.next, size)
		var answer *wire.Error
		if errors.As(err, &answer) && answer.Code == wire.OffsetOutOfRange {
			// The cleaner was faster: the log begins later now.
			if r.next, err = r.cluster.Offset(ctx, r.leader, r.topic, 0, wire.Earliest); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		before := r.next
		cut, err := r.take(f)
		if err != nil {
			return fmt.Errorf("read topic %s at offset %d: %w", r.topic, r.next, err)
		}
		if r.next > before || f.Throttled || cut || r.next >= f.Stable {
			nothing = 0
		} else {
			nothing++
		}
		switch {
		case r.next > before:
			size = fetchBytes
		case cut:
			size = min(2*size, wire.MaxFetch) // a batch larger than what was asked for
		case r.next >= f.Stable && !wait:
			return nil
		case nothing >= emptyAnswers:
			// The cleaner took everything below the stable offset.
			r.next = f.Stable
		default:
			if err := sleep(ctx, poll); err != nil {
				return err
			}
		}
	}
	return nil
}

// take looks through an answer's batches, and says whether it ended within the first.
func (r *reader) take(f wire.Fetched) (cut bool, err error) {
	pending := slices.SortedFunc(slices.Values(f.Aborted), func(a, b wire.Aborted) int { return int(min(1, max(-1, a.First-b.First))) })
	aborted := make(map[int64]bool) // by producer
	for first := true; len(f.Batches) > 0; first = false {
		b, rest, err := batch.Next(f.Batches)
		if errors.Is(err, batch.ErrCut) {
			return first, nil
		}
		if err != nil {
			return false, err
		}
		f.Batches = rest
		// At control batches as well: an aborted transaction's records may all be
		// gone, and then its marker is the first that is met of it.
		for len(pending) > 0 && pending[0].First < b.Next {
			aborted[pending[0].ProducerID] = true
			pending = pending[1:]
		}
		if b.Next <= r.next {
			continue // a broker may begin with a batch that ends before the offset
		}
		switch {
		case b.Control:
			delete(aborted, b.ProducerID)
		case b.Txn && aborted[b.ProducerID]:
		default:
			if err := r.look(&b); err != nil {
				return false, err
			}
		}
		r.next = b.Next
	}
	return false, nil
}

func (r *reader) look(b *batch.Stored) error {
	return b.Each(func(offset int64, rec *batch.Record) error {
		if offset < r.next || string(rec.Key) != r.key {
			return nil
		}
		kept := batch.Record{Key: slices.Clone(rec.Key), Value: slices.Clone(rec.Value), Time: rec.Time}
		for _, h := range rec.Headers {
			kept.Headers = append(kept.Headers, batch.Header{Key: h.Key, Value: slices.Clone(h.Value)})
		}
		r.last = &kept
		if rec.Value == nil {
			r.last = nil // a tombstone
		}
		return nil
	})
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
