package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// newMetricRegistry returns a registry with what every process says of itself.
func newMetricRegistry() *prometheus.Registry {
	v := programVersion()
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "connector", Name: "build_info", Help: "1; what was built is in the labels.",
		ConstLabels: prometheus.Labels{"version": v.Version, "revision": v.Revision, "goversion": v.Go},
	}, func() float64 { return 1 })
	r := prometheus.NewRegistry()
	r.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}
