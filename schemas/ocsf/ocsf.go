package ocsf

import (
	"slices"
	"strconv"
	"sync"

	"auditlog-connector/schemas"
	"auditlog-connector/schemas/rawjson"
)

// Version is the version of the schema that documents follow.
const Version = "1.8.0"

// The classes that events are mapped onto.
const (
	accountChange    = 3001
	authentication   = 3002
	entityManagement = 3004
	userAccess       = 3005
	groupManagement  = 3006
)

// activityOther is the activity of which only the name says what it is.
const activityOther = 99

var classNames = map[int]string{
	accountChange:    "Account Change",
	authentication:   "Authentication",
	entityManagement: "Entity Management",
	userAccess:       "User Access Management",
	groupManagement:  "Group Management",
}

// document is the state of one call of Append.
type document struct {
	writer
	e       *schemas.AuditEvent
	kind    *schemas.EventType
	details rawjson.Value // none, if they are no JSON
	subject subject
	source  source
	seen    observables
}

// parsers keep the memory in which details and changes are parsed.
var parsers = sync.Pool{New: func() any { return new(rawjson.Doc) }}

// pooledText is the longest text whose parser is kept.
const pooledText = 64 << 10

// fixed is about what names, captions and punctuation take.
const fixed = 3 << 10

// Append adds e as one OCSF document to dst: one line, without the newline, valid
// whatever e holds. It is pure and deterministic, may be called concurrently, and
// keeps nothing of e.
//
// The entry as served is the text in raw_data. If it is not valid UTF-8, raw_data
// is its base64 and unmapped.raw_base64 is true; the schema has no attribute for
// that. An e without Raw has no raw_data.
func Append(dst []byte, e *schemas.AuditEvent) []byte {
	d := document{writer: writer{b: slices.Grow(dst, fixed+len(e.Raw)*5/4+2*len(e.Details))}, e: e}
	d.kind = schemas.Catalogue().Lookup(e.EventType)
	if len(e.Details) > 0 {
		doc := parsers.Get().(*rawjson.Doc)
		if doc.Reset(e.Details) == nil {
			d.details = doc.Root()
			d.kind = d.kind.For(d.details)
		}
		defer release(doc, len(e.Details))
	}
	d.resolve()
	d.source.read(&e.Actor)

	d.b = append(d.b, '{')
	d.metadata()
	d.classification()
	d.actor()
	d.endpoint()
	d.cloud()
	d.classed()
	d.enrichments()
	d.unmapped()
	d.observables()
	d.raw()
	d.endObject()
	return d.b
}

func release(doc *rawjson.Doc, size int) {
	doc.Clear()
	if size <= pooledText {
		parsers.Put(doc)
	}
}

func (d *document) metadata() {
	e := d.e
	d.object("metadata")
	d.text("version", Version)
	d.b = append(d.b, `,"product":{"name":"OpenAI API Platform","vendor_name":"OpenAI","version":"v1","feature":{"name":"Audit logs"}},"profiles":["cloud"]`...)
	d.text("uid", e.EventID)
	d.text("event_code", e.EventType)
	if e.Stream != "" {
		d.text("log_name", e.Stream+".audit_log")
	}
	d.text("log_provider", "OpenAI")
	d.text("log_source", e.Source)
	d.key("original_time")
	d.b = append(d.b, '"')
	d.b = strconv.AppendInt(d.b, e.EffectiveAt.Unix(), 10)
	d.b = append(d.b, '"')
	d.text("tenant_uid", e.OrganizationID)
	if d.subject.unknown || !e.KnownType || len(e.Problems) > 0 {
		d.array("labels")
		if d.subject.unknown {
			d.item("target_unknown")
		}
		if !e.KnownType {
			d.item("type_unknown")
		}
		if len(e.Problems) > 0 {
			d.item("problems")
		}
		d.endArray()
	}
	d.endObject()
}

func (d *document) classification() {
	e, class := d.e, &d.kind.OCSF
	d.integer("time", e.EffectiveAt.UnixMilli())
	d.enum("category_uid", 3, "category_name", "Identity & Access Management")
	name := classNames[class.ClassUID]
	d.enum("class_uid", class.ClassUID, "class_name", name)
	activity := class.ActivityName
	if activity == "" {
		activity = "Other"
	}
	d.enum("activity_id", class.ActivityID, "activity_name", activity)
	if class.ActivityID == activityOther {
		activity = "Other"
	}
	d.integer("type_uid", int64(class.TypeUID))
	d.text("type_name", name+": "+activity)
	severity, caption := severityOf(e.Severity)
	d.enum("severity_id", severity, "severity", caption)
	status, caption := statusOf(e.Outcome)
	d.enum("status_id", status, "status", caption)
	detail := e.SeverityReason
	if f := e.Error; f != nil {
		d.text("status_code", f.Code)
		d.text("status_detail", f.Message)
		if f.Message != "" {
			detail = f.Message
		}
	}
	if detail != "" {
		detail = e.EventType + ": " + detail
	} else {
		detail = e.EventType
	}
	d.text("message", detail)
}

func severityOf(s string) (id int, caption string) {
	switch s {
	case "info":
		return 1, "Informational"
	case "low":
		return 2, "Low"
	case "medium":
		return 3, "Medium"
	case "high":
		return 4, "High"
	}
	return 0, "Unknown"
}

func statusOf(outcome string) (id int, caption string) {
	switch outcome {
	case "success":
		return 1, "Success"
	case "failure":
		return 2, "Failure"
	}
	return 0, "Unknown"
}

// cloud writes where in the service it happened: the organization, and the project
// as an account of it.
func (d *document) cloud() {
	d.object("cloud")
	d.text("provider", "OpenAI")
	if d.e.OrganizationID != "" {
		d.object("org")
		d.text("uid", d.e.OrganizationID)
		d.endObject()
	}
	if p := d.e.Project; p != nil && (p.ID != "" || p.Name != "") {
		d.object("account")
		d.text("uid", p.ID)
		d.text("name", p.Name)
		d.enum("type_id", 99, "type", "OpenAI Project")
		d.endObject()
		d.see("cloud.account", ".uid", observedAccountID, p.ID)
		d.see("cloud.account", ".name", observedAccountName, p.Name)
	}
	d.endObject()
}

// enrichments writes what the catalogue adds to the entry: why the severity is what
// it is, and what the act would be if it were malicious.
func (d *document) enrichments() {
	techniques := d.kind.MITREAttack
	if d.e.SeverityReason == "" && len(techniques) == 0 {
		return
	}
	d.array("enrichments")
	if d.e.SeverityReason != "" {
		_, caption := severityOf(d.e.Severity)
		d.enrichment("severity", caption, "severity_reason", "why the severity is what it is")
		d.text("reason", d.e.SeverityReason)
		d.endObject()
		d.endObject()
	}
	if len(techniques) > 0 {
		d.enrichment("metadata.event_code", d.e.EventType, "mitre_attack", "what the act would be if it were malicious")
		d.array("techniques")
		for _, t := range techniques {
			d.item(t)
		}
		d.endArray()
		d.endObject()
		d.endObject()
	}
	d.endArray()
}

// enrichment begins one, and its data, for the attribute of that name and value.
func (d *document) enrichment(name, value, typ, desc string) {
	d.element()
	d.text("name", name)
	d.text("value", value)
	d.text("type", typ)
	d.text("desc", desc)
	d.text("provider", "auditlog-connector")
	d.object("data")
}
