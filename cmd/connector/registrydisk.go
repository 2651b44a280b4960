package main

import (
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
)

// diskCollector exports how large the checkpoint is and how full its disk. What
// cannot be asked is left out.
type diskCollector struct{ path string }

var (
	descCheckpointSize = prometheus.NewDesc("connector_checkpoint_size_bytes", "Size of the checkpoint file.", nil, nil)
	descDiskFree       = prometheus.NewDesc("connector_checkpoint_disk_free_bytes", "What is free on the checkpoint's file system for this process.", nil, nil)
	descDiskSize       = prometheus.NewDesc("connector_checkpoint_disk_size_bytes", "Size of the checkpoint's file system.", nil, nil)
)

// registerDisk registers the metrics of the checkpoint at path.
func registerDisk(r *prometheus.Registry, path string) { r.MustRegister(&diskCollector{path}) }

// Describe implements [prometheus.Collector].
func (c *diskCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- descCheckpointSize
	ch <- descDiskFree
	ch <- descDiskSize
}

// Collect implements [prometheus.Collector].
func (c *diskCollector) Collect(ch chan<- prometheus.Metric) {
	if info, err := os.Stat(c.path); err == nil {
		ch <- prometheus.MustNewConstMetric(descCheckpointSize, prometheus.GaugeValue, float64(info.Size()))
	}
	if free, size, ok := diskSpace(filepath.Dir(c.path)); ok {
		ch <- prometheus.MustNewConstMetric(descDiskFree, prometheus.GaugeValue, free)
		ch <- prometheus.MustNewConstMetric(descDiskSize, prometheus.GaugeValue, size)
	}
}
