// Package document makes JSON documents of events, one an event, in the schemas
// that a sink's "schema" setting chooses from.
package document

import (
	"encoding/base64"
	"strings"

	"auditlog-connector/schemas"
	"auditlog-connector/schemas/cim"
	"auditlog-connector/schemas/ecs"
	"auditlog-connector/schemas/ocsf"
)

// Append adds e as one JSON document to dst: one line, without the newline. It is
// pure and deterministic, may be called concurrently, and keeps nothing of e.
type Append func(dst []byte, e *schemas.AuditEvent) []byte

// schemata are all there are, in the order in which they are named to users.
var schemata = []struct {
	name   string
	append Append
}{
	{"normalized", schemas.AppendNormalized},
	{"ecs", ecs.Append},
	{"ocsf", ocsf.Append},
	{"cim", cim.Append},
	{"raw", appendRaw},
}

// Lookup returns the schema of that name, nil if there is none.
func Lookup(name string) Append {
	for _, s := range schemata {
		if s.name == name {
			return s.append
		}
	}
	return nil
}

// Names lists the schemas in words, for a hint: "normalized, ecs or raw".
func Names() string {
	names := make([]string, len(schemata))
	for i, s := range schemata {
		names[i] = s.name
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// appendRaw adds the entry as served without the white space between its tokens.
// What is not JSON in UTF-8 is base64 in an object, as in the other schemas.
func appendRaw(dst []byte, e *schemas.AuditEvent) []byte {
	if out, ok := e.AppendJSON(dst, e.Raw); ok {
		return out
	}
	dst = append(dst, `{"raw":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, e.Raw)
	return append(dst, `","raw_base64":true}`...)
}
