package testserver

import (
	"strings"
	"testing"
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
			k.Kill(1)
			k.Up(1)
			if out, err = k.Tool("topics", "--describe", "--topic", "one"); err != nil || !strings.Contains(out, "PartitionCount: 3") {
				t.Errorf("describe after a power cut: %v\n%s", err, out)
			}
		})
	}
}
