package pipeline

import (
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// namespace begins the name of every metric.
const namespace = "connector"

// metrics is every metric of a pipeline, declared once.
type metrics struct {
	pages      *prometheus.CounterVec // source, result
	entries    *prometheus.CounterVec // source
	delay      *prometheus.HistogramVec
	walks      *prometheus.CounterVec // source, stream, kind, result
	deepTime   *prometheus.GaugeVec
	streamUp   *prometheus.GaugeVec
	unknown    *prometheus.CounterVec
	setAside   *prometheus.CounterVec
	batches    *prometheus.CounterVec // lane, outcome
	attempts   *prometheus.CounterVec // lane, class
	detached   *prometheus.CounterVec
	latency    *prometheus.HistogramVec
	freshness  *prometheus.HistogramVec
	checkpoint *prometheus.HistogramVec
}

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	}
	return &metrics{
		pages:      counter("source_pages_total", "Pages asked for, by result: ok, throttled, refused, error.", "source", "result"),
		entries:    counter("source_entries_total", "Entries in the pages read, those read again included.", "source"),
		delay:      histogram("source_delay_seconds", "First seen less event time, of entries new to the head reader.", prometheus.ExponentialBuckets(1, 4, 10), "source"),
		walks:      counter("source_walks_total", "Walks of the head reader, by kind (recent, deep) and result (ok, error).", "source", "stream", "kind", "result"),
		deepTime:   gauge("source_deep_walk_seconds", "Duration of the last complete deep walk.", "source", "stream"),
		streamUp:   gauge("source_stream_up", "1 if the last walk of the stream was complete, else 0.", "source", "stream"),
		unknown:    counter("source_unknown_types_total", "Events new to the head reader whose type the catalogue does not have.", "source"),
		setAside:   counter("source_set_aside_total", "Answers that held an entry which the configuration sets aside.", "source"),
		batches:    counter("lane_batches_total", "Batches settled, by how: delivered, or resolved as committed.", "lane", "result"),
		attempts:   counter("lane_attempts_total", "Attempts at a batch that did not settle it, by class: throttled, in_doubt, resolve, error.", "lane", "class"),
		detached:   counter("lane_detached_total", "Times the lane's channel was closed because its buffer was full, or at the end.", "lane"),
		latency:    histogram("lane_delivery_seconds", "From cutting a batch to its being settled.", prometheus.ExponentialBuckets(0.001, 4, 10), "lane"),
		freshness:  histogram("lane_freshness_seconds", "From event time to delivery, of each batch's newest event.", prometheus.ExponentialBuckets(1, 3, 12), "lane"),
		checkpoint: histogram("lane_checkpoint_seconds", "Writing one step of the lane's checkpoint.", prometheus.ExponentialBuckets(0.0005, 4, 8), "lane"),
	}
}

// register makes the metrics, and those of the lanes, known to r.
func (m *metrics) register(r prometheus.Registerer, lanes prometheus.Collector) error {
	for _, c := range []prometheus.Collector{m.pages, m.entries, m.delay, m.walks, m.deepTime, m.streamUp, m.unknown, m.setAside,
		m.batches, m.attempts, m.detached, m.latency, m.freshness, m.checkpoint, lanes} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// sourceMetrics are the metrics of one source.
type sourceMetrics struct {
	name string
	m    *metrics
}

func (s *sourceMetrics) page(entries int, err error) {
	var throttled *ThrottledError
	result := "ok"
	switch {
	case errors.As(err, &throttled):
		result = "throttled"
	case errors.Is(err, ErrRefused):
		result = "refused"
	case err != nil:
		result = "error"
	}
	s.m.pages.WithLabelValues(s.name, result).Inc()
	s.m.entries.WithLabelValues(s.name).Add(float64(entries))
}

// result is what became of an entry that a lane read.
type result int

const (
	resultDelivered result = iota
	resultDuplicate
	resultFiltered
	resultQuarantined
	resultLateLost
	resultReleased
	results // how many there are
)

func (r result) String() string {
	return [...]string{"delivered", "duplicate", "filtered", "quarantined", "late_lost", "released"}[r]
}

// laneCounts counts what became of every entry that a lane read. Read is the sum
// of all results and of what is in flight, at every moment (invariant 7). It is
// safe for concurrent use.
type laneCounts struct {
	mu       sync.Mutex
	read     uint64
	inFlight uint64
	result   [results]uint64
}

// add counts an entry read and done with at once.
func (c *laneCounts) add(r result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read++
	c.result[r]++
}

// hold counts an entry read and admitted.
func (c *laneCounts) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read++
	c.inFlight++
}

// resume counts the members of a batch that an earlier life had read.
func (c *laneCounts) resume(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read += uint64(n)
	c.inFlight += uint64(n)
}

// settle counts a batch of n recorded as delivered, rejected of them in quarantine.
func (c *laneCounts) settle(n, rejected int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight -= uint64(n)
	c.result[resultDelivered] += uint64(n - rejected)
	c.result[resultQuarantined] += uint64(rejected)
}

// release counts n entries given up, to be read again.
func (c *laneCounts) release(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight -= uint64(n)
	c.result[resultReleased] += uint64(n)
}

// laneCollector exports what must be consistent at every scrape.
type laneCollector struct{ lanes []*lane }

var (
	descEvents = prometheus.NewDesc(namespace+"_lane_events_total",
		"Entries by what became of them; read is the sum of the others and of those in flight.", []string{"lane", "result"}, nil)
	descInFlight = prometheus.NewDesc(namespace+"_lane_events_in_flight", "Entries read and neither delivered nor given up.", []string{"lane"}, nil)
	descLag      = prometheus.NewDesc(namespace+"_lane_lag_seconds", "Age of the oldest entry read and not yet delivered, 0 if there is none.", []string{"lane"}, nil)
	descSeen     = prometheus.NewDesc(namespace+"_lane_seen_events", "Delivered ids remembered.", []string{"lane"}, nil)
	descState    = prometheus.NewDesc(namespace+"_lane_state", "1 for the state the lane is in.", []string{"lane", "state"}, nil)
	descMark     = prometheus.NewDesc(namespace+"_lane_watermark_seconds", "Watermark, in Unix seconds.", []string{"lane", "stream"}, nil)
)

// Describe implements [prometheus.Collector].
func (c *laneCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descEvents, descInFlight, descLag, descSeen, descState, descMark} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *laneCollector) Collect(ch chan<- prometheus.Metric) {
	for _, l := range c.lanes {
		l.counts.mu.Lock()
		read, inFlight, by := l.counts.read, l.counts.inFlight, l.counts.result
		l.counts.mu.Unlock()
		ch <- prometheus.MustNewConstMetric(descEvents, prometheus.CounterValue, float64(read), l.name, "read")
		for r := range results {
			ch <- prometheus.MustNewConstMetric(descEvents, prometheus.CounterValue, float64(by[r]), l.name, r.String())
		}
		ch <- prometheus.MustNewConstMetric(descInFlight, prometheus.GaugeValue, float64(inFlight), l.name)
		st := l.status()
		ch <- prometheus.MustNewConstMetric(descLag, prometheus.GaugeValue, st.LagSeconds, l.name)
		ch <- prometheus.MustNewConstMetric(descSeen, prometheus.GaugeValue, float64(st.Seen), l.name)
		for _, state := range laneStates {
			v := 0.0
			if st.State == state {
				v = 1
			}
			ch <- prometheus.MustNewConstMetric(descState, prometheus.GaugeValue, v, l.name, state)
		}
		for s, t := range st.Watermarks {
			ch <- prometheus.MustNewConstMetric(descMark, prometheus.GaugeValue, float64(t.Unix()), l.name, s)
		}
	}
}
