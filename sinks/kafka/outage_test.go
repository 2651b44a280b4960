package kafka

import (
	"context"
	"fmt"
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
	want := 0
	for _, b := range batches {
		want += len(b.Records)
	}
	records, err := k.ConsumeAll(want, topic)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "console consumer", records)
	t.Run("kcat", func(t *testing.T) { compare(t, "kcat", k.Kcat(t, topic)) })
}

// brokersAreKilled kills the coordinator, the leader of a partition, and all of three
// brokers at once, while two lanes deliver; they are started again on what they left.
func brokersAreKilled(t *testing.T, k *testserver.Kafka) {
	c := testConfig(k.Brokers, "killed")
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
	began := time.Now()
	step := func(what string) {
		t.Logf("%6.1f s, %d batches: %s", time.Since(began).Seconds(), delivered.Load(), what)
	}
	await(4)

	watcher := open(t, c, "acme/watcher", nil)
	defer watcher.Close()
	coordinator, err := watcher.cluster.Coordinator(t.Context(), "connector.acme.one")
	if err != nil {
		t.Fatal(err)
	}
	step(fmt.Sprintf("kill node %d, the coordinator", coordinator))
	k.Kill(int(coordinator))
	await(delivered.Load() + 4) // two brokers of three go on
	step("start it")
	k.Up(int(coordinator))

	watcher.cluster.Forget()
	topic, err := watcher.cluster.Topic(t.Context(), c.Topic)
	if err != nil {
		t.Fatal(err)
	}
	leader := topic.Leaders[0]
	step(fmt.Sprintf("kill node %d, the leader of partition 0", leader))
	k.Kill(int(leader))
	await(delivered.Load() + 4)
	step("start it")
	k.Up(int(leader))

	step("kill all")
	k.Kill(1, 2, 3)
	k.Up(1, 2, 3)
	step("all are up")
	await(delivered.Load() + 4)
	stop.Store(true)
	var all []pipeline.Batch
	for range lanes {
		all = append(all, <-results...)
	}
	step("read")
	foreigners(t, k, c.Topic, all)
	noHanging(t, k)
	step("done")
}

// tooFewReplicas takes a node away from topics that want all three. Each step waits
// for an answer that says what is wrong, and nothing is lost.
func tooFewReplicas(t *testing.T, k *testserver.Kafka) {
	const topic, lane, log = "insync", "acme/insync", "__transaction_state"
	k.Topic(topic, 2, "min.insync.replicas=3")
	s := open(t, testConfig(k.Brokers, topic), lane, nil)
	defer s.Close()
	claim(t, s, 1)
	first, b := batchOf(lane, 1, 5), batchOf(lane, 2, 5)
	if err := settle(t, s, first); err != nil {
		t.Fatal(err)
	}
	r := newReader(t, k.Brokers, topic)
	once(t, r, first)
	// A transaction in the marker topic alone, which is content with two: it begins when
	// the coordinator has heard that the one before is finished. A node that dies before
	// it says so leaves a partition where it cannot be finished again.
	claim(t, s, 2)
	// One that is not the coordinator: its successor would have to finish what it has
	// not written down, and the topic would never be asked.
	coordinator, err := s.cluster.Coordinator(t.Context(), s.id)
	if err != nil {
		t.Fatal(err)
	}
	gone := int(coordinator)%3 + 1
	k.Kill(gone)
	await := func(topic string, partitions int) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; {
			out := tool(t, k, "topics", "--describe", "--topic", topic, "--under-min-isr-partitions")
			if strings.Count(out, "Partition: ") == partitions {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%d partitions under their minimum are wanted:\n%s", partitions, out)
			}
		}
	}
	await(topic, 2)
	briefly := func(f func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		return f(ctx)
	}
	deliver := func(ctx context.Context) error { return s.Deliver(ctx, b) }
	resolve := func(ctx context.Context) error {
		out, err := s.Resolve(ctx, b.Manifest)
		if err == nil && out != pipeline.OutcomeAbsent {
			t.Errorf("%v, and nobody took it", out)
		}
		return err
	}
	// Connections to the broker that is gone would only show that it is.
	s.cluster.Close()
	s.cluster.Forget()

	// The leader refuses the records, once the marker topic has a leader again.
	for range 10 {
		if err = briefly(deliver); err == nil || strings.Contains(err.Error(), "NOT_ENOUGH_REPLICAS [19]") {
			break
		}
		t.Log(err)
	}
	refusedWith(t, err, errDown, "NOT_ENOUGH_REPLICAS [19]", "min.insync.replicas", "start the missing brokers")
	// The transaction cannot be aborted either: that is a record in the partition too.
	refusedWith(t, briefly(resolve), errDown, "CONCURRENT_TRANSACTIONS [51]", "min.insync.replicas of insync", "start the missing brokers")
	// The topic is content, and the coordinator's own log is not.
	alter(t, k, "topics", topic, "min.insync.replicas=1")
	if err := resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	alter(t, k, "topics", log, "min.insync.replicas=3")
	await(log, 4)
	refusedWith(t, briefly(deliver), errDown, "COORDINATOR_NOT_AVAILABLE [15]", "__transaction_state", "start the missing brokers")

	k.Up(gone)
	if err := settle(t, s, b); err != nil {
		t.Fatal(err)
	}
	once(t, r, first, b)
	alter(t, k, "topics", log, "min.insync.replicas=2")
}

// networkLies delivers through a proxy that drops requests, answers them to nobody,
// is late with them, or sends them twice: a tenth of all, decided by hash.
func networkLies(t *testing.T, k *testserver.Kafka, proxy *testserver.KafkaProxy) {
	c := testConfig([]string{proxy.Addr}, "lies")
	const lane = "acme/lies"
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
	foreigners(t, k, c.Topic, all)
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
