package txn

import (
	"context"
	"errors"
	"fmt"

	"auditlog-connector/sinks/kafka/internal/wire"
)

// Probe finds out whether a producer with that transactional id may write to the
// topics. It asks as a producer that does not exist, which the coordinator refuses
// once it has found the rights in order: nothing has an effect.
func Probe(ctx context.Context, c *wire.Cluster, id string, topics ...string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, deliveryTimeout, fmt.Errorf("no answer within %s", deliveryTimeout))
	defer cancel()
	p := &Producer{cluster: c, id: id, producer: -1, epoch: -1}
	partitions := make([]Partition, len(topics))
	for i, t := range topics {
		partitions[i].Topic = t
	}
	err := p.addPartitions(ctx, partitions)
	var answer *wire.Error
	if errors.As(err, &answer) {
		switch answer.Code {
		case wire.InvalidProducerIDMapping, wire.InvalidProducerEpoch, wire.ProducerFenced, wire.UnknownProducerID:
			return nil
		}
	}
	return err
}
