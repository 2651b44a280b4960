package kafka

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol/initproducerid"

	"auditlog-connector/internal/testserver"
	"auditlog-connector/sinks/kafka/internal/batch"
	"auditlog-connector/sinks/kafka/internal/wire"
)

// hanging asks Kafka's own tool for transactions that are open and known to no
// coordinator, however young.
func hanging(t *testing.T, k *testserver.Kafka) (found []string) {
	t.Helper()
	for id := range k.Options.Nodes {
		out := tool(t, k, "transactions", "find-hanging", "--broker-id", fmt.Sprint(id+1), "--max-transaction-timeout", "0")
		if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) > 1 { // the first are titles
			found = append(found, lines[1:]...)
		}
	}
	return found
}

func noHanging(t *testing.T, k *testserver.Kafka) {
	t.Helper()
	if found := hanging(t, k); len(found) > 0 {
		t.Errorf("hanging transactions:\n%s", strings.Join(found, "\n"))
	}
}

// A transaction that hangs is found: one whose partition nobody added, on a broker
// that does not ask.
func hangingIsFound(t *testing.T, k *testserver.Kafka) {
	const topic = "hanging"
	k.Topic(topic, 1)
	verify := func(on bool) {
		tool(t, k, "configs", "--alter", "--entity-type", "brokers", "--entity-default", "--add-config", fmt.Sprint("transaction.partition.verification.enable=", on))
	}
	verify(false)
	defer verify(true)
	c := wire.New(wire.Config{Brokers: k.Brokers, ClientID: "test"})
	t.Cleanup(c.Close)
	coordinator, err := c.Coordinator(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Request(t.Context(), coordinator, &initproducerid.Request{TransactionalID: topic, TransactionTimeoutMs: 60_000, ProducerID: -1, ProducerEpoch: -1})
	if err != nil {
		t.Fatal(err)
	}
	who := answer.(*initproducerid.Response)
	b := batch.Builder{Limit: 1 << 20}
	if err := b.Add(0, &batch.Record{Value: []byte("x"), Time: 1}); err != nil {
		t.Fatal(err)
	}
	one := &b.Batches()[0]
	one.Stamp(who.ProducerID, who.ProducerEpoch, 0)
	at, err := c.Topic(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Produce(t.Context(), at.Leaders[0], topic, time.Second, []wire.TopicPieces{{Topic: topic, Pieces: []wire.Piece{{Batch: one.Bytes}}}})
	if err != nil {
		t.Fatal(err)
	}
	if code := res.Topics[0].Partitions[0].ErrorCode; code != 0 || who.ErrorCode != 0 {
		t.Fatalf("answers %d and %d, want an open transaction", who.ErrorCode, code)
	}
	if found := hanging(t, k); len(found) != 1 || !strings.Contains(found[0], topic) {
		t.Errorf("found %q, want the one on topic %s", found, topic)
	}
	tool(t, k, "transactions", "abort", "--topic", topic, "--partition", "0", "--start-offset", "0")
	noHanging(t, k)
}
