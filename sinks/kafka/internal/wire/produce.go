package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
)

// firstProduce is the version from which on a request says whose transaction it is.
const firstProduce = 3

// Piece is a record batch for a partition.
type Piece struct {
	Partition int32
	Batch     []byte
}

// TopicPieces are those of one topic, one for a partition at most.
type TopicPieces struct {
	Topic  string
	Pieces []Piece
}

// Produce asks a broker to write record batches as part of a transaction, and to
// answer once all replicas in sync have them, or after patience. Errors are those of
// [Cluster.Request].
//
// kafka-go would copy the batches into pages of its own first.
func (c *Cluster) Produce(ctx context.Context, broker int32, transactionalID string, patience time.Duration, topics []TopicPieces) (*produce.Response, error) {
	var answer *produce.Response
	err := c.with(ctx, broker, protocol.Produce, func(ctx context.Context, k *conn, version int16) error {
		if version < firstProduce {
			return &Error{Code: UnsupportedVersion, What: "broker " + k.addr + ": Produce", Message: "the broker has no transactions"}
		}
		body, err := k.exchange(ctx, func(id int32) error {
			request := encodeProduce(version, id, k.clientID, transactionalID, patience, topics)
			_, err := request.WriteTo(k.net)
			return err
		})
		if err != nil {
			return err
		}
		_, res, err := protocol.ReadResponse(bytes.NewReader(body), protocol.Produce, version)
		if err != nil {
			return err
		}
		answer = res.(*produce.Response)
		k.pause = time.Now().Add(min(throttle(answer), maxThrottle))
		return nil
	})
	return answer, err
}

// encodeProduce makes a request of the versions 3 to 8, which are alike. Its batches
// are not copied.
func encodeProduce(version int16, id int32, clientID, transactionalID string, patience time.Duration, topics []TopicPieces) net.Buffers {
	be := binary.BigEndian
	text := func(b []byte, s string) []byte { return append(be.AppendUint16(b, uint16(len(s))), s...) }
	b := make([]byte, 4, 512) // room for the size
	b = be.AppendUint16(b, uint16(protocol.Produce))
	b = be.AppendUint16(b, uint16(version))
	b = be.AppendUint32(b, uint32(id))
	b = text(b, clientID)
	b = text(b, transactionalID)
	b = be.AppendUint16(b, 0xffff) // -1: all replicas in sync
	b = be.AppendUint32(b, uint32(patience.Milliseconds()))
	b = be.AppendUint32(b, uint32(len(topics)))
	var request net.Buffers
	size, from := 0, 0
	for _, t := range topics {
		b = be.AppendUint32(text(b, t.Topic), uint32(len(t.Pieces)))
		for _, p := range t.Pieces {
			b = be.AppendUint32(b, uint32(p.Partition))
			b = be.AppendUint32(b, uint32(len(p.Batch)))
			request = append(request, b[from:], p.Batch)
			size, from = size+len(b)-from+len(p.Batch), len(b)
		}
	}
	be.PutUint32(request[0], uint32(size-4))
	return request
}
