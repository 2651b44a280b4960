package kafka

import (
	"testing"

	"auditlog-connector/internal/testserver"
	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/sinktest"
)

// TestSuiteOnServer runs the suite on Apache Kafka: on one node of the newest release
// with faults of each kind of request, on one of the oldest, and on three nodes.
func TestSuiteOnServer(t *testing.T) {
	testserver.Require(t)
	kinds := map[string]int16{"produce": apiProduce, "commit": apiEndTxn, "add partitions": apiAddPartitions}
	for _, version := range testserver.KafkaVersions {
		t.Run(version, func(t *testing.T) {
			k := testserver.StartKafka(t, testserver.KafkaOptions{Version: version})
			for name, kind := range kinds {
				if version != testserver.KafkaVersions[0] && kind != apiProduce {
					continue
				}
				t.Run(name, func(t *testing.T) { onServer(t, k, "audit-"+name[:3], kind) })
			}
		})
	}
	t.Run("three nodes", func(t *testing.T) {
		onServer(t, testserver.StartKafka(t, testserver.KafkaOptions{Nodes: 3}), "audit", apiProduce)
	})
}

func onServer(t *testing.T, k *testserver.Kafka, topic string, kind int16) {
	c := testConfig(k.Brokers, topic)
	h := harness(t, c, kind)
	h.Break = func(t *testing.T) func() {
		set := func(policy string) {
			if out, err := k.Tool("configs", "--alter", "--entity-type", "topics", "--entity-name", c.markerTopic(), "--add-config", "cleanup.policy="+policy); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		set("delete")
		return func() { set("compact") }
	}
	h.Guarantee = pipeline.ExactlyOnce
	sinktest.Run(t, h)
}
