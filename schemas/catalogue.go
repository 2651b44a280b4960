package schemas

import (
	"strings"
	"sync"

	"auditlog-connector/schemas/rawjson"
)

// EventType is what the catalogue says of one type of event. It and everything
// it refers to is shared and must not be modified.
type EventType struct {
	Type       string // as listed; of an unknown type, as asked for
	Known      bool   // listed
	Feed       string // organization or tenant
	Documented bool   // the payload is
	Note       string

	Action         string
	Outcome        string // success, failure, unknown
	Severity       string // info, low, medium, high
	SeverityReason string
	MITREAttack    []string // techniques, if the act were malicious

	// ObjectType is what was acted on. The paths lead from the details to its id
	// and its name, the first that has one, and to the account that was acted on.
	ObjectType     string
	ObjectIDPath   Path
	ObjectNamePath []Path
	TargetUserPath Path

	// TargetUnknown is why an entry as documented may not name all that was acted on.
	// It is empty where it always does, and for types whose payload nobody documents.
	TargetUnknown string

	ECS  ECSClass
	OCSF OCSFClass
	CIM  CIMClass

	overrides []override
	variants  []*EventType // by which overrides hit, one bit each; nil without any
}

// ECSClass is where a type belongs in the Elastic Common Schema.
type ECSClass struct {
	Category []string
	Type     []string
}

// OCSFClass is where a type belongs in the Open Cybersecurity Schema Framework.
type OCSFClass struct {
	ClassUID       int
	ActivityID     int
	ActivityName   string
	TypeUID        int
	RequiredTarget []string // the attributes that the class requires besides the base ones
	EntityTypeID   int      // 0: none
	SeverityID     int
	StatusID       int
}

// CIMClass is where a type belongs in Splunk's Common Information Model.
type CIMClass struct {
	Model, Dataset string
	Tags           []string
	Action         string
	ObjectCategory string // empty: none
	ChangeType     string // empty: none
}

// Path leads to a value: from the details, or from the entry's root.
type Path struct {
	rawjson.Path
	Root bool
}

func parsePath(s string) Path {
	rest, root := strings.CutPrefix(s, "$.")
	return Path{Path: rawjson.ParsePath(rest), Root: root}
}

// EventTypes is the catalogue: what is known of each type of event, and rules for
// the types that nobody has listed yet. It is safe for concurrent use.
type EventTypes struct {
	types map[string]*EventType
	order []*EventType
	rules fallback
}

// aliases are types that were renamed; the older name shares the row.
var aliases = map[string]string{
	"checkpoint_permission.created": "checkpoint.permission.created",
	"checkpoint_permission.deleted": "checkpoint.permission.deleted",
}

var catalogue = sync.OnceValue(loadCatalogue)

// Catalogue returns the embedded catalogue. It is read at the first call.
func Catalogue() *EventTypes { return catalogue() }

// Types returns the listed types in the order of the table. It is shared and must
// not be modified.
func (c *EventTypes) Types() []*EventType { return c.order }

// Lookup returns what is known of eventType. A type that is not listed is
// classified by its verb and its noun, with Known false; Lookup never returns nil.
func (c *EventTypes) Lookup(eventType string) *EventType {
	if t, ok := c.types[eventType]; ok {
		return t
	}
	return c.rules.classify(eventType)
}

// HasOverrides reports whether [EventType.For] depends on the payload.
func (t *EventType) HasOverrides() bool { return t.variants != nil }

// For returns t as it applies to an event with these details: some payloads make
// an event graver, or another class of event. Of details that are missing, pass
// the zero Value.
func (t *EventType) For(details rawjson.Value) *EventType {
	if t.variants == nil {
		return t
	}
	hit := 0
	for i := range t.overrides {
		if t.overrides[i].hits(details) {
			hit |= 1 << i
		}
	}
	return t.variants[hit]
}
