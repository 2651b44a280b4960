//go:build measure && unix

package kafka

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"auditlog-connector/internal/testserver"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
	"auditlog-connector/sinks/kafka/internal/batch"
)

var (
	rounds = flag.Int("kafka.rounds", 20, "rounds of the comparison with other clients")
	length = flag.Duration("kafka.time", 500*time.Millisecond, "how long one contestant writes in a round")
)

// contestant writes batches of the same records, one transaction each if it has any.
type contestant struct {
	name  string
	write func(ctx context.Context, n int) error
}

// figure is what one contestant did in one round.
type figure struct {
	events, perCPU, perTxn float64 // a second, a second of CPU, milliseconds
}

// TestCompare measures the sink beside kafka-go's plain Writer and franz-go's
// transactions, on one broker, in interleaved rounds, and prints medians with their
// quartiles. All write the same records uncompressed to four partitions, and wait for
// a batch to be acknowledged, and committed, before they begin the next.
func TestCompare(t *testing.T) {
	testserver.Require(t)
	k := testserver.StartKafka(t, testserver.KafkaOptions{Measured: true})
	records := batchOf("acme/bench", 1, 10_000).Records
	contestants := []contestant{ours(t, k, records), plainWriter(t, k, records), franz(t, k, records)}
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "RECORDS\tCLIENT\tEVENTS/S\tQUARTILES\tMS/BATCH\tEVENTS/CPU-S\tOURS/THEIRS\tQUARTILES\t")
	for _, n := range []int{100, 1000, 5000, 10_000} {
		figures := make([][]figure, len(contestants))
		for round := range *rounds + 1 {
			for i := range contestants {
				at := (i + round) % len(contestants) // nobody is always first
				f := measure(t, contestants[at], n)
				if round > 0 { // the first warms up
					figures[at] = append(figures[at], f)
				}
			}
		}
		for i, c := range contestants {
			rates := pick(figures[i], func(f figure) float64 { return f.events })
			ratios := make([]float64, len(figures[i]))
			for r := range ratios {
				ratios[r] = figures[0][r].events / figures[i][r].events
			}
			fmt.Fprintf(w, "%d\t%s\t%.0f\t%.0f–%.0f\t%.1f\t%.0f\t%.2f\t%.2f–%.2f\t\n", n, c.name, quantile(rates, 0.5), quantile(rates, 0.25), quantile(rates, 0.75),
				quantile(pick(figures[i], func(f figure) float64 { return f.perTxn }), 0.5),
				quantile(pick(figures[i], func(f figure) float64 { return f.perCPU }), 0.5),
				quantile(ratios, 0.5), quantile(ratios, 0.25), quantile(ratios, 0.75))
		}
	}
	w.Flush()
	t.Logf("Kafka %s, one node, 4 partitions, %d-byte values, no compression, %d rounds of %s\n%s", k.Options.Version, len(records[0].Avro)+10, *rounds, *length, &out)
}

func measure(t *testing.T, c contestant, n int) figure {
	t.Helper()
	began, cpu, batches := time.Now(), cpuTime(), 0
	for time.Since(began) < *length {
		if err := c.write(t.Context(), n); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		batches++
	}
	wall, used := time.Since(began).Seconds(), (cpuTime() - cpu).Seconds()
	return figure{float64(n*batches) / wall, float64(n*batches) / used, 1000 * wall / float64(batches)}
}

// cpuTime is what this process has used; the broker is another one.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func pick(figures []figure, f func(figure) float64) (values []float64) {
	for _, one := range figures {
		values = append(values, f(one))
	}
	return values
}

func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

func ours(t *testing.T, k *testserver.Kafka, records []pipeline.Record) contestant {
	k.Topic("ours", 4)
	c := testConfig(k.Brokers, "ours")
	c.Compression = "none"
	s := open(t, c, "acme/bench", nil)
	t.Cleanup(func() { s.Close() })
	claim(t, s, 1)
	seq := uint64(0)
	return contestant{"this sink", func(ctx context.Context, n int) error {
		seq++
		m := pipeline.Manifest{ID: pipeline.BatchID{Lane: "acme/bench", Epoch: "0a1b2c3d", Seq: seq}}
		for i := range n {
			m.Members = append(m.Members, records[i].Position)
		}
		return s.Deliver(ctx, pipeline.Batch{Manifest: m, Records: records[:n]})
	}}
}

// headersOf are those that the sink gives a record.
func headersOf(r *pipeline.Record) []batch.Header {
	e := encoder{batchID: "acme/bench/0a1b2c3d/00000000000000000001"}
	e.header("event_id", r.ID)
	e.header("event_type", r.Audit.EventType)
	e.header("batch_id", e.batchID)
	return e.headers
}

// plainWriter is kafka-go's Writer, every record acknowledged, without transactions.
// Its messages are made beforehand.
func plainWriter(t *testing.T, k *testserver.Kafka, records []pipeline.Record) contestant {
	k.Topic("writer", 4)
	messages := make([]kafkago.Message, len(records))
	for i := range records {
		messages[i] = kafkago.Message{Key: []byte(records[i].ID), Value: schemas.AppendSingle(nil, records[i].Avro), Time: records[i].Time}
		for _, h := range headersOf(&records[i]) {
			messages[i].Headers = append(messages[i].Headers, kafkago.Header{Key: h.Key, Value: h.Value})
		}
	}
	w := &kafkago.Writer{
		Addr: kafkago.TCP(k.Brokers...), Topic: "writer", RequiredAcks: kafkago.RequireAll, Balancer: kafkago.Murmur2Balancer{},
		BatchSize: len(records), BatchTimeout: time.Millisecond,
	}
	t.Cleanup(func() { w.Close() })
	return contestant{"kafka-go Writer", func(ctx context.Context, n int) error { return w.WriteMessages(ctx, messages[:n]...) }}
}

// franz is franz-go with transactions. Its records are made beforehand.
func franz(t *testing.T, k *testserver.Kafka, records []pipeline.Record) contestant {
	k.Topic("franz", 4)
	client, err := kgo.NewClient(kgo.SeedBrokers(k.Brokers...), kgo.TransactionalID("franz"), kgo.DefaultProduceTopic("franz"),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(len(records)+1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	made, theirs := make([]kgo.Record, len(records)), make([]kgo.Record, len(records))
	for i := range records {
		made[i] = kgo.Record{Key: []byte(records[i].ID), Value: schemas.AppendSingle(nil, records[i].Avro), Timestamp: records[i].Time}
		for _, h := range headersOf(&records[i]) {
			made[i].Headers = append(made[i].Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
	}
	return contestant{"franz-go, transactions", func(ctx context.Context, n int) error {
		if err := client.BeginTransaction(); err != nil {
			return err
		}
		var failed error
		for i := range n {
			theirs[i] = made[i] // producing fills a record in
			client.Produce(ctx, &theirs[i], func(_ *kgo.Record, err error) {
				if err != nil {
					failed = err
				}
			})
		}
		if err := client.Flush(ctx); err != nil {
			return err
		}
		if failed != nil {
			return failed
		}
		return client.EndTransaction(ctx, kgo.TryCommit)
	}}
}
