package pipeline

import (
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// namespace begins the name of every metric.
const namespace = "connector"

// metrics is every metric that is counted where things happen, declared once. What
// is a matter of the present state is in [stateCollector].
type metrics struct {
	pages        *prometheus.CounterVec // source, result
	entries      *prometheus.CounterVec // source
	delay        *prometheus.HistogramVec
	nearOverlap  *prometheus.CounterVec
	walks        *prometheus.CounterVec // source, stream, kind, result
	deepTime     *prometheus.GaugeVec
	unknown      *prometheus.CounterVec // source, type
	setAside     *prometheus.CounterVec
	batches      *prometheus.CounterVec // lane, result
	attempts     *prometheus.CounterVec // lane, class
	rejected     *prometheus.CounterVec
	detached     *prometheus.CounterVec
	latency      *prometheus.HistogramVec
	freshness    *prometheus.HistogramVec
	checkpoint   *prometheus.HistogramVec
	unknownTypes unknownTypes
}

// The values of the labels that a metric's help text lists.
var (
	pageResults    = []string{"ok", "throttled", "refused", "error"}
	walkKinds      = []string{"recent", "deep"}
	walkResults    = []string{"ok", "error"}
	batchResults   = []string{"delivered", "resolved"}
	attemptClasses = []string{"throttled", "in_doubt", "resolve", "error"}
)

// Upper bounds of histograms, in seconds. Those of ages end where a lane that reads
// the whole log begins to matter more than one that follows it.
var (
	ageBuckets   = []float64{1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 12 * 3600, 24 * 3600, 7 * 24 * 3600}
	deliverTimes = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800}
	syncTimes    = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5}
)

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
		pages:       counter("source_pages_total", "Pages asked for, by result: ok, throttled, refused, error.", "source", "result"),
		entries:     counter("source_entries_total", "Entries in the pages read, those read again included.", "source"),
		delay:       histogram("source_delay_seconds", "First seen less event time, of entries new to the head reader that this process could have seen before.", ageBuckets, "source"),
		nearOverlap: counter("source_delay_near_overlap_total", "Entries that appeared behind newer ones, later than 80 % of overlap after their time.", "source"),
		walks:       counter("source_walks_total", "Walks of the head reader, by kind (recent, deep) and result (ok, error).", "source", "stream", "kind", "result"),
		deepTime:    gauge("source_deep_walk_seconds", "Duration of the last complete deep walk, 0 before the first.", "source", "stream"),
		unknown:     counter("source_unknown_types_total", "Events new to the head reader whose type the catalogue does not have, by type; \"other\" after the first 20 types.", "source", "type"),
		setAside:    counter("source_set_aside_total", "Answers that held an entry which the configuration sets aside.", "source"),
		batches:     counter("lane_batches_total", "Batches settled, by how: delivered, or resolved as committed.", "lane", "result"),
		attempts:    counter("lane_attempts_total", "Attempts at a batch that did not settle it, by class: throttled, in_doubt, resolve, error.", "lane", "class"),
		rejected:    counter("lane_rejected_events_total", "Events in the destination's refusals, those refused again included.", "lane"),
		detached:    counter("lane_detached_total", "Times the lane's channel was closed because its buffer was full, or at the end.", "lane"),
		latency:     histogram("lane_delivery_seconds", "From the first attempt at a batch to its being settled.", deliverTimes, "lane"),
		freshness:   histogram("lane_freshness_seconds", "From event time to its being recorded as delivered, of each event.", ageBuckets, "lane"),
		checkpoint:  histogram("lane_checkpoint_seconds", "Writing one step of the lane's checkpoint.", syncTimes, "lane"),
	}
}

// register makes the metrics and the present state known to r.
func (m *metrics) register(r prometheus.Registerer, state prometheus.Collector) error {
	for _, c := range []prometheus.Collector{m.pages, m.entries, m.delay, m.nearOverlap, m.walks, m.deepTime, m.unknown, m.setAside,
		m.batches, m.attempts, m.rejected, m.detached, m.latency, m.freshness, m.checkpoint, state} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// addSource makes the series of a source, so that none of them begins above 0 where
// nobody sees it rise.
func (m *metrics) addSource(source string) {
	for _, result := range pageResults {
		m.pages.WithLabelValues(source, result)
	}
	for _, v := range []*prometheus.CounterVec{m.entries, m.nearOverlap, m.setAside} {
		v.WithLabelValues(source)
	}
	m.unknown.WithLabelValues(source, otherTypes)
	m.delay.WithLabelValues(source)
}

// addStream makes the series of a stream.
func (m *metrics) addStream(source, stream string) {
	for _, kind := range walkKinds {
		for _, result := range walkResults {
			m.walks.WithLabelValues(source, stream, kind, result)
		}
	}
	m.deepTime.WithLabelValues(source, stream)
}

// addLane makes the series of a lane.
func (m *metrics) addLane(lane string) {
	for _, result := range batchResults {
		m.batches.WithLabelValues(lane, result)
	}
	for _, class := range attemptClasses {
		m.attempts.WithLabelValues(lane, class)
	}
	for _, v := range []*prometheus.CounterVec{m.rejected, m.detached} {
		v.WithLabelValues(lane)
	}
	for _, v := range []*prometheus.HistogramVec{m.latency, m.freshness, m.checkpoint} {
		v.WithLabelValues(lane)
	}
}

// sourceMetrics are the metrics of one source.
type sourceMetrics struct {
	name string
	m    *metrics
}

// page counts one page asked for.
func (s *sourceMetrics) page(entries int, err error) (result string) {
	var throttled *ThrottledError
	result = "ok"
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
	return result
}

// unknownType counts an event of a type that the catalogue does not have.
func (s *sourceMetrics) unknownType(eventType string) {
	s.m.unknown.WithLabelValues(s.name, s.m.unknownTypes.label(eventType)).Inc()
}

// attempt counts one attempt at a batch of lane.
func (m *metrics) attempt(lane string, a settling) (class string) {
	m.rejected.WithLabelValues(lane).Add(float64(a.rejected))
	if a.err == nil {
		class = "delivered"
		if !a.delivered {
			class = "resolved"
		}
		m.batches.WithLabelValues(lane, class).Inc()
		return class
	}
	class = "error"
	switch {
	case isThrottled(a.err):
		class = "throttled"
	case a.doubt && !a.delivered:
		class = "resolve"
	case a.doubt:
		class = "in_doubt"
	}
	m.attempts.WithLabelValues(lane, class).Inc()
	return class
}

const (
	// otherTypes stands for every unknown type that does not get a series of its own.
	otherTypes = "other"
	// mostUnknownTypes is how many do: the names come from outside.
	mostUnknownTypes = 20
	// longestUnknownType is the longest name that does, in bytes.
	longestUnknownType = 64
)

// unknownTypes remembers which unknown types have a series.
type unknownTypes struct {
	mu    sync.Mutex
	names map[string]bool
}

// label returns the label of an unknown type: its name, or otherTypes.
func (u *unknownTypes) label(name string) string {
	if !plainName(name) {
		return otherTypes
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.names[name]:
	case len(u.names) == mostUnknownTypes:
		return otherTypes
	case u.names == nil:
		u.names = make(map[string]bool)
		fallthrough
	default:
		u.names[name] = true
	}
	return name
}

// plainName reports whether a type is named as types are: letters, digits, points
// and underscores, not many of them.
func plainName(name string) bool {
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return name != "" && len(name) <= longestUnknownType
}
