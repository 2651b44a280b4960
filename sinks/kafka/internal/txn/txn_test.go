package txn

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"auditlog-connector/internal/testserver"
	"auditlog-connector/sinks/kafka/internal/batch"
	"auditlog-connector/sinks/kafka/internal/wire"
)

const topic = "audit"

func producer(t *testing.T, brokers []string, id string) *Producer {
	t.Helper()
	c := wire.New(wire.Config{Brokers: brokers, ClientID: "test"})
	t.Cleanup(c.Close)
	p := New(c, id)
	if err := p.TakeOver(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func fake(t *testing.T) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(3, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// records are batches of n records for each of the partitions, named prefix-partition-i.
func records(t *testing.T, prefix string, n, perBatch int, partitions ...int32) map[Partition][]batch.Batch {
	t.Helper()
	out := make(map[Partition][]batch.Batch)
	for _, p := range partitions {
		for i := 0; i < n; i += perBatch {
			b := batch.Builder{Limit: 1 << 20}
			for j := i; j < min(n, i+perBatch); j++ {
				if err := b.Add(j, &batch.Record{Value: fmt.Appendf(nil, "%s-%d-%d", prefix, p, j)}); err != nil {
					t.Fatal(err)
				}
			}
			at := Partition{topic, p}
			out[at] = append(out[at], b.Batches()...)
		}
	}
	return out
}

func write(t *testing.T, p *Producer, batches map[Partition][]batch.Batch) error {
	return p.Write(t.Context(), slices.Collect(maps.Keys(batches)), func() (map[Partition][]batch.Batch, error) { return batches, nil })
}

// committed reads n committed records, and looks for more for a moment.
func committed(t *testing.T, brokers []string, n int) map[string]int {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	got := make(map[string]int)
	for wait := time.Minute; ; {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		f := client.PollFetches(ctx)
		cancel()
		if f.Empty() {
			return got
		}
		f.EachRecord(func(r *kgo.Record) { got[string(r.Value)]++ })
		if len(got) >= n {
			wait = 300 * time.Millisecond
		}
	}
}

func exactly(t *testing.T, got map[string]int, prefix string, n int, partitions ...int32) {
	t.Helper()
	for _, p := range partitions {
		for i := range n {
			if key := fmt.Sprintf("%s-%d-%d", prefix, p, i); got[key] != 1 {
				t.Errorf("record %s: %d copies, want 1", key, got[key])
			}
		}
	}
	if want := n * len(partitions); len(got) != want {
		t.Errorf("%d records, want %d", len(got), want)
	}
}

func TestCommittedIsThereAbortedIsNot(t *testing.T) {
	c := fake(t)
	p := producer(t, c.ListenAddrs(), "x")
	if err := write(t, p, records(t, "aborted", 10, 3, 0, 1)); err != nil {
		t.Fatal(err)
	}
	epoch := p.epoch
	p.state = failed
	if err := p.Settle(t.Context()); err != nil || p.epoch == epoch {
		t.Fatalf("%v; epoch %d after %d, want a new one", err, p.epoch, epoch)
	}
	if err := write(t, p, records(t, "committed", 20, 7, 0, 1, 2)); err != nil {
		t.Fatal(err)
	}
	if err := p.Commit(t.Context()); err != nil || !p.Ready() {
		t.Fatal(err)
	}
	exactly(t, committed(t, c.ListenAddrs(), 60), "committed", 20, 0, 1, 2)
}

// A leader that moves, also between two batches of a partition, is followed.
func TestLeadersMoveWhileItWrites(t *testing.T) {
	c := fake(t)
	p := producer(t, c.ListenAddrs(), "x")
	produced := 0
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if produced++; produced%2 == 0 && produced < 12 {
			go c.MoveTopicPartition(topic, int32(produced%3), int32(produced/2%3))
		}
		return nil, nil, false
	})
	if err := write(t, p, records(t, "moved", 60, 10, 0, 1, 2)); err != nil {
		t.Fatal(err)
	}
	if err := p.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	exactly(t, committed(t, c.ListenAddrs(), 180), "moved", 60, 0, 1, 2)
}

func TestMisuseIsAnError(t *testing.T) {
	c := fake(t)
	p := New(wire.New(wire.Config{Brokers: c.ListenAddrs()}), "x")
	t.Cleanup(p.cluster.Close)
	if err := write(t, p, nil); err == nil || p.Owns() {
		t.Error("a producer that owns nothing writes")
	}
	if err := p.Settle(t.Context()); !errors.Is(err, ErrLost) {
		t.Errorf("settle: %v, want ErrLost", err)
	}
	if err := p.TakeOver(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Commit(t.Context()); err == nil {
		t.Error("a commit of nothing")
	}
	if err := p.Settle(t.Context()); err != nil {
		t.Errorf("settle with nothing open: %v", err)
	}
}

func TestSuccessorFences(t *testing.T) {
	c := fake(t)
	old := producer(t, c.ListenAddrs(), "x")
	if err := write(t, old, records(t, "old", 5, 5, 0)); err != nil {
		t.Fatal(err)
	}
	next := producer(t, c.ListenAddrs(), "x")
	if err := old.Commit(t.Context()); !errors.Is(err, ErrLost) || old.Owns() {
		t.Errorf("commit by the old one: %v, want ErrLost", err)
	}
	if err := write(t, next, records(t, "next", 5, 5, 0)); err != nil {
		t.Fatal(err)
	}
	if err := next.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	exactly(t, committed(t, c.ListenAddrs(), 5), "next", 5, 0)
}

// A commit that does not arrive, or is not answered, is repeated.
func TestUnansweredCommitIsRepeated(t *testing.T) {
	c := fake(t)
	p := producer(t, c.ListenAddrs(), "x")
	if err := write(t, p, records(t, "r", 5, 5, 0)); err != nil {
		t.Fatal(err)
	}
	c.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, errors.New("hang up"), true })
	if err := p.Commit(t.Context()); err == nil || !p.Committing() {
		t.Fatalf("commit: %v, want no answer", err)
	}
	if err := p.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	exactly(t, committed(t, c.ListenAddrs(), 5), "r", 5, 0)
}

func TestProbeHasNoEffect(t *testing.T) {
	c := fake(t)
	p := producer(t, c.ListenAddrs(), "x")
	if err := write(t, p, records(t, "r", 5, 5, 0)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"x", "nobody"} {
		if err := Probe(t.Context(), p.cluster, id, topic); err != nil {
			t.Errorf("probe %s: %v", id, err)
		}
	}
	if err := p.Commit(t.Context()); err != nil {
		t.Errorf("commit after a probe: %v", err)
	}
	exactly(t, committed(t, c.ListenAddrs(), 5), "r", 5, 0)
}

// Sequence numbers go round on a real broker; the fake has another idea of it.
func TestSequencesGoRoundOnServer(t *testing.T) {
	testserver.Require(t)
	k := testserver.StartKafka(t, testserver.KafkaOptions{})
	k.Topic(topic, 1)
	p := producer(t, k.Brokers, "x")
	p.sequences[Partition{topic, 0}] = math.MaxInt32 - 7
	for i := range 4 { // 5 records each: across the end in the second
		if err := write(t, p, records(t, fmt.Sprint("t", i), 5, 5, 0)); err != nil {
			t.Fatalf("transaction %d: %v", i, err)
		}
		if err := p.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if next := p.sequences[Partition{topic, 0}]; next != 12 {
		t.Errorf("next sequence %d, want 12", next)
	}
	if got := committed(t, k.Brokers, 20); len(got) != 20 {
		t.Errorf("%d records, want 20", len(got))
	}
}
