package pipeline

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config is everything a [Pipeline] needs. The caller opens the sources, sinks
// and the store, and closes them after Run returned.
type Config struct {
	Sources    []SourceConfig
	Store      Store
	Quarantine Quarantine

	PollInterval  time.Duration // between recent walks of a stream
	Recent        time.Duration // how far back a poll looks after a gap
	SweepInterval time.Duration // between deep walks of a stream
	Overlap       time.Duration // how late an entry may appear and still be caught
	DrainTimeout  time.Duration // how long a prepared batch may take after Run's context is done

	// Once makes Run deliver what is visible when it begins, and return.
	Once bool

	Logger     *slog.Logger          // nil: none
	Registerer prometheus.Registerer // nil: metrics are kept but not exported
	Tracer     Tracer                // nil: nothing is traced
}

// SourceConfig is one source and the lanes it feeds.
type SourceConfig struct {
	Name        string
	Source      Source
	Concurrency int // spans read at the same time by one walk; at least 1
	Lanes       []LaneConfig
}

// LaneConfig is one sink of one source.
type LaneConfig struct {
	Sink      string // the sink's name; the lane is source/sink
	Kind      string // of destination, for traces: "sqlite"
	Target    Sink
	Guarantee Guarantee
	Start     Start             // only read when the lane is new
	Filter    func(*Event) bool // nil: everything
	Redact    func(*Record)     // takes out what must not reach Target; r is the lane's own copy, what it points to is shared. Pure; nil: nothing
	Batch     BatchPolicy
	Buffer    int          // events held for this lane before it is detached
	OnReject  RejectPolicy //
	InDoubt   DoubtPolicy  // only matters if the sink cannot tell
}

// redact takes out of a batch's own records what must not reach the destination.
func (c *LaneConfig) redact(records []Record) {
	if c.Redact == nil {
		return
	}
	for i := range records {
		c.Redact(&records[i])
	}
}

// Start says where a lane that is new begins. The zero value is the earliest entry.
type Start struct {
	Now bool      // at the source's present time
	At  time.Time // at this time, if Now is false; zero: the earliest
}

// Earliest is where the log begins for us: before the first audit log there was.
var Earliest = time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)

// RejectPolicy says what a lane does about records its destination refuses for good.
type RejectPolicy int

const (
	RejectHalt RejectPolicy = iota
	RejectQuarantine
)

// DoubtPolicy says what a lane does about a batch whose destination cannot tell.
type DoubtPolicy int

const (
	DoubtRedeliver DoubtPolicy = iota
	DoubtHalt
)
