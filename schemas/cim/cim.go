package cim

import (
	"encoding/base64"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"auditlog-connector/schemas"
	"auditlog-connector/schemas/rawjson"
)

const (
	authentication    = "Authentication"
	accountManagement = "Account_Management"
	networkChanges    = "Network_Changes"
)

// Append appends e as one flat JSON object to dst, on one line, without a newline at
// the end, valid whatever e holds.
//
// It is pure: equal events have equal bytes. It may be called concurrently,
// does not modify e and keeps nothing of it.
func Append(dst []byte, e *schemas.AuditEvent) []byte {
	doc := documents.Get().(*rawjson.Doc)
	m := mapper{e: e, kind: kindOf(doc, e), doc: doc}
	m.b = slices.Grow(dst, len(e.Raw)*5/4+min(len(e.Raw), longest)+768)
	m.event()
	if m.kind.CIM.Model == authentication {
		m.authentication()
	} else {
		m.change()
	}
	m.raw()
	m.b = append(m.b, '}')
	release(doc, e)
	return m.b
}

// Tags returns the tags of the data set that e belongs to. They are not part of the
// document. The list is shared and must not be modified.
func Tags(e *schemas.AuditEvent) []string {
	doc := documents.Get().(*rawjson.Doc)
	defer release(doc, e)
	return kindOf(doc, e).CIM.Tags
}

// documents keeps the memory in which details are parsed.
var documents = sync.Pool{New: func() any { return new(rawjson.Doc) }}

// pooledRaw is the longest entry whose memory is kept.
const pooledRaw = 64 << 10

func release(doc *rawjson.Doc, e *schemas.AuditEvent) {
	doc.Clear()
	if len(e.Raw) <= pooledRaw {
		documents.Put(doc)
	}
}

// kindOf returns what the catalogue says of e.
func kindOf(doc *rawjson.Doc, e *schemas.AuditEvent) *schemas.EventType {
	kind := schemas.Catalogue().Lookup(e.EventType)
	if !kind.HasOverrides() {
		return kind
	}
	if len(e.Details) == 0 || doc.Reset(e.Details) != nil {
		return kind.For(rawjson.Value{})
	}
	return kind.For(doc.Root())
}

// mapper is the state of one call of Append.
type mapper struct {
	writer
	e    *schemas.AuditEvent
	kind *schemas.EventType
	doc  *rawjson.Doc
	text []byte
}

// event writes what identifies the event, and what the models have in common.
func (m *mapper) event() {
	e := m.e
	m.b = append(m.b, `{"effective_at":"`...)
	m.b = append(appendTime(m.b, e.EffectiveAt), '"')
	m.whole(`,"event_id":`, e.EventID)
	m.whole(`,"event_type":`, e.EventType)
	m.str(`,"stream":`, e.Stream)
	m.str(`,"severity":`, e.Severity)
	m.str(`,"severity_reason":`, e.SeverityReason)
	m.b = append(m.b, `,"vendor_product":"OpenAI API Platform"`...)
	m.str(`,"vendor_account":`, e.OrganizationID)
	m.str(`,"action":`, m.kind.CIM.Action)
	m.str(`,"src":`, e.Actor.IP)
	m.str(`,"dest":`, m.dest())
	m.str(`,"user_agent":`, e.Actor.UserAgent)
	m.str(`,"api_key_id":`, e.Actor.APIKeyID)
	if e.Project != nil {
		m.str(`,"project_id":`, e.Project.ID)
	}
}

// dest is what was signed in to, or what has changed.
func (m *mapper) dest() string {
	switch e := m.e; {
	case e.OrganizationID != "":
		return e.OrganizationID
	case m.kind.CIM.Model != authentication && e.Project != nil && e.Project.ID != "":
		return e.Project.ID
	}
	return "openai.com"
}

func (m *mapper) authentication() {
	e := m.e
	m.b = append(m.b, `,"app":"openai"`...)
	m.str(`,"signature":`, e.EventType)
	m.str(`,"signature_id":`, e.EventType)
	m.str(`,"user":`, actor(&e.Actor))
	m.str(`,"user_id":`, e.Actor.ID)
	m.str(`,"user_type":`, actorType(&e.Actor))
	if e.Error != nil {
		m.str(`,"reason":`, first(e.Error.Message, e.Error.Code))
		m.str(`,"reason_id":`, e.Error.Code)
	}
}

// raw writes the entry as it was served, if it may leave.
func (m *mapper) raw() {
	for _, p := range m.e.Problems {
		m.item(`,"problems":"`, p)
	}
	m.endList()
	raw := m.e.Raw
	switch {
	case len(raw) == 0:
	case utf8.Valid(raw):
		m.whole(`,"raw":`, string(raw))
	default:
		m.b = append(m.b, `,"raw":"`...)
		m.b = append(base64.StdEncoding.AppendEncode(m.b, raw), `","raw_base64":true`...)
	}
}

// actor returns what people call who acted.
func actor(a *schemas.Actor) string { return first(a.Email, a.ID) }

// actorType returns what kind of account acted; empty if that is not known.
func actorType(a *schemas.Actor) string {
	if a.Kind == "none" || a.Kind == "unknown" {
		return ""
	}
	return a.Kind
}

// first returns a, or else b.
func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	if t.Nanosecond() < int(time.Millisecond) {
		return t.AppendFormat(dst, "2006-01-02T15:04:05Z")
	}
	return t.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}
