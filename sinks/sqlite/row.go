package sqlite

import (
	"database/sql/driver"
	"maps"
	"slices"
	"strings"

	"auditlog-connector/schemas"
	"auditlog-connector/schemas/rawjson"
)

// bind sets the values of one row, in the order of columns. They stay valid until
// the next call.
func (in *inserter) bind(e *schemas.AuditEvent) {
	var geo schemas.Geo
	if e.Actor.Geo != nil {
		geo = *e.Actor.Geo
	}
	var project schemas.Project
	if e.Project != nil {
		project = *e.Project
	}
	var failure schemas.EventError
	if e.Error != nil {
		failure = *e.Error
	}
	raw := e.Raw
	if raw == nil {
		raw = []byte{}
	}
	in.next = 0
	in.name(e.Source)
	in.name(e.EventID)
	in.required(e.EventType)
	in.value(e.EffectiveAt.UnixMilli())
	in.required(e.Stream)
	in.optional(e.OrganizationID)
	in.required(e.Action)
	in.required(e.Outcome)
	in.required(e.Severity)
	in.optional(e.SeverityReason)
	in.required(e.Actor.Kind)
	in.optional(e.Actor.ID)
	in.optional(e.Actor.Email)
	in.optional(e.Actor.Name)
	in.optional(e.Actor.APIKeyID)
	in.optional(e.Actor.ServiceAccountID)
	in.optional(e.Actor.IP)
	in.optional(e.Actor.UserAgent)
	in.optional(e.Actor.JA3)
	in.optional(e.Actor.JA4)
	in.optional(geo.Country)
	in.optional(geo.Region)
	in.optional(geo.RegionCode)
	in.optional(geo.City)
	in.optional(geo.Latitude)
	in.optional(geo.Longitude)
	in.optional(geo.ASN)
	in.name(string(appendTargets(in.text[:0], e.Targets)))
	in.optional(project.ID)
	in.optional(project.Name)
	in.optional(failure.Code)
	in.optional(failure.Message)
	if e.Changes == nil {
		in.value(nil)
	} else {
		in.name(string(appendChanges(in.text[:0], e.Changes)))
	}
	in.value(e.KnownType)
	in.name(string(appendList(in.text[:0], e.Problems)))
	in.optional(string(e.Details))
	in.value(raw)
}

func (in *inserter) value(v driver.Value) {
	in.values[in.next].Value = v
	in.next++
}

// name sets a value as it is: what names the row, and text made here.
func (in *inserter) name(s string) {
	// Most columns repeat from row to row; what is there already is not made again.
	if old, ok := in.values[in.next].Value.(string); ok && old == s {
		in.next++
		return
	}
	in.value(s)
}

// required sets a value that has to be valid text; the entry as served is in raw.
func (in *inserter) required(s string) { in.name(strings.ToValidUTF8(s, "\uFFFD")) }

// optional is required, and NULL if there is nothing.
func (in *inserter) optional(s string) {
	if s == "" {
		in.value(nil)
		return
	}
	in.required(s)
}

func appendTargets(dst []byte, targets []schemas.Target) []byte {
	dst = append(dst, '[')
	for i, t := range targets {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"type":`...)
		dst = rawjson.AppendString(dst, t.Type)
		dst = appendOptional(dst, `,"id":`, t.ID)
		dst = appendOptional(dst, `,"name":`, t.Name)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func appendOptional(dst []byte, name, s string) []byte {
	dst = append(dst, name...)
	if s == "" {
		return append(dst, "null"...)
	}
	return rawjson.AppendString(dst, s)
}

func appendList(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = rawjson.AppendString(dst, s)
	}
	return append(dst, ']')
}

// appendChanges keeps the form of the Avro record: each value is JSON text.
func appendChanges(dst []byte, m map[string]string) []byte {
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = rawjson.AppendString(dst, name)
		dst = append(dst, ':')
		dst = rawjson.AppendString(dst, m[name])
	}
	return append(dst, '}')
}
