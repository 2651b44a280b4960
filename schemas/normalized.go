package schemas

import (
	"encoding/base64"
	"slices"
	"time"
	"unicode/utf8"

	"auditlog-connector/schemas/rawjson"
)

// AppendNormalized appends the normalized form of e to dst: one JSON object on one
// line, without a newline at the end, valid whatever e holds.
//
// It has every field of the Avro schema, under the same name and in the same
// order; null stands where the schema has null. Effective_at is RFC 3339, with
// milliseconds if there are any. Changes are JSON text, as in Avro. Details and
// raw are JSON values, without the white space between tokens and otherwise
// spelled as served; a raw that was left out is null. A raw that is no JSON, or not
// valid UTF-8, is base64 text, and raw_base64 is true beside it; details that are
// no JSON are text.
func AppendNormalized(dst []byte, e *AuditEvent) []byte {
	dst = slices.Grow(dst, sizeBound(e)+normalizedNames)
	dst = member(dst, `{"event_id":`, e.EventID)
	dst = member(dst, `,"event_type":`, e.EventType)
	dst = append(dst, `,"effective_at":"`...)
	dst = appendTime(dst, e.EffectiveAt)
	dst = append(dst, '"')
	dst = member(dst, `,"stream":`, e.Stream)
	dst = member(dst, `,"source":`, e.Source)
	dst = optional(dst, `,"organization_id":`, e.OrganizationID)
	dst = member(dst, `,"action":`, e.Action)
	dst = member(dst, `,"outcome":`, e.Outcome)
	dst = member(dst, `,"severity":`, e.Severity)
	dst = optional(dst, `,"severity_reason":`, e.SeverityReason)
	dst = normalizedActor(dst, &e.Actor)
	dst = normalizedTargets(dst, e.Targets)
	if p := e.Project; p == nil {
		dst = append(dst, `,"project":null`...)
	} else {
		dst = member(dst, `,"project":{"id":`, p.ID)
		dst = optional(dst, `,"name":`, p.Name)
		dst = append(dst, '}')
	}
	if f := e.Error; f == nil {
		dst = append(dst, `,"error":null`...)
	} else {
		dst = optional(dst, `,"error":{"code":`, f.Code)
		dst = optional(dst, `,"message":`, f.Message)
		dst = append(dst, '}')
	}
	dst = normalizedChanges(dst, e.Changes)
	if e.KnownType {
		dst = append(dst, `,"known_type":true,"problems":[`...)
	} else {
		dst = append(dst, `,"known_type":false,"problems":[`...)
	}
	for i, p := range e.Problems {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = rawjson.AppendString(dst, p)
	}
	dst = append(dst, `],"details":`...)
	dst = normalizedDetails(dst, e)
	dst = append(dst, `,"raw":`...)
	dst = normalizedRaw(dst, e)
	return append(dst, '}')
}

// normalizedNames is about what the names and punctuation take.
const normalizedNames = 800

// embedDepth is how deep a value may be that is embedded as JSON. The record is
// one level more, and what sinks wrap it in a few; readers in Go stop at
// [rawjson.MaxDepth].
const embedDepth = rawjson.MaxDepth - 100

func normalizedActor(dst []byte, a *Actor) []byte {
	dst = member(dst, `,"actor":{"kind":`, a.Kind)
	dst = optional(dst, `,"id":`, a.ID)
	dst = optional(dst, `,"email":`, a.Email)
	dst = optional(dst, `,"name":`, a.Name)
	dst = optional(dst, `,"api_key_id":`, a.APIKeyID)
	dst = optional(dst, `,"service_account_id":`, a.ServiceAccountID)
	dst = optional(dst, `,"ip":`, a.IP)
	dst = optional(dst, `,"user_agent":`, a.UserAgent)
	dst = optional(dst, `,"ja3":`, a.JA3)
	dst = optional(dst, `,"ja4":`, a.JA4)
	g := a.Geo
	if g == nil {
		return append(dst, `,"geo":null}`...)
	}
	dst = optional(dst, `,"geo":{"country":`, g.Country)
	dst = optional(dst, `,"region":`, g.Region)
	dst = optional(dst, `,"region_code":`, g.RegionCode)
	dst = optional(dst, `,"city":`, g.City)
	dst = optional(dst, `,"latitude":`, g.Latitude)
	dst = optional(dst, `,"longitude":`, g.Longitude)
	dst = optional(dst, `,"asn":`, g.ASN)
	return append(dst, "}}"...)
}

func normalizedTargets(dst []byte, targets []Target) []byte {
	dst = append(dst, `,"targets":[`...)
	for i := range targets {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = member(dst, `{"type":`, targets[i].Type)
		dst = optional(dst, `,"id":`, targets[i].ID)
		dst = optional(dst, `,"name":`, targets[i].Name)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func normalizedChanges(dst []byte, changes map[string]string) []byte {
	if len(changes) == 0 {
		return append(dst, `,"changes":null`...)
	}
	dst = append(dst, `,"changes":{`...)
	var few [16]string
	for i, k := range sortedKeys(few[:0], changes) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = rawjson.AppendString(dst, k)
		dst = append(dst, ':')
		dst = rawjson.AppendString(dst, changes[k])
	}
	return append(dst, '}')
}

func normalizedDetails(dst []byte, e *AuditEvent) []byte {
	if len(e.Details) == 0 {
		return append(dst, "null"...)
	}
	if out, ok := e.AppendJSON(dst, e.Details); ok {
		return out
	}
	return rawjson.AppendString(dst, string(e.Details))
}

func normalizedRaw(dst []byte, e *AuditEvent) []byte {
	if len(e.Raw) == 0 {
		return append(dst, "null"...) // taken out for this destination
	}
	if out, ok := e.AppendJSON(dst, e.Raw); ok {
		return out
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, e.Raw)
	return append(dst, `","raw_base64":true`...)
}

// AppendJSON appends text, which is e's Raw or Details, as a JSON value without
// white space between its tokens. It returns dst and false if text cannot stand in a
// JSON document: it is empty, no JSON, not valid UTF-8 or nested too deep.
func (e *AuditEvent) AppendJSON(dst, text []byte) ([]byte, bool) {
	if e.plain && len(text) > 0 {
		return append(dst, text...), true
	}
	depth, spaced, err := rawjson.Check(text)
	if err != nil || depth > embedDepth || !utf8.Valid(text) {
		return dst, false
	}
	if !spaced {
		return append(dst, text...), true
	}
	return rawjson.AppendCompact(dst, text), true
}

func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	if t.Nanosecond() < int(time.Millisecond) {
		return t.AppendFormat(dst, "2006-01-02T15:04:05Z")
	}
	return t.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}

func member(dst []byte, name, value string) []byte {
	return rawjson.AppendString(append(dst, name...), value)
}

func optional(dst []byte, name, value string) []byte {
	if value == "" {
		return append(append(dst, name...), "null"...)
	}
	return member(dst, name, value)
}
