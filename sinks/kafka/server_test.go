package kafka

import (
	"testing"

	"auditlog-connector/internal/testserver"
	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/sinktest"
)

// TestOneNode runs what one node of the newest release is enough for, behind a proxy
// that lies when it is told to.
func TestOneNode(t *testing.T) {
	testserver.Require(t)
	proxy := testserver.NewKafkaProxy(t)
	k := testserver.StartKafka(t, testserver.KafkaOptions{Advertise: func(int, string) string { return proxy.Addr }})
	proxy.Serve(k.Listener(1))
	for name, kind := range map[string]int16{"produce": apiProduce, "commit": apiEndTxn, "add partitions": apiAddPartitions} {
		t.Run("suite, faults of "+name, func(t *testing.T) { suiteOnServer(t, k, "suite-"+name[:3], kind) })
	}
	t.Run("conditions", func(t *testing.T) { conditions(t, k) })
	t.Run("hanging transactions are found", func(t *testing.T) { hangingIsFound(t, k) })
	t.Run("network lies", func(t *testing.T) { networkLies(t, k, proxy) })
}

// TestOldestRelease runs the suite on the oldest release that is promised and tried.
func TestOldestRelease(t *testing.T) {
	testserver.Require(t)
	oldest := testserver.KafkaVersions[len(testserver.KafkaVersions)-1]
	suiteOnServer(t, testserver.StartKafka(t, testserver.KafkaOptions{Version: oldest}), "audit", apiProduce)
}

// TestThreeNodes runs the suite on three nodes, and then takes nodes away.
func TestThreeNodes(t *testing.T) {
	testserver.Require(t)
	k := testserver.StartKafka(t, testserver.KafkaOptions{Nodes: 3, Settings: map[string]string{
		// A node that is gone is noticed sooner than by default.
		"broker.session.timeout.ms": "4000", "broker.heartbeat.interval.ms": "500",
	}})
	t.Run("suite", func(t *testing.T) { suiteOnServer(t, k, "suite", apiProduce) })
	t.Run("too few replicas", func(t *testing.T) { tooFewReplicas(t, k) })
	t.Run("brokers are killed", func(t *testing.T) { brokersAreKilled(t, k) })
}

func suiteOnServer(t *testing.T, k *testserver.Kafka, topic string, kind int16) {
	c := testConfig(k.Brokers, topic)
	h := harness(t, c, kind)
	h.Break = func(t *testing.T) func() {
		set := func(policy string) { alter(t, k, "topics", c.markerTopic(), "cleanup.policy="+policy) }
		set("delete")
		return func() { set("compact") }
	}
	h.Guarantee = pipeline.ExactlyOnce
	sinktest.Run(t, h)
}

// alter sets a setting of a topic, or of a client, as an operator does.
func alter(t *testing.T, k *testserver.Kafka, kind, name, setting string) {
	t.Helper()
	tool(t, k, "configs", "--alter", "--entity-type", kind, "--entity-name", name, "--add-config", setting)
}

func tool(t *testing.T, k *testserver.Kafka, name string, args ...string) string {
	t.Helper()
	out, err := k.Tool(name, args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return out
}
