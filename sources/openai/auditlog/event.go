package auditlog

import (
	"encoding/json"
	"fmt"
	"time"
)

// Event is one entry of the audit log: what all entries have, and in Details what
// only those of its type have.
type Event struct {
	// Object is "organization.audit_log". It is in most live entries.
	Object string `json:"object,omitzero" audit:"undocumented"`
	// ID is unique. Live ids are "audit_log-" and 24 characters without an order.
	ID string `json:"id,omitzero"`
	// Type says what happened. The catalogue of types grows; one was renamed.
	Type string `json:"type,omitzero"`
	// EffectiveAt is when it happened, in Unix seconds. An entry may become visible
	// later.
	EffectiveAt int64 `json:"effective_at,omitzero"`
	// Project is the project that the act was scoped to; nil: none. Entries made in
	// a session may name the default project although the act was the
	// organization's.
	Project *Project `json:"project,omitzero"`
	// Actor is who acted; nil: the log does not say.
	Actor *Actor `json:"actor,omitzero"`
	// Details is the payload, which the API has under a key named like the type: a
	// pointer to the struct of the type; a [json.RawMessage] if the type is not
	// documented or the payload is no object; or nil if there is no such key, as in
	// live entries of login.succeeded.
	Details any   `json:"-"`
	Extra   Extra `json:"-"`
}

// Extra has the members that no field holds, by name: JSON texts.
type Extra map[string]json.RawMessage

// Project is a project of the organization.
type Project struct {
	ID    string `json:"id,omitzero"`
	Name  string `json:"name,omitzero"`
	Extra Extra  `json:"-"`
}

// Time returns when the event happened, in UTC.
func (e *Event) Time() time.Time { return time.Unix(e.EffectiveAt, 0).UTC() }

// Decode reads one entry. It fails if b is no JSON object; anything else that is
// odd about the entry is in Extra, or in Details as JSON text. The event shares
// nothing with b.
func Decode(b []byte) (*Event, error) {
	e := &Event{}
	if err := e.UnmarshalJSON(b); err != nil {
		return nil, err
	}
	return e, nil
}

// UnmarshalJSON is [Decode] into e, whatever e was before.
func (e *Event) UnmarshalJSON(b []byte) error {
	*e = Event{}
	extra, err := decodeStruct(b, e)
	if err != nil {
		return fmt.Errorf("decode audit-log entry: %w", err)
	}
	e.Extra = extra
	if raw, ok := e.Extra[e.Type]; ok && !isEnvelope(e.Type) {
		e.Details = decodeDetails(e.Type, raw)
		delete(e.Extra, e.Type)
	}
	if len(e.Extra) == 0 {
		e.Extra = nil
	}
	return nil
}

// MarshalJSON is [Append] to nothing. Encoding/json writes parts of an event, when
// asked for them alone, without their Extra; Append writes it.
func (e Event) MarshalJSON() ([]byte, error) { return Append(nil, &e) }

// isEnvelope reports whether a member of that name is the entry's own, so that no
// payload can stand there.
func isEnvelope(name string) bool {
	if name == "" {
		return true
	}
	return planOf(eventStruct).field(name) != nil
}
