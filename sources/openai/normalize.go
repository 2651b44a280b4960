package openai

import (
	"strings"
	"sync"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
	"auditlog-connector/schemas/rawjson"
)

// documents keeps the memory in which entries are parsed.
var documents = sync.Pool{New: func() any { return new(rawjson.Doc) }}

// pooledBody is the longest entry whose memory is kept.
const pooledBody = 64 << 10

// normalize maps one entry of the named source onto the audit schema. It is pure
// and total: an entry that cannot be read becomes a record with its position, its
// bytes and a list of problems.
//
// The position is the source's: it has read the id and the time already, or made
// an id for an entry without one.
func normalize(source string, r pipeline.Raw) pipeline.Event {
	doc := documents.Get().(*rawjson.Doc)
	defer release(doc, len(r.Body))
	return normalizeParsed(source, r, doc, doc.Reset(r.Body))
}

// normalizeParsed is normalize of an entry that is in doc, or that could not be
// parsed because of err.
func normalizeParsed(source string, r pipeline.Raw, doc *rawjson.Doc, err error) pipeline.Event {
	n := normalizer{}
	n.e.EventID, n.e.EffectiveAt = strings.ToValidUTF8(r.ID, "\uFFFD"), r.Time
	n.e.Source, n.e.Raw = source, r.Body
	n.entry(doc, err)
	return pipeline.Event{Raw: r, Audit: n.e}
}

// release lets go of the entry in doc, which has so many bytes.
func release(doc *rawjson.Doc, size int) {
	doc.Clear()
	if size <= pooledBody {
		documents.Put(doc)
	}
}

// normalizer is the state of one call of normalize.
type normalizer struct {
	e       schemas.AuditEvent // being filled
	kind    *schemas.EventType
	root    rawjson.Value
	details rawjson.Value // none, unless it is an object
}

func (n *normalizer) entry(doc *rawjson.Doc, err error) {
	switch {
	case err != nil:
		n.problem("entry: not JSON: " + err.Error())
	case doc.Root().Kind() != rawjson.Object:
		n.problem("entry: not an object")
	default:
		n.root = doc.Root()
	}
	if !doc.ValidUTF8() {
		n.problem("entry: not valid UTF-8")
	}
	n.id()
	n.eventType()
	n.actor()
	n.project()
	n.targets()
	n.changes()
	n.failure()
	if n.root.Exists() {
		n.e.Parsed(doc)
	}
}

// problem notes what could not be read, once.
func (n *normalizer) problem(text string) {
	for _, p := range n.e.Problems {
		if p == text {
			return
		}
	}
	n.e.Problems = append(n.e.Problems, text)
}

// field returns a member that should be a string. A number is taken as it is
// spelled; anything else but null is a problem.
func (n *normalizer) field(parent rawjson.Value, where, name string) string {
	v := parent.Get(name)
	switch v.Kind() {
	case rawjson.String, rawjson.Number:
		return v.Text()
	case rawjson.Invalid, rawjson.Null:
		return ""
	}
	n.problem(where + name + ": not a string")
	return ""
}

// text returns a value that may be a string or a number, and nothing of any other.
func text(v rawjson.Value) string {
	if k := v.Kind(); k == rawjson.String || k == rawjson.Number {
		return v.Text()
	}
	return ""
}

// id notes that the position's id is not the entry's.
func (n *normalizer) id() {
	if v := n.root.Get("id"); !n.root.Exists() || v.Kind() == rawjson.String && v.Is(n.e.EventID) {
		return
	}
	switch n.field(n.root, "", "id") {
	case n.e.EventID:
	case "":
		n.problem("id: missing; made from the entry's bytes")
	default:
		n.problem("id: not taken as served")
	}
}

// eventType reads the type, finds the details under the key of the same name, and
// fills what the catalogue says of both.
func (n *normalizer) eventType() {
	n.e.EventType = n.field(n.root, "", "type")
	if n.e.EventType == "" && n.root.Exists() {
		n.problem("type: missing")
	}
	listed := schemas.Catalogue().Lookup(n.e.EventType)
	n.readDetails(listed)
	n.kind = listed.For(n.details)
	n.e.Stream = n.kind.Feed
	n.e.Action = n.kind.Action
	n.e.Outcome = n.kind.Outcome
	n.e.Severity = n.kind.Severity
	n.e.SeverityReason = n.kind.SeverityReason
	n.e.KnownType = n.kind.Known
}

func (n *normalizer) readDetails(listed *schemas.EventType) {
	switch n.e.EventType {
	case "", "object", "id", "type", "effective_at", "project", "actor":
		return // names of the entry itself
	}
	v := n.root.Get(n.e.EventType)
	switch v.Kind() {
	case rawjson.Object:
		n.details = v
	case rawjson.Invalid, rawjson.Null:
		if !listed.ObjectIDPath.IsZero() {
			n.problem("details: missing")
		}
		return
	default:
		n.problem("details: not an object")
	}
	n.e.Details = v.ValidBytes()
}

func (n *normalizer) project() {
	v := n.root.Get("project")
	switch v.Kind() {
	case rawjson.Object:
	case rawjson.Invalid, rawjson.Null:
		return
	default:
		n.problem("project: not an object")
		return
	}
	p := schemas.Project{ID: n.field(v, "project.", "id"), Name: n.field(v, "project.", "name")}
	if p.ID == "" {
		n.problem("project.id: missing")
	}
	if p != (schemas.Project{}) {
		n.e.Project = &p
	}
}

// failure reads why an act failed.
func (n *normalizer) failure() {
	f := schemas.EventError{
		Code:    n.field(n.details, "details.", "error_code"),
		Message: n.field(n.details, "details.", "error_message"),
	}
	if f != (schemas.EventError{}) {
		n.e.Error = new(f)
	}
}

// organization notes the organization that the payload names, if id is one's.
func (n *normalizer) organization(id string) {
	if n.e.OrganizationID == "" && strings.HasPrefix(id, "org-") {
		n.e.OrganizationID = id
	}
}
