package pipelinetest

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"auditlog-connector/pipeline"
)

// Kind is a family of destinations: what they can tell, and how they keep a
// second write from having an effect.
type Kind int

const (
	// Objects is an object store (S3): one object per batch, its key decided by
	// the manifest alone, never overwritten; a claim object per lane.
	Objects Kind = iota
	// Transactions writes records and marker in one step (Kafka, SQLite). A new
	// process, a Resolve or another Deliver ends the transactions begun before.
	Transactions
	// Creates writes each event under its ID and refuses a second one
	// (Elasticsearch). It keeps nothing of lanes or batches: Resolve says absent.
	Creates
	// Appends takes everything it is sent (Splunk HEC). Resolve says unknown.
	Appends
)

// Kinds lists all kinds.
var Kinds = []Kind{Objects, Transactions, Creates, Appends}

func (k Kind) String() string {
	switch k {
	case Objects:
		return "objects"
	case Transactions:
		return "transactions"
	case Creates:
		return "creates"
	case Appends:
		return "appends"
	default:
		return fmt.Sprintf("kind %d", int(k))
	}
}

// Guarantee is what a destination of this kind promises.
func (k Kind) Guarantee() pipeline.Guarantee {
	if k == Appends {
		return pipeline.AtLeastOnce
	}
	return pipeline.ExactlyOnce
}

// Claims reports whether a destination of this kind remembers who delivers to it.
func (k Kind) Claims() bool { return k == Objects || k == Transactions }

// Destination is what several processes deliver to. It is safe for concurrent
// use; it never calls back while it holds its lock.
type Destination struct {
	kind Kind

	mu         sync.Mutex
	prefix     string
	reject     func(*pipeline.Record) error
	claims     map[string]*pipeline.Marker // by lane (Transactions) or claim key (Objects)
	fences     map[string]int              // by lane: the newest transaction, which alone may commit
	objects    map[string]*Applied         // by key (Objects)
	docs       map[string]bool             // by source and event ID (Creates)
	applied    []*Applied                  // in the order they took effect
	late       []func()                    // delayed writes, oldest first
	known      map[string]Applied          // what each batch ID was first used for
	violations []string
}

// Applied is one write that took effect.
type Applied struct {
	ID     pipeline.BatchID
	Digest string // lower-case hex, of the manifest
	Place  string
	Events []string // IDs, those that were rejected left out

	rejected map[int]error
}

// NewDestination returns an empty destination.
func NewDestination(k Kind) *Destination {
	return &Destination{
		kind:    k,
		claims:  make(map[string]*pipeline.Marker),
		fences:  make(map[string]int),
		objects: make(map[string]*Applied),
		docs:    make(map[string]bool),
		known:   make(map[string]Applied),
	}
}

// Kind returns the destination's kind.
func (d *Destination) Kind() Kind { return d.kind }

// SetPrefix changes the configuration of processes that open the destination from
// now on: the prefix of the keys of [Objects]. Other kinds have no place.
func (d *Destination) SetPrefix(prefix string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.prefix = prefix
}

// SetReject makes the destination refuse, for good, the records for which reject
// returns an error; nil refuses none. It must be pure.
func (d *Destination) SetReject(reject func(*pipeline.Record) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reject = reject
}

// Contents returns how many copies of each event, by ID, a reader sees who follows
// the destination's rule.
func (d *Destination) Contents() map[string]int { return d.contents("") }

// LaneContents is Contents of what one lane wrote.
func (d *Destination) LaneContents(lane string) map[string]int { return d.contents(lane) }

func (d *Destination) contents(lane string) map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	copies := make(map[string]int)
	for _, a := range d.applied {
		if lane != "" && a.ID.Lane != lane {
			continue
		}
		for _, id := range a.Events {
			copies[id]++
		}
	}
	return copies
}

// Lanes returns the lanes that wrote something, sorted.
func (d *Destination) Lanes() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	lanes := make(map[string]bool)
	for _, a := range d.applied {
		lanes[a.ID.Lane] = true
	}
	return slices.Sorted(maps.Keys(lanes))
}

// Batches returns the writes that took effect, in that order. Of [Creates] a write
// has only the events that were new.
func (d *Destination) Batches() []Applied {
	d.mu.Lock()
	defer d.mu.Unlock()
	batches := make([]Applied, len(d.applied))
	for i, a := range d.applied {
		batches[i] = *a
	}
	return batches
}

// Late returns how many writes are delayed.
func (d *Destination) Late() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.late)
}

// Release lets the i-th delayed write, counted from the oldest, arrive now. It has
// the effect it would have at the real destination: none if it was fenced since,
// or if the object exists.
func (d *Destination) Release(i int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	write := d.late[i]
	d.late = slices.Delete(d.late, i, i+1)
	write()
}

// Violations returns what a sink's caller did and must not, in words.
func (d *Destination) Violations() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.violations)
}

func (d *Destination) violate(format string, args ...any) {
	d.violations = append(d.violations, fmt.Sprintf(format, args...))
}
