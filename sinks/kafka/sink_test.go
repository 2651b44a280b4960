package kafka

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.yaml.in/yaml/v3"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/kafka/internal/wire"
	"auditlog-connector/sinks/sinktest"
)

// answer makes the fake answer the next times requests of one kind with a code.
func answer(c *kfake.Cluster, key kmsg.Key, times int, code wire.Code) {
	c.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if times == 0 {
			c.DropControl()
			return nil, nil, false
		}
		times--
		c.KeepControl()
		switch res := req.ResponseKind().(type) {
		case *kmsg.EndTxnResponse:
			res.ErrorCode = int16(code)
			return res, nil, true
		case *kmsg.InitProducerIDResponse:
			res.ErrorCode = int16(code)
			return res, nil, true
		case *kmsg.AddPartitionsToTxnResponse:
			for _, t := range req.(*kmsg.AddPartitionsToTxnRequest).Topics {
				rt := kmsg.NewAddPartitionsToTxnResponseTopic()
				rt.Topic = t.Topic
				for _, p := range t.Partitions {
					rp := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
					rp.Partition, rp.ErrorCode = p, int16(code)
					rt.Partitions = append(rt.Partitions, rp)
				}
				res.Topics = append(res.Topics, rt)
			}
			return res, nil, true
		case *kmsg.ProduceResponse:
			for _, t := range req.(*kmsg.ProduceRequest).Topics {
				rt := kmsg.NewProduceResponseTopic()
				rt.Topic = t.Topic
				for _, p := range t.Partitions {
					rp := kmsg.NewProduceResponseTopicPartition()
					rp.Partition, rp.ErrorCode, rp.BaseOffset = p.Partition, int16(code), -1
					rt.Partitions = append(rt.Partitions, rp)
				}
				res.Topics = append(res.Topics, rt)
			}
			return res, nil, true
		}
		return nil, fmt.Errorf("no answer of kind %d", key), true
	})
}

// What a broker answers in the middle of a delivery: what passes is waited for, what
// does not leaves the batch in doubt or stops the lane, and in the end every event
// is there once.
func TestAnswersInTheMiddle(t *testing.T) {
	const passes, doubt, stops = "passes", "doubt", "stops"
	for _, tc := range []struct {
		key   kmsg.Key
		code  wire.Code
		times int
		want  string
	}{
		{kmsg.AddPartitionsToTxn, wire.ConcurrentTransactions, 7, passes},
		{kmsg.AddPartitionsToTxn, wire.NotCoordinator, 2, passes},
		{kmsg.AddPartitionsToTxn, wire.CoordinatorLoading, 2, passes},
		{kmsg.EndTxn, wire.ConcurrentTransactions, 3, passes},
		{kmsg.EndTxn, wire.CoordinatorNotAvailable, 2, passes},
		{kmsg.Produce, wire.NotLeader, 2, passes},
		{kmsg.Produce, wire.NotEnoughReplicas, 2, passes},
		{kmsg.Produce, wire.RequestTimedOut, 1, doubt},
		{kmsg.Produce, wire.NotEnoughAfterAppend, 1, doubt},
		{kmsg.Produce, wire.OutOfOrderSequence, 1, doubt},
		{kmsg.Produce, wire.DuplicateSequence, 1, doubt},
		{kmsg.Produce, wire.InvalidTxnState, 1, doubt},
		{kmsg.Produce, wire.CorruptMessage, 1, stops},
		{kmsg.AddPartitionsToTxn, wire.TopicAuthorization, 1, stops},
		{kmsg.AddPartitionsToTxn, wire.TransactionalIDAuthz, 1, stops},
		{kmsg.EndTxn, wire.TransactionalIDAuthz, 1, stops},
		// Nobody else has written a marker: the coordinator gave up waiting.
		{kmsg.EndTxn, wire.ProducerFenced, 1, doubt},
		{kmsg.EndTxn, wire.InvalidTxnState, 1, doubt},
		{kmsg.Produce, wire.InvalidProducerEpoch, 1, doubt},
		{kmsg.AddPartitionsToTxn, wire.InvalidProducerIDMapping, 1, doubt},
	} {
		t.Run(fmt.Sprintf("%s to %s", tc.code, tc.key.Name()), func(t *testing.T) {
			t.Parallel()
			c := fake(t)
			s := open(t, testConfig(c.ListenAddrs(), "audit"), "acme/stream", nil)
			t.Cleanup(func() { s.Close() })
			claim(t, s, 1)
			first, b := batchOf("acme/stream", 1, 20), batchOf("acme/stream", 2, 30)
			if err := s.Deliver(t.Context(), first); err != nil {
				t.Fatal(err)
			}
			answer(c, tc.key, tc.times, tc.code)
			err := s.Deliver(t.Context(), b)
			switch {
			case tc.want == passes && err != nil, tc.want != passes && err == nil:
				t.Fatalf("deliver: %v, want %s", err, tc.want)
			case tc.want == stops != pipeline.IsPermanent(err), errors.Is(err, pipeline.ErrFenced):
				t.Fatalf("deliver: %v, want %s", err, tc.want)
			}
			if err := settle(t, s, b); err != nil {
				t.Fatal(err)
			}
			once(t, newReader(t, c.ListenAddrs(), "audit"), first, b)
		})
	}
}

// Two connectors with one checkpoint: the second takes over, and the first stops for
// good, whatever it was about to do. It does not take the lane back.
func TestSuccessorFencesForGood(t *testing.T) {
	for name, inTheMiddle := range map[string]bool{"idle": false, "in the middle": true} {
		t.Run(name, func(t *testing.T) {
			c := fake(t)
			config := testConfig(c.ListenAddrs(), "audit")
			const lane = "acme/stream"
			old := open(t, config, lane, nil)
			t.Cleanup(func() { old.Close() })
			claim(t, old, 1)
			first, second, third := batchOf(lane, 1, 5), batchOf(lane, 2, 5), batchOf(lane, 3, 5)
			if err := old.Deliver(t.Context(), first); err != nil {
				t.Fatal(err)
			}
			if inTheMiddle {
				answer(c, kmsg.Produce, 1, wire.RequestTimedOut)
				if err := old.Deliver(t.Context(), second); err == nil {
					t.Fatal("delivered")
				}
			}
			next := open(t, config, lane, nil)
			t.Cleanup(func() { next.Close() })
			cp := pipeline.Checkpoint{Epoch: "0a1b2c3d", Next: 3, Last: 1, Prepared: &second.Manifest}
			if err := next.Claim(t.Context(), cp, false); err != nil {
				t.Fatal(err)
			}
			if err := settle(t, next, second); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if _, err := old.Resolve(t.Context(), second.Manifest); inTheMiddle && !errors.Is(err, pipeline.ErrFenced) {
					t.Errorf("resolve by the old one: %v, want ErrFenced", err)
				}
				if err := old.Deliver(t.Context(), batchOf(lane, 3, 7)); !errors.Is(err, pipeline.ErrFenced) {
					t.Errorf("deliver by the old one: %v, want ErrFenced", err)
				}
			}
			if err := next.Deliver(t.Context(), third); err != nil {
				t.Fatal(err)
			}
			once(t, newReader(t, config.Brokers, "audit"), first, second, third)
		})
	}
}

// A marker that is gone cannot say what became of a batch in doubt.
func TestLostMarkerWithABatchInDoubtIsNotGuessed(t *testing.T) {
	c := fake(t)
	s := open(t, testConfig(c.ListenAddrs(), "audit"), "acme/stream", nil)
	defer s.Close()
	m := batchOf("acme/stream", 7, 2).Manifest
	cp := pipeline.Checkpoint{Epoch: "0a1b2c3d", Next: 8, Last: 6, Prepared: &m}
	if err := s.Claim(t.Context(), cp, false); !errors.Is(err, pipeline.ErrInDoubt) || !strings.Contains(err.Error(), "checkpoint resolve --lane acme/stream") {
		t.Errorf("claim: %v, want ErrInDoubt", err)
	}
	cp.Prepared = nil
	if err := s.Claim(t.Context(), cp, false); err != nil {
		t.Errorf("claim with nothing in doubt: %v", err)
	}
}

func TestBatchInDoubtKeepsItsTopics(t *testing.T) {
	c := fake(t)
	config := testConfig(c.ListenAddrs(), "new")
	s := open(t, config, "acme/stream", nil)
	defer s.Close()
	claim(t, s, 2)
	b := batchOf("acme/stream", 1, 2)
	b.Place = "old/old-connector"
	_, err := s.Resolve(t.Context(), b.Manifest)
	for _, err := range []error{err, s.Deliver(t.Context(), b)} {
		refusedWith(t, err, nil, "old/old-connector", "new/new-connector", "checkpoint resolve")
	}
}

// What consumers hold on to: value, key, headers, time, and the marker.
func TestRecordsAsTheContractHasThem(t *testing.T) {
	for key, want := range map[string]string{"event_id": "e-1", "actor": "user-1", "project": "proj_1", "none": ""} {
		t.Run(key, func(t *testing.T) {
			c := fake(t)
			config := testConfig(c.ListenAddrs(), "audit")
			config.Key, config.Format = key, "json"
			s := open(t, config, "acme/stream", nil)
			defer s.Close()
			claim(t, s, 1)
			r := sinktest.Record("acme", "e-1", sinktest.Record("", "", pipeline.Earliest).Time)
			b := sinktest.Batch(pipeline.BatchID{Lane: "acme/stream", Epoch: "0a1b2c3d", Seq: 1}, []pipeline.Record{r})
			if err := s.Deliver(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			got := consume(t, config.Brokers, "audit", 1)[0]
			var value struct {
				EventID string `json:"event_id"`
			}
			if err := json.Unmarshal(got.Value, &value); err != nil || value.EventID != "e-1" {
				t.Errorf("value %s, %v", got.Value, err)
			}
			if string(got.Key) != want || (got.Key == nil) != (want == "") {
				t.Errorf("key %q, want %q", got.Key, want)
			}
			if id, kind, batch := header(got, "event_id"), header(got, "event_type"), header(got, "batch_id"); id != "e-1" || kind != "api_key.created" || batch != b.ID.String() {
				t.Errorf("headers %s, %s, %s", id, kind, batch)
			}
			if !got.Timestamp.Equal(pipeline.Earliest) {
				t.Errorf("time %s, want the event's", got.Timestamp)
			}
			// Claim's, and the batch's.
			marker := consume(t, config.Brokers, "audit-connector", 2)[1]
			var mk map[string]any
			if err := json.Unmarshal(marker.Value, &mk); err != nil || string(marker.Key) != "acme/stream" || marker.Partition != 0 {
				t.Errorf("marker %s = %s, %v", marker.Key, marker.Value, err)
			}
			if mk["epoch"] != "0a1b2c3d" || mk["seq"] != float64(1) || len(mk["digest"].(string)) != 64 || mk["watermarks"] == nil {
				t.Errorf("marker %v", mk)
			}
		})
	}
}

// consume returns the first n records of a topic.
func consume(t *testing.T, brokers []string, topic string, n int) (records []*kgo.Record) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for len(records) < n {
		f := client.PollFetches(t.Context())
		if err := f.Err(); err != nil {
			t.Fatal(err)
		}
		records = append(records, f.Records()...)
	}
	return records
}

// The fake does not look whether a transactional batch says whose it is; brokers do.
func TestProduceNamesItsTransaction(t *testing.T) {
	c := fake(t)
	s := open(t, testConfig(c.ListenAddrs(), "audit"), "acme/stream", nil)
	defer s.Close()
	seen := 0
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		p := req.(*kmsg.ProduceRequest)
		if seen++; p.TransactionID == nil || *p.TransactionID != "connector.acme.stream" || p.Acks != -1 {
			t.Errorf("transactional id %v, acks %d", p.TransactionID, p.Acks)
		}
		return nil, nil, false
	})
	claim(t, s, 1)
	if err := s.Deliver(t.Context(), batchOf("acme/stream", 1, 5)); err != nil || seen < 2 {
		t.Errorf("%v, %d requests", err, seen)
	}
}

func TestPartitionsAreThoseOfTheJavaClient(t *testing.T) {
	theirs := kafkago.Murmur2Balancer{Consistent: true}
	partitions := []int{0, 1, 2, 3, 4, 5, 6}
	for i := range 1000 {
		key := []byte(strings.Repeat("é", i%5) + fmt.Sprint("audit_log-", i*i))
		if got, want := partition(key, 0, 1, 7), theirs.Balance(kafkago.Message{Key: key}, partitions...); got != want {
			t.Fatalf("key %q: partition %d, want %d", key, got, want)
		}
	}
	spread := make(map[int]int)
	for i := range 100 {
		spread[partition(nil, i, 100, 4)]++
	}
	if len(spread) != 4 || spread[0] != 25 {
		t.Errorf("without keys: %v", spread)
	}
}

func TestConfiguration(t *testing.T) {
	for _, tc := range []struct{ yaml, want string }{
		{"{brokers: ['a:9092'], topic: audit}", ""},
		{"{brokers: ['a:9092'], topic: audit, tls: {}, sasl: {mechanism: aws-msk-iam}}", ""},
		{"{brokers: ['a:9092'], topic: audit, schema_registry: {url: 'https://registry.example.com'}}", ""},
		{"{topic: audit}", "brokers: is missing"},
		{"{brokers: [a], topic: audit}", `"a" is not host:port`},
		{"{brokers: ['a:9092']}", "topic: is missing"},
		{"{brokers: ['a:9092'], topic: a/b}", "is no name of a topic"},
		{"{brokers: ['a:9092'], topic: a, marker_topic: a}", "marker_topic: is the topic itself"},
		{"{brokers: ['a:9092'], topic: a, key: id}", `unknown value "id"`},
		{"{brokers: ['a:9092'], topic: a, format: xml}", `unknown value "xml"`},
		{"{brokers: ['a:9092'], topic: a, schema: xml}", `unknown schema "xml"`},
		{"{brokers: ['a:9092'], topic: a, compression: brotli}", `unknown value "brotli"`},
		{"{brokers: ['a:9092'], topic: a, sasl: {username: u}}", "sasl.mechanism: is missing"},
		{"{brokers: ['a:9092'], topic: a, sasl: {mechanism: plain}}", "needs username and password"},
		{"{brokers: ['a:9092'], topic: a, sasl: {mechanism: kerberos}}", `unknown value "kerberos"`},
		{"{brokers: ['a:9092'], topic: a, sasl: {mechanism: aws-msk-iam}}", "is needed for aws-msk-iam"},
		{"{brokers: ['a:9092'], topic: a, tls: {min_version: '1.0'}}", "min_version"},
		{"{brokers: ['a:9092'], topic: a, format: json, schema_registry: {url: 'http://r'}}", "is for format avro"},
		{"{brokers: ['a:9092'], topic: a, schema_registry: {url: r}}", "is no http:// or https:// address"},
		{"{brokers: ['a:9092'], topic: a, schema_registry: {url: 'http://r', subject_strategy: name}}", `unknown value "name"`},
		{"{brokers: ['a:9092'], topic: a, topics: b}", "topics"},
	} {
		var n yaml.Node
		if err := yaml.Unmarshal([]byte(tc.yaml), &n); err != nil {
			t.Fatal(err)
		}
		_, problems := Type.Decode(n.Content[0], "sinks[0].config", nil)
		var got []string
		for _, p := range problems {
			got = append(got, p.String())
		}
		if text := strings.Join(got, "\n"); tc.want == "" && text != "" || !strings.Contains(text, tc.want) {
			t.Errorf("%s: %q, want %q", tc.yaml, text, tc.want)
		}
	}
}
