package checkpoint_test

import (
	"path/filepath"
	"testing"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint"
	"auditlog-connector/pipeline/checkpoint/checkpointtest"
)

func TestFilePassesTheSuite(t *testing.T) {
	checkpointtest.Run(t, checkpointtest.Harness{OnDisk: true, Open: func(dir string) (pipeline.Store, error) {
		f, err := checkpoint.Open(filepath.Join(dir, "checkpoint.db"), checkpoint.WithLockWait(time.Millisecond))
		if err != nil {
			return nil, err
		}
		return f, nil
	}})
}

func TestMemoryPassesTheSuite(t *testing.T) {
	stores := make(map[string]*checkpoint.Memory)
	checkpointtest.Run(t, checkpointtest.Harness{Open: func(dir string) (pipeline.Store, error) {
		if stores[dir] == nil {
			stores[dir] = checkpoint.NewMemory()
		}
		return stores[dir], nil
	}})
}
