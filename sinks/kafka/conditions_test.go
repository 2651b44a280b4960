package kafka

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kversion"

	"auditlog-connector/internal/testserver"
	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/kafka/internal/wire"
	"auditlog-connector/sinks/sinktest"
)

// settle does what the pipeline does with a batch, and returns its last answer.
func settle(t *testing.T, s *sink, b pipeline.Batch) (err error) {
	t.Helper()
	var rejected *pipeline.RejectedError
	doubt := false
	for range 40 {
		if doubt {
			out, err := s.Resolve(t.Context(), b.Manifest)
			if out == pipeline.OutcomeCommitted {
				return err
			}
			if err != nil && (pipeline.IsPermanent(err) || errors.Is(err, pipeline.ErrFenced)) {
				return err
			}
			if err != nil {
				time.Sleep(300 * time.Millisecond)
				continue
			}
		}
		err = s.Deliver(t.Context(), b)
		if err == nil || pipeline.IsPermanent(err) || errors.Is(err, pipeline.ErrFenced) || errors.As(err, &rejected) {
			return err
		}
		doubt = true
	}
	return fmt.Errorf("still in doubt: %w", err)
}

// once checks that a topic has each event of the batches once, and nothing else.
func once(t *testing.T, r *reader, batches ...pipeline.Batch) {
	t.Helper()
	got, want := r.contents(t), 0
	for _, b := range batches {
		for _, rec := range b.Records {
			want++
			if got[rec.ID] != 1 {
				t.Errorf("event %s: %d copies, want 1", rec.ID, got[rec.ID])
			}
		}
	}
	if len(got) != want {
		t.Errorf("%d events, want %d", len(got), want)
	}
}

// conditions meets what operators do to topics: each is an error that says the way
// out, and nothing is lost or there twice after it was taken.
func conditions(t *testing.T, k *testserver.Kafka) {
	set := func(t *testing.T, topic, setting string) { t.Helper(); alter(t, k, "topics", topic, setting) }
	start := func(t *testing.T, topic string) (*sink, *reader, string) {
		lane := "acme/" + topic
		s := open(t, testConfig(k.Brokers, topic), lane, nil)
		t.Cleanup(func() { s.Close() })
		claim(t, s, 1)
		return s, newReader(t, k.Brokers, topic), lane
	}
	t.Run("the limit was lowered while the connector runs", func(t *testing.T) {
		s, r, lane := start(t, "lowered")
		s.config.Compression = "none"
		first := batchOf(lane, 1, 100)
		if err := settle(t, s, first); err != nil {
			t.Fatal(err)
		}
		set(t, "lowered", "max.message.bytes=6000")
		second := batchOf(lane, 2, 100)
		if err := settle(t, s, second); err != nil {
			t.Fatal(err)
		}
		third := batchOf(lane, 3, 10)
		third.Records[4].Audit.Raw = incompressible(10_000)
		third.Records[4] = sinktest.Encoded(third.Records[4].Event)
		var rejected *pipeline.RejectedError
		if err := settle(t, s, third); !errors.As(err, &rejected) || len(rejected.Records) != 1 || rejected.Records[4] == nil ||
			!strings.Contains(rejected.Error(), "max.message.bytes") {
			t.Fatalf("%v, want record 4 rejected", err)
		}
		third.Records = append(third.Records[:4:4], third.Records[5:]...)
		once(t, r, first, second, third)
	})
	t.Run("a record in the future", func(t *testing.T) {
		s, r, lane := start(t, "future")
		set(t, "future", "message.timestamp.after.max.ms=3600000")
		b := batchOf(lane, 1, 5)
		b.Records[3] = sinktest.Record("acme", "future-one", time.Now().AddDate(1, 0, 0))
		b.Members[3] = b.Records[3].Position
		var rejected *pipeline.RejectedError
		if err := settle(t, s, b); !errors.As(err, &rejected) || len(rejected.Records) != 1 || rejected.Records[3] == nil {
			t.Fatalf("%v, want record 3 rejected", err)
		}
		b.Records = append(b.Records[:3:3], b.Records[4])
		once(t, r, b)
	})
	t.Run("deleted and made again with fewer partitions", func(t *testing.T) {
		s, _, lane := start(t, "again")
		if err := settle(t, s, batchOf(lane, 1, 50)); err != nil {
			t.Fatal(err)
		}
		tool(t, k, "topics", "--delete", "--topic", "again")
		k.Topic("again", 2)
		second := batchOf(lane, 2, 50)
		if err := settle(t, s, second); err != nil {
			t.Fatal(err)
		}
		once(t, newReader(t, k.Brokers, "again"), second)
	})
	t.Run("deleted", func(t *testing.T) {
		s, _, lane := start(t, "gone")
		tool(t, k, "topics", "--delete", "--topic", "gone")
		s.cluster.Forget()
		err := s.Deliver(t.Context(), batchOf(lane, 1, 5))
		refusedWith(t, err, errDown, "topic gone", "kafka-topics", "--create --topic gone")
	})
	t.Run("the marker topic is not compacted", func(t *testing.T) {
		_, _, _ = start(t, "marked")
		set(t, "marked-connector", "cleanup.policy=delete")
		c := testConfig(k.Brokers, "marked")
		err := claimed(t, c, "acme/marked")
		refusedWith(t, err, nil, "cleanup.policy=delete", "kafka-configs", "--topic marked-connector --add-config cleanup.policy=compact")
		s := open(t, c, "acme/marked", nil)
		defer s.Close()
		if f := findingOf(s.Check(t.Context()), "marker topic"); f.Status != "fail" || !strings.Contains(f.Detail, "compact") {
			t.Errorf("check: %+v", f)
		}
	})
	t.Run("no such topic", func(t *testing.T) {
		c := testConfig(k.Brokers, "absent")
		c.CreateTopics = false
		refusedWith(t, claimed(t, c, "acme/absent"), nil, "topic absent does not exist", "kafka-topics --bootstrap-server", "create_topics")
		s := open(t, c, "acme/absent", nil)
		defer s.Close()
		if f := findingOf(s.Check(t.Context()), "topic"); f.Status != "fail" || !strings.Contains(f.Hint, "kafka-topics") {
			t.Errorf("check: %+v", f)
		}
	})
	t.Run("a quota", func(t *testing.T) { quota(t, k) })
}

// quota delivers more than a quota allows: the broker asks for pauses, and gets them.
func quota(t *testing.T, k *testserver.Kafka) {
	const lane = "acme/quota"
	c := testConfig(k.Brokers, "quota")
	c.Compression = "none"
	n := new(network)
	s := open(t, c, lane, n.dial)
	t.Cleanup(func() { s.Close() })
	claim(t, s, 1)
	alter(t, k, "clients", "auditlog-connector", "producer_byte_rate=100000")
	t.Cleanup(func() {
		_, _ = k.Tool("configs", "--alter", "--entity-type", "clients", "--entity-name", "auditlog-connector", "--delete-config", "producer_byte_rate")
	})
	var all []pipeline.Batch
	deliver := func(records int) {
		t.Helper()
		b := batchOf(lane, uint64(len(all)+1), records)
		if err := settle(t, s, b); err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	for len(all) < 50 && n.throttled() == 0 {
		deliver(100) // about 85 kB; the quota is an average over some seconds
	}
	deliver(5) // after the pause
	once(t, newReader(t, k.Brokers, "quota"), all...)
	if n.throttled() == 0 {
		t.Fatalf("none of %d requests was throttled", len(n.produced))
	}
	for i, p := range n.produced[:len(n.produced)-1] {
		if pause := n.produced[i+1].sent.Sub(p.answered); pause < p.throttle {
			t.Errorf("request %d: the broker asked for %s, the next one came after %s", i, p.throttle, pause)
		}
		if p.throttle > 0 {
			t.Logf("request %d of %d was throttled: a pause of %s was asked for", i, len(n.produced), p.throttle)
		}
	}
}

func TestReleases(t *testing.T) {
	for _, c := range []struct {
		release  *kversion.Versions
		old, bad bool
	}{
		{kversion.V2_4_0(), true, true}, {kversion.V2_8_0(), true, false}, {kversion.V3_6_0(), true, false}, {kversion.V3_7_0(), false, false}, {kversion.V4_0_0(), false, false},
	} {
		v := make(wire.Versions)
		c.release.EachMaxKeyVersion(func(key, version int16) { v[protocol.ApiKey(key)] = version })
		old, err := release(v)
		if old != c.old || (err != nil) != c.bad {
			t.Errorf("%s: older than the promise %v, %v", c.release.VersionGuess(), old, err)
		}
		if err != nil && (!pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "Kafka 3.7")) {
			t.Error(err)
		}
	}
}
