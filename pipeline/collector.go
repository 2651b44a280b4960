package pipeline

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// stateCollector exports the present state of a pipeline: what must be consistent
// at every scrape, and what changes by itself as time passes.
type stateCollector struct{ p *Pipeline }

var (
	descOverlap = desc("overlap_seconds", "How late an entry may appear and still be caught, as configured.")
	descSweep   = desc("sweep_interval_seconds", "Time between two deep walks of a stream, as configured.")

	descSource      = desc("source_state", "1 for the state that the source is in: starting, ok, throttled, failing, refused.", "source", "state")
	descStream      = desc("source_stream_state", "1 for the state that the stream is in: starting, ok, failing, refused.", "source", "stream", "state")
	descLastEvent   = desc("source_last_event_timestamp_seconds", "Newest event time that the head reader has seen, 0 if it has seen none.", "source")
	descLastPoll    = desc("source_poll_timestamp_seconds", "When the last complete recent walk began, 0 before the first.", "source", "stream")
	descLastDeep    = desc("source_deep_walk_timestamp_seconds", "When the last complete deep walk began, 0 before the first.", "source", "stream")
	descEvents      = desc("lane_events_total", "Entries by what became of them; read is the sum of the others and of those in flight.", "lane", "result")
	descInFlight    = desc("lane_events_in_flight", "Entries read and neither delivered nor given up.", "lane")
	descLag         = desc("lane_lag_seconds", "Age of the oldest entry read and not yet delivered, 0 if there is none.", "lane")
	descSeen        = desc("lane_seen_events", "Delivered ids remembered.", "lane")
	descState       = desc("lane_state", "1 for the state that the lane is in: following, catching_up, in_doubt, halted.", "lane", "state")
	descAttached    = desc("lane_attached", "1 while the lane gets what the head reader finds, 0 while it is detached.", "lane")
	descRecovered   = desc("lane_recovered", "1 once the destination is claimed and nothing of an earlier life is in doubt.", "lane")
	descDelivery    = desc("lane_last_delivery_timestamp_seconds", "When a batch was last recorded as delivered, 0 if none was by this process.", "lane")
	descMark        = desc("lane_watermark_timestamp_seconds", "Watermark.", "lane", "stream")
	descGuarantee   = desc("lane_info", "1; what the sink promises is in the labels.", "lane", "guarantee")
	descsOfTheState = []*prometheus.Desc{
		descOverlap, descSweep, descSource, descStream, descLastEvent, descLastPoll, descLastDeep, descEvents, descInFlight,
		descLag, descSeen, descState, descAttached, descRecovered, descDelivery, descMark, descGuarantee,
	}
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
}

// Describe implements [prometheus.Collector].
func (c *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range descsOfTheState {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *stateCollector) Collect(ch chan<- prometheus.Metric) {
	gauge(ch, descOverlap, c.p.cfg.Overlap.Seconds())
	gauge(ch, descSweep, c.p.cfg.SweepInterval.Seconds())
	for _, s := range c.p.chains {
		collectSource(ch, s.status())
	}
	for _, l := range c.p.lanes {
		collectLane(ch, l.status())
	}
}

func collectSource(ch chan<- prometheus.Metric, st SourceStatus) {
	oneOf(ch, descSource, sourceStates, st.State, st.Name)
	gauge(ch, descLastEvent, unixSeconds(st.LastEvent), st.Name)
	for _, s := range st.Streams {
		oneOf(ch, descStream, streamStates, s.State, st.Name, s.Name)
		gauge(ch, descLastPoll, unixSeconds(s.LastPoll), st.Name, s.Name)
		gauge(ch, descLastDeep, unixSeconds(s.LastDeep), st.Name, s.Name)
	}
}

// collectLane takes every count from one status, which was taken in one moment:
// they add up (invariant 7).
func collectLane(ch chan<- prometheus.Metric, st LaneStatus) {
	for _, c := range []struct {
		result string
		n      uint64
	}{
		{"read", st.Read}, {"delivered", st.Delivered}, {"duplicate", st.Duplicate}, {"filtered", st.Filtered},
		{"quarantined", st.Quarantined}, {"late_lost", st.LateLost}, {"released", st.Released},
	} {
		ch <- prometheus.MustNewConstMetric(descEvents, prometheus.CounterValue, float64(c.n), st.Lane, c.result)
	}
	gauge(ch, descInFlight, float64(st.InFlight), st.Lane)
	gauge(ch, descLag, st.LagSeconds, st.Lane)
	gauge(ch, descSeen, float64(st.Seen), st.Lane)
	oneOf(ch, descState, laneStates, st.State, st.Lane)
	gauge(ch, descAttached, oneIf(st.Attached), st.Lane)
	gauge(ch, descRecovered, oneIf(st.Recovered), st.Lane)
	gauge(ch, descDelivery, unixSeconds(st.LastDelivery), st.Lane)
	gauge(ch, descGuarantee, 1, st.Lane, st.Guarantee)
	for s, t := range st.Watermarks {
		gauge(ch, descMark, unixSeconds(&t), st.Lane, s)
	}
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

// oneOf exports a series for each of states, 1 for the one that is, 0 for the others.
func oneOf(ch chan<- prometheus.Metric, d *prometheus.Desc, states []string, is string, labels ...string) {
	for _, state := range states {
		gauge(ch, d, oneIf(state == is), append(labels[:len(labels):len(labels)], state)...)
	}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// unixSeconds returns t in Unix seconds, 0 if there is none.
func unixSeconds(t *time.Time) float64 {
	if t == nil || t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
