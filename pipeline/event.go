package pipeline

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"auditlog-connector/schemas"
)

// Position is an event's place in the audit log: its time, then its ID. The ID
// says nothing about order within one second; it makes the order total and the
// same on every reading. Time is in whole UTC seconds, years 1 to 9999: the
// source truncates and clamps.
type Position struct {
	Time time.Time `json:"time"`
	ID   string    `json:"id"`
}

// Compare orders positions by time, then by ID.
func (p Position) Compare(q Position) int {
	return cmp.Or(p.Time.Compare(q.Time), strings.Compare(p.ID, q.ID))
}

// Raw is one entry as the source returned it.
type Raw struct {
	Position
	Stream string          // the listing that returned it; decides the horizon, not the record
	Body   json.RawMessage // the entry, byte for byte; not modified after Page returned it

	// AsOf caps the watermark (invariant 5): when the deep walk that returned the
	// entry began, by the source's clock, at the first request of its first span;
	// for a recent walk, when the last complete deep walk of the stream began.
	// The pipeline sets it; a Source leaves it zero.
	AsOf time.Time

	// Trace is where the page that the entry was on stands in a trace; nil: nowhere.
	// The pipeline sets it; nothing is decided by it.
	Trace *TraceRef
}

// Event is a Raw mapped onto the audit schema. The original body stays with it.
type Event struct {
	Raw
	Audit schemas.AuditEvent
}

// Record is an Event with its Avro encoding. Sinks see only Records. Lanes share
// them, so a Record is not modified after the encode stage.
type Record struct {
	Event
	Avro []byte // one AuditEvent, Avro binary without framing
}
