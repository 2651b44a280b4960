package openai

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// measure exports how much of b is used.
func measure(r prometheus.Registerer, b *budget) error {
	locked := func(read func() float64) func() float64 {
		return func() float64 {
			b.mu.Lock()
			defer b.mu.Unlock()
			return read()
		}
	}
	for _, c := range []prometheus.Collector{
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "connector_source_requests_total", Help: "Requests that the budget let go.",
		}, locked(func() float64 { return float64(b.taken) })),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "connector_source_requests_waiting", Help: "Requests that wait for their turn in the budget.",
		}, locked(func() float64 { return float64(len(b.urgent) + len(b.normal)) })),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "connector_source_request_budget", Help: "Requests a second that the configuration allows.",
		}, func() float64 { return float64(time.Second) / float64(b.interval) }),
	} {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}
