package schemas

import (
	"encoding/binary"
	"slices"
)

// Encode appends the Avro binary encoding of e to dst, without framing.
//
// Equal events have equal encodings: the keys of maps are sorted. Empty optional
// strings, empty Changes and empty Details are null. Strings have to be valid
// UTF-8. Encode does not modify e and keeps nothing of it.
func Encode(dst []byte, e *AuditEvent) []byte {
	return appendEvent(slices.Grow(dst, sizeBound(e)), e)
}

func appendEvent(dst []byte, e *AuditEvent) []byte {
	dst = appendStr(dst, e.EventID)
	dst = appendStr(dst, e.EventType)
	dst = binary.AppendVarint(dst, e.EffectiveAt.UnixMilli())
	dst = appendStr(dst, e.Stream)
	dst = appendStr(dst, e.Source)
	dst = appendOpt(dst, e.OrganizationID)
	dst = appendStr(dst, e.Action)
	dst = appendStr(dst, e.Outcome)
	dst = appendStr(dst, e.Severity)
	dst = appendOpt(dst, e.SeverityReason)
	dst = appendActor(dst, &e.Actor)
	dst = appendTargets(dst, e.Targets)
	if p := e.Project; p == nil {
		dst = append(dst, isNull)
	} else {
		dst = append(dst, isSet)
		dst = appendStr(dst, p.ID)
		dst = appendOpt(dst, p.Name)
	}
	if f := e.Error; f == nil {
		dst = append(dst, isNull)
	} else {
		dst = append(dst, isSet)
		dst = appendOpt(dst, f.Code)
		dst = appendOpt(dst, f.Message)
	}
	dst = appendChanges(dst, e.Changes)
	dst = appendBool(dst, e.KnownType)
	if n := len(e.Problems); n > 0 {
		dst = binary.AppendVarint(dst, int64(n))
		for _, p := range e.Problems {
			dst = appendStr(dst, p)
		}
	}
	dst = append(dst, endOfBlocks)
	if len(e.Details) == 0 {
		dst = append(dst, isNull)
	} else {
		dst = append(dst, isSet)
		dst = appendBytes(dst, e.Details)
	}
	return appendBytes(dst, e.Raw)
}

// Branches of the ["null", X] unions, and the end of an array or map, as encoded.
const (
	isNull      = 0
	isSet       = 2
	endOfBlocks = 0
)

func appendActor(dst []byte, a *Actor) []byte {
	dst = appendStr(dst, a.Kind)
	dst = appendOpt(dst, a.ID)
	dst = appendOpt(dst, a.Email)
	dst = appendOpt(dst, a.Name)
	dst = appendOpt(dst, a.APIKeyID)
	dst = appendOpt(dst, a.ServiceAccountID)
	dst = appendOpt(dst, a.IP)
	dst = appendOpt(dst, a.UserAgent)
	dst = appendOpt(dst, a.JA3)
	dst = appendOpt(dst, a.JA4)
	g := a.Geo
	if g == nil {
		return append(dst, isNull)
	}
	dst = append(dst, isSet)
	dst = appendOpt(dst, g.Country)
	dst = appendOpt(dst, g.Region)
	dst = appendOpt(dst, g.RegionCode)
	dst = appendOpt(dst, g.City)
	dst = appendOpt(dst, g.Latitude)
	dst = appendOpt(dst, g.Longitude)
	return appendOpt(dst, g.ASN)
}

func appendTargets(dst []byte, targets []Target) []byte {
	if n := len(targets); n > 0 {
		dst = binary.AppendVarint(dst, int64(n))
		for i := range targets {
			dst = appendStr(dst, targets[i].Type)
			dst = appendOpt(dst, targets[i].ID)
			dst = appendOpt(dst, targets[i].Name)
		}
	}
	return append(dst, endOfBlocks)
}

func appendChanges(dst []byte, changes map[string]string) []byte {
	if len(changes) == 0 {
		return append(dst, isNull)
	}
	dst = append(dst, isSet)
	dst = binary.AppendVarint(dst, int64(len(changes)))
	var few [16]string
	for _, k := range sortedKeys(few[:0], changes) {
		dst = appendStr(dst, k)
		dst = appendStr(dst, changes[k])
	}
	return append(dst, endOfBlocks)
}

// sortedKeys appends the keys of m to keys, sorted.
func sortedKeys(keys []string, m map[string]string) []string {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func appendStr(dst []byte, s string) []byte {
	return append(binary.AppendVarint(dst, int64(len(s))), s...)
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendVarint(dst, int64(len(b))), b...)
}

func appendOpt(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, isNull)
	}
	return appendStr(append(dst, isSet), s)
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// sizeBound returns a little more than the length of e's encoding, so that it is
// allocated once and in nearly the right size: records are kept in memory.
func sizeBound(e *AuditEvent) int {
	const lengths = 96 // two bytes at most for each of the short fields' lengths and branches
	n := lengths + len(e.EventID) + len(e.EventType) + len(e.Stream) + len(e.Source) + len(e.OrganizationID) +
		len(e.Action) + len(e.Outcome) + len(e.Severity) + len(e.SeverityReason) + len(e.Details) + len(e.Raw)
	a := &e.Actor
	n += len(a.Kind) + len(a.ID) + len(a.Email) + len(a.Name) + len(a.APIKeyID) + len(a.ServiceAccountID) +
		len(a.IP) + len(a.UserAgent) + len(a.JA3) + len(a.JA4)
	if g := a.Geo; g != nil {
		n += len(g.Country) + len(g.Region) + len(g.RegionCode) + len(g.City) + len(g.Latitude) + len(g.Longitude) + len(g.ASN)
	}
	for i := range e.Targets {
		n += 8 + len(e.Targets[i].Type) + len(e.Targets[i].ID) + len(e.Targets[i].Name)
	}
	if p := e.Project; p != nil {
		n += len(p.ID) + len(p.Name)
	}
	if f := e.Error; f != nil {
		n += len(f.Code) + len(f.Message)
	}
	for k, v := range e.Changes {
		n += 6 + len(k) + len(v)
	}
	for _, p := range e.Problems {
		n += 2 + len(p)
	}
	return n
}
