package kafka

import (
	"hash/fnv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"auditlog-connector/internal/testserver"
	"auditlog-connector/pipeline"
)

// foreigners compares what Kafka's own consumer and librdkafka read with what was
// delivered.
func foreigners(t *testing.T, k *testserver.Kafka, topic string, batches []pipeline.Batch) {
	t.Helper()
	compare := func(t *testing.T, who string, records []testserver.ConsumedRecord) {
		got := make(map[string]int)
		for _, r := range records {
			got[r.Headers["event_id"]]++
		}
		want := 0
		for _, b := range batches {
			for _, r := range b.Records {
				want++
				if n := got[r.ID]; n != 1 {
					t.Errorf("%s: event %s: %d copies, want 1", who, r.ID, n)
				}
			}
		}
		if len(got) != want {
			t.Errorf("%s: %d events, want %d", who, len(got), want)
		}
	}
	records, err := k.Consume(20*time.Second, topic)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "console consumer", records)
	t.Run("kcat", func(t *testing.T) { compare(t, "kcat", k.Kcat(t, topic)) })
}

// noHanging asks Kafka's own tool for transactions that nobody ends.
func noHanging(t *testing.T, k *testserver.Kafka) {
	t.Helper()
	for id := range k.Options.Nodes {
		out, err := k.Tool("transactions", "find-hanging", "--broker-id", string(rune('1'+id)), "--max-transaction-timeout", "1")
		if lines := strings.Split(strings.TrimSpace(out), "\n"); err != nil || len(lines) > 1 {
			t.Errorf("hanging transactions: %v\n%s", err, out)
		}
	}
}

// TestBrokersAreKilled kills each of three brokers in turn, leaders and coordinator
// among them, while two lanes deliver; they are started again on what they left.
func TestBrokersAreKilled(t *testing.T) {
	testserver.Require(t)
	k := testserver.StartKafka(t, testserver.KafkaOptions{Nodes: 3})
	c := testConfig(k.Brokers, "audit")
	lanes := []string{"acme/one", "acme/two"}
	var stop atomic.Bool
	var delivered atomic.Int64
	results := make(chan []pipeline.Batch, len(lanes))
	for _, lane := range lanes {
		s := open(t, c, lane, nil)
		t.Cleanup(func() { s.Close() })
		claim(t, s, 1)
		go func() {
			var all []pipeline.Batch
			for seq := uint64(1); !stop.Load() && !t.Failed(); seq++ {
				b := batchOf(lane, seq, 50)
				if err := settle(t, s, b); err != nil {
					t.Errorf("batch %d of %s: %v", seq, lane, err)
					break
				}
				delivered.Add(1)
				all = append(all, b)
			}
			results <- all
		}()
	}
	await := func(n int64) {
		t.Helper()
		for end := time.Now().Add(2 * time.Minute); delivered.Load() < n; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) || t.Failed() {
				t.Fatalf("%d batches delivered, want %d", delivered.Load(), n)
			}
		}
	}
	await(4)
	for id := 1; id <= 3; id++ {
		k.Node(id).Kill()
		await(delivered.Load() + 4) // two brokers of three go on
		k.Up(id)
		await(delivered.Load() + 2)
	}
	stop.Store(true)
	var all []pipeline.Batch
	for range lanes {
		all = append(all, <-results...)
	}
	t.Logf("%d batches", len(all))
	foreigners(t, k, "audit", all)
	noHanging(t, k)
}

// TestTooFewReplicas delivers to a topic that wants all three brokers while one is gone.
func TestTooFewReplicas(t *testing.T) {
	testserver.Require(t)
	k := testserver.StartKafka(t, testserver.KafkaOptions{Nodes: 3})
	k.Topic("insync", 2, "min.insync.replicas=3")
	const lane = "acme/insync"
	s := open(t, testConfig(k.Brokers, "insync"), lane, nil)
	defer s.Close()
	claim(t, s, 1)
	first, b := batchOf(lane, 1, 5), batchOf(lane, 2, 5)
	if err := settle(t, s, first); err != nil {
		t.Fatal(err)
	}
	r := newReader(t, k.Brokers, "insync")
	once(t, r, first) // so that its transaction is finished everywhere
	k.Node(2).Kill()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Second) {
		out, err := k.Tool("topics", "--describe", "--topic", "insync", "--under-min-isr-partitions")
		if err == nil && strings.Count(out, "Partition: ") == 2 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the replica is still in sync: %v\n%s", err, out)
		}
	}
	// Connections to the broker that is gone would only show that it is.
	s.cluster.Close()
	s.cluster.Forget()
	// The leader refuses, or the coordinator cannot finish a transaction.
	refusedWith(t, s.Deliver(t.Context(), b), errDown, "min.insync.replicas")
	k.Up(2)
	if err := settle(t, s, b); err != nil {
		t.Fatal(err)
	}
	once(t, r, first, b)
}

// TestNetworkLies delivers through a proxy that drops requests, answers them to
// nobody, is late with them, or sends them twice: a tenth of all, decided by hash.
func TestNetworkLies(t *testing.T) {
	testserver.Require(t)
	proxy := testserver.NewKafkaProxy(t)
	k := testserver.StartKafka(t, testserver.KafkaOptions{Advertise: func(int, string) string { return proxy.Addr }})
	proxy.Serve(k.Listener(1))
	c := testConfig([]string{proxy.Addr}, "audit")
	const lane = "acme/stream"
	var fates [testserver.Twice + 1]atomic.Int64
	s := open(t, c, lane, nil)
	claim(t, s, 1)
	proxy.Judge(func(n int, api int16) testserver.Fate {
		h := fnv.New32a()
		h.Write([]byte{byte(n), byte(n >> 8), byte(api)})
		fate := testserver.Pass
		if x := h.Sum32() % 40; x < uint32(testserver.Twice) {
			fate = testserver.Fate(x + 1)
		}
		fates[fate].Add(1)
		return fate
	}, nil)
	var all []pipeline.Batch
	for seq := range uint64(60) {
		if seq%15 == 14 { // a new process, with whatever is on its way
			s.cluster.Close()
			s = open(t, c, lane, nil)
			if err := persist(func() error {
				return s.Claim(t.Context(), pipeline.Checkpoint{Epoch: "0a1b2c3d", Next: seq + 1, Start: pipeline.Earliest}, false)
			}); err != nil {
				t.Fatal(err)
			}
		}
		b := batchOf(lane, seq+1, 20)
		if err := settle(t, s, b); err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	s.Close()
	proxy.Judge(nil, nil)
	for fate := range fates {
		n := fates[fate].Load()
		t.Logf("fate %d: %d requests", fate, n)
		if n == 0 {
			t.Errorf("no request met fate %d: too kind", fate)
		}
	}
	foreigners(t, k, "audit", all)
	noHanging(t, k)
}

// persist tries again what may pass.
func persist(f func() error) (err error) {
	for range 20 {
		if err = f(); err == nil || pipeline.IsPermanent(err) {
			return err
		}
	}
	return err
}
