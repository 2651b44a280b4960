package pipeline

import "time"

// Status is a snapshot of a running [Pipeline], in the form of the HTTP
// endpoint's /status.
type Status struct {
	Sources []SourceStatus `json:"sources"`
	Lanes   []LaneStatus   `json:"lanes"`
}

// SourceStatus is the state of one source.
type SourceStatus struct {
	Name      string         `json:"name"`
	State     string         `json:"state"` // starting, ok, throttled, failing, refused
	LastEvent *time.Time     `json:"last_event"`
	Streams   []StreamStatus `json:"streams"`
}

// StreamStatus is the state of one stream of a source.
type StreamStatus struct {
	Name     string     `json:"name"`
	State    string     `json:"state"` // starting, ok, failing, refused
	LastPoll *time.Time `json:"last_poll"`
	LastDeep *time.Time `json:"last_deep"` // start of the last complete deep walk
	Reason   string     `json:"reason,omitempty"`
}

// LaneStatus is the state of one lane.
type LaneStatus struct {
	Lane             string               `json:"lane"`
	Guarantee        string               `json:"guarantee"`
	State            string               `json:"state"`     // following, catching_up, in_doubt, halted
	Recovered        bool                 `json:"recovered"` // the destination is claimed, and nothing of an earlier life is in doubt
	Attached         bool                 `json:"attached"`  // it gets what the head reader finds
	Watermarks       map[string]time.Time `json:"watermarks"`
	LagSeconds       float64              `json:"lag_seconds"`       // age of the oldest entry read and not yet delivered, 0 if there is none
	LastDelivery     *time.Time           `json:"last_delivery"`     // when this process last recorded a batch as delivered
	FreshnessSeconds *float64             `json:"freshness_seconds"` // age of that batch's newest event then
	Batch            string               `json:"batch"`             // the batch in delivery, else the last one delivered
	Reason           string               `json:"reason,omitempty"`
	Hint             string               `json:"hint,omitempty"`

	Read        uint64 `json:"read"`
	Delivered   uint64 `json:"delivered"`
	Duplicate   uint64 `json:"duplicate"`
	Filtered    uint64 `json:"filtered"`
	Quarantined uint64 `json:"quarantined"`
	LateLost    uint64 `json:"late_lost"`
	Released    uint64 `json:"released"`
	InFlight    uint64 `json:"in_flight"`
	Seen        int    `json:"seen"` // size of the seen set

	Reached *time.Time `json:"reached,omitempty"` // while catching up: event time up to which everything was read
}
