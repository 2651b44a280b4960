package schemas

import (
	"time"

	"auditlog-connector/schemas/rawjson"
)

// AuditEvent is one audit event of any source, the record that every destination
// gets. Its field names are those of the Avro schema (audit_event.avsc).
//
// Optional strings are empty, and null in Avro, when the source does not say.
// Nothing in it depends on the clock, the host or the process.
type AuditEvent struct {
	EventID        string            // as served; unique within the source
	EventType      string            // as served
	EffectiveAt    time.Time         // UTC, milliseconds
	Stream         string            // organization or tenant, by the catalogue of types
	Source         string            // the configured source's name
	OrganizationID string            // optional
	Action         string            // the catalogue's verb: create, update, delete, login, …
	Outcome        string            // success, failure, unknown
	Severity       string            // info, low, medium, high
	SeverityReason string            // optional
	Actor          Actor             //
	Targets        []Target          // what was acted on, in payload order
	Project        *Project          // nil: not scoped to a project
	Error          *EventError       // nil: none
	Changes        map[string]string // requested changes: name to JSON text; nil: none
	KnownType      bool              // the catalogue has EventType
	Problems       []string          // what could not be read, in words; empty: nothing
	Details        []byte            // the payload under the key named like the type, JSON text verbatim; nil: none
	Raw            []byte            // the entry as served, byte for byte

	plain bool // see Parsed
}

// Parsed tells e that doc is its Raw, parsed without an error, and that its Details
// are nil or a value of doc. It spares whoever writes documents a look at the same
// text. Who gives e another Raw or other Details, and not none, makes a new event.
func (e *AuditEvent) Parsed(doc *rawjson.Doc) {
	e.plain = doc.ValidUTF8() && !doc.Spaced() && doc.Depth() <= embedDepth
}

// Actor is who acted. Kind is always set; the other fields are optional.
type Actor struct {
	Kind             string // user, service_account, api_key, none, unknown
	ID               string
	Email            string
	Name             string
	APIKeyID         string
	ServiceAccountID string
	IP               string
	UserAgent        string
	JA3              string
	JA4              string
	Geo              *Geo // nil: none
}

// Geo is where an address is, as the source says: all strings, none parsed.
type Geo struct {
	Country, Region, RegionCode, City, Latitude, Longitude, ASN string
}

// Target is an object that was acted on. ID and Name are optional.
type Target struct {
	Type, ID, Name string
}

// Project is the project an event belongs to. Name is optional.
type Project struct {
	ID, Name string
}

// EventError is why an act failed. Both fields are optional.
type EventError struct {
	Code, Message string
}
