package ecs

import (
	"encoding/base64"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"auditlog-connector/schemas"
	"auditlog-connector/schemas/rawjson"
)

// Append appends e as one ECS document to dst: a JSON object on one line, without a
// newline at the end, valid whatever e holds.
//
// It is pure: equal events have equal bytes. It may be called concurrently,
// does not modify e and keeps nothing of it.
func Append(dst []byte, e *schemas.AuditEvent) []byte {
	s := scratches.Get().(*scratch)
	m := mapper{e: e, scratch: s}
	m.b = slices.Grow(dst, sizeGuess(e))
	m.read()
	m.document()
	s.details.Clear()
	s.value.Clear()
	if len(e.Raw) <= pooledRaw {
		scratches.Put(s)
	}
	return m.b
}

// sizeGuess is about what the document of e takes: the entry with its quotes
// escaped, what is repeated of it, and names.
func sizeGuess(e *schemas.AuditEvent) int { return len(e.Raw)*5/4 + 2*min(len(e.Raw), longest) + 1024 }

// scratch is memory that is used again.
type scratch struct {
	details, value rawjson.Doc
	text           []byte
	single         [1]string
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// pooledRaw is the longest entry whose memory is kept.
const pooledRaw = 64 << 10

// mapper is the state of one call of Append.
type mapper struct {
	writer
	*scratch
	e       *schemas.AuditEvent
	kind    *schemas.EventType
	payload rawjson.Value // the details; none, unless they are JSON
}

// read finds what the catalogue says of the event.
func (m *mapper) read() {
	if len(m.e.Details) > 0 && m.details.Reset(m.e.Details) == nil {
		m.payload = m.details.Root()
	}
	m.kind = schemas.Catalogue().Lookup(m.e.EventType).For(m.payload)
}

func (m *mapper) document() {
	e := m.e
	m.b = append(m.b, `{"@timestamp":"`...)
	m.b = append(appendTime(m.b, e.EffectiveAt), '"')
	m.message()
	m.literal(`"ecs":`, `{"version":"`+Version+`"}`)
	m.labels()
	m.event()
	m.failure()
	m.user()
	m.group()
	m.entity()
	m.service()
	m.source()
	m.userAgent()
	m.tls()
	m.place()
	m.literal(`"observer":`, `{"product":"OpenAI API Platform","type":"saas","vendor":"OpenAI"}`)
	m.related()
	m.audit()
	m.b = append(m.b, '}')
}

// Version is the version of the Elastic Common Schema that documents follow.
const Version = "9.4.0"

func (m *mapper) labels() {
	mark := m.object(`"labels":`)
	m.str(`"source":`, m.e.Source)
	m.str(`"stream":`, m.e.Stream)
	m.end(mark)
}

func (m *mapper) event() {
	e := m.e
	mark := m.object(`"event":`)
	if e.EventType == "" { // it could not be read as an event
		m.literal(`"kind":`, `"pipeline_error"`)
	} else {
		m.literal(`"kind":`, `"event"`)
	}
	m.strs(`"category":`, m.kind.ECS.Category)
	m.strs(`"type":`, m.kind.ECS.Type)
	if e.EventType != "" {
		m.whole(`"action":`, e.EventType)
	}
	m.str(`"outcome":`, e.Outcome)
	m.str(`"reason":`, reason(e))
	if n := severity(e.Severity); n != "" {
		m.literal(`"severity":`, n)
	}
	m.whole(`"id":`, e.EventID)
	m.literal(`"module":`, `"openai","dataset":"openai.audit","provider":"openai"`)
	m.original()
	m.end(mark)
}

// original writes the entry as it was served, if it may leave.
func (m *mapper) original() {
	raw := m.e.Raw
	switch {
	case len(raw) == 0:
	case utf8.Valid(raw):
		m.whole(`"original":`, string(raw))
	default:
		m.literal(`"original":`, `"`)
		m.b = append(base64.StdEncoding.AppendEncode(m.b, raw), '"')
	}
}

// reason is why the act failed, in the source's words.
func reason(e *schemas.AuditEvent) string {
	if e.Error == nil {
		return ""
	}
	if e.Error.Message != "" {
		return e.Error.Message
	}
	return e.Error.Code
}

// severity is a number that grows with the severity; it is OCSF's.
func severity(word string) string {
	switch word {
	case "info":
		return "1"
	case "low":
		return "2"
	case "medium":
		return "3"
	case "high":
		return "4"
	}
	return ""
}

func (m *mapper) failure() {
	if f := m.e.Error; f != nil {
		mark := m.object(`"error":`)
		m.str(`"code":`, f.Code)
		m.str(`"message":`, f.Message)
		m.end(mark)
	}
}

// place writes where in the organization it happened.
func (m *mapper) place() {
	mark := m.object(`"organization":`)
	m.str(`"id":`, m.e.OrganizationID)
	m.end(mark)
	if p := m.e.Project; p != nil {
		cloud := m.object(`"cloud":`)
		mark := m.object(`"project":`)
		m.str(`"id":`, p.ID)
		m.str(`"name":`, p.Name)
		m.end(mark)
		m.end(cloud)
	}
}

func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	if t.Nanosecond() < int(time.Millisecond) {
		return t.AppendFormat(dst, "2006-01-02T15:04:05Z")
	}
	return t.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}
