package testserver

import (
	"strings"
	"testing"
	"time"
)

func TestKafkaStartsAndRunsItsTools(t *testing.T) {
	Require(t)
	for _, version := range KafkaVersions {
		t.Run(version, func(t *testing.T) {
			k := StartKafka(t, KafkaOptions{Version: version})
			k.Topic("one", 3)
			out, err := k.Tool("topics", "--describe", "--topic", "one")
			if err != nil || !strings.Contains(out, "PartitionCount: 3") {
				t.Errorf("describe: %v\n%s", err, out)
			}
			k.Node(1).Kill()
			k.Up(1)
			if got, err := k.Consume(time.Second, "one"); err != nil || len(got) > 0 {
				t.Errorf("consume: %v, %v, want nothing", got, err)
			}
		})
	}
}
