package kafka

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
	"auditlog-connector/sinks"
	"auditlog-connector/sinks/sinktest"
)

// env is what a lane's sink is opened with.
func env(lane string) sinks.Env {
	source, name, _ := strings.Cut(lane, "/")
	return sinks.Env{Source: source, Sink: name, Lane: lane, Logger: slog.New(slog.DiscardHandler)}
}

// testConfig is the configuration of most tests.
func testConfig(brokers []string, topic string) *Config {
	return &Config{
		Brokers: brokers, Topic: topic, CreateTopics: true, Key: "event_id", Format: "avro", Schema: "normalized", Compression: "zstd",
		TransactionalIDPrefix: "connector",
	}
}

func open(t testing.TB, c *Config, lane string, dial dialer) *sink {
	t.Helper()
	s, err := newSinkOver(c, env(lane), dial)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// harness describes a cluster to the suite; faults are about requests of one kind.
func harness(t *testing.T, c *Config, kind int16) sinktest.Harness {
	n := new(network)
	r := newReader(t, c.Brokers, c.Topic)
	return sinktest.Harness{
		Open:     func(t *testing.T, lane string) pipeline.Sink { return open(t, c, lane, n.dial) },
		Kill:     func(_ *testing.T, s pipeline.Sink) { s.(*sink).cluster.Close() },
		Contents: func(t *testing.T) map[string]int { return r.contents(t) },
		Inject: func(t *testing.T, f sinktest.Fault, cancel func()) (func(), bool) {
			if f == sinktest.Throttled {
				return nil, false // Kafka never refuses for that reason; it answers, and asks to wait
			}
			return n.arm(t, kind, f, cancel), true
		},
		Refused: func(r *pipeline.Record) {
			r.Audit.Raw = incompressible(2 << 20)
			*r = sinktest.Encoded(r.Event)
		},
		Raw: func(t *testing.T, source, id string) []byte {
			r.contents(t)
			r.mu.Lock()
			defer r.mu.Unlock()
			avro, err := schemas.CutSingle(r.values[source+"/"+id])
			if err != nil {
				t.Errorf("value of %q: %v", id, err)
				return nil
			}
			var e schemas.AuditEvent
			if e, err = schemas.Decode(avro); err != nil {
				t.Errorf("value of %q: %v", id, err)
			}
			return e.Raw
		},
		Large:     6000,
		Guarantee: pipeline.ExactlyOnce,
		Resolves:  true,
		Members:   true,
		Claims:    true,
	}
}

// incompressible returns bytes that no codec makes smaller, the same each time.
func incompressible(n int) []byte {
	b := make([]byte, n)
	x := uint64(1)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return b
}

func fake(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3), kfake.DefaultNumPartitions(4)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestSuiteOnFake(t *testing.T) {
	for name, kind := range map[string]int16{"produce": apiProduce, "commit": apiEndTxn, "add partitions": apiAddPartitions} {
		t.Run(name, func(t *testing.T) {
			c := fake(t)
			h := harness(t, testConfig(c.ListenAddrs(), "audit"), kind)
			h.Break = func(*testing.T) func() { return refuse(c) }
			sinktest.Run(t, h)
		})
	}
}

// refuse makes the fake deny the transactional id to everybody, until it is repaired.
func refuse(c *kfake.Cluster) (repair func()) {
	broken := true
	c.ControlKey(int16(kmsg.InitProducerID), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if !broken {
			return nil, nil, false
		}
		c.KeepControl()
		res := req.ResponseKind().(*kmsg.InitProducerIDResponse)
		res.ErrorCode = 53
		return res, nil, true
	})
	return func() { broken = false }
}
