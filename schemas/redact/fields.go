package redact

import (
	"slices"
	"strings"

	"auditlog-connector/schemas"
)

// Why fields of the record cannot be redacted.
const (
	namesEvent = "it names the event: without it nobody can tell a repeated event from another one"
	placesTime = "it places the event in time, and partitions and indexes follow it"
	saysWhat   = "it says what the event is, and every schema starts from it"
	follows    = "it follows from event_type and tells nothing of anybody"
	aboutEntry = "it says which parts of the entry could not be read, not what they hold"
)

// field is one path of the record.
type field struct {
	path string
	hash bool   // it identifies something, so that a hash is of use
	kept string // why it stays; empty: it can be dropped
}

// fields are all of the record, groups in front of what is in them.
var fields = []field{
	{path: "event_id", kept: namesEvent},
	{path: "event_type", kept: saysWhat},
	{path: "effective_at", kept: placesTime},
	{path: "stream", kept: follows},
	{path: "source", kept: namesEvent},
	{path: "organization_id", hash: true},
	{path: "action", kept: follows},
	{path: "outcome", kept: follows},
	{path: "severity", kept: follows},
	{path: "severity_reason", kept: follows},
	{path: "actor"},
	{path: "actor.kind", kept: follows},
	{path: "actor.id", hash: true},
	{path: "actor.email", hash: true},
	{path: "actor.name", hash: true},
	{path: "actor.api_key_id", hash: true},
	{path: "actor.service_account_id", hash: true},
	{path: "actor.ip", hash: true},
	{path: "actor.user_agent", hash: true},
	{path: "actor.ja3", hash: true},
	{path: "actor.ja4", hash: true},
	{path: "actor.geo"},
	{path: "actor.geo.country"},
	{path: "actor.geo.region"},
	{path: "actor.geo.region_code"},
	{path: "actor.geo.city"},
	{path: "actor.geo.latitude"},
	{path: "actor.geo.longitude"},
	{path: "actor.geo.asn"},
	{path: "targets"},
	{path: "targets.type", kept: follows},
	{path: "targets.id", hash: true},
	{path: "targets.name", hash: true},
	{path: "project"},
	{path: "project.id", hash: true},
	{path: "project.name", hash: true},
	{path: "error"},
	{path: "error.code"},
	{path: "error.message"},
	{path: "changes"},
	{path: "known_type", kept: follows},
	{path: "problems", kept: aboutEntry},
	{path: "details"},
	{path: "raw"},
}

// Paths returns the fields that can be dropped, in the order of the record.
func Paths() []string { return paths(func(f field) bool { return f.kept == "" }) }

// HashPaths returns the fields that can be hashed, in the order of the record.
func HashPaths() []string { return paths(func(f field) bool { return f.hash }) }

func paths(want func(field) bool) []string {
	var list []string
	for _, f := range fields {
		if want(f) {
			list = append(list, f.path)
		}
	}
	return list
}

// Kept says why the field at path stays in every record; "" if it can be dropped,
// or there is none.
func Kept(path string) string {
	for _, f := range fields {
		if f.path == path {
			return f.kept
		}
	}
	return ""
}

// under returns path and what is in the group of that name, as far as it can be
// dropped.
func under(path string) []string {
	return slices.DeleteFunc(Paths(), func(p string) bool {
		return p != path && !strings.HasPrefix(p, path+".")
	})
}

// texts calls visit with every text of e that may identify something, by its path.
// visit may change it: what e points to has to be its own.
func texts(e *schemas.AuditEvent, visit func(path string, s *string)) {
	visit("organization_id", &e.OrganizationID)
	a := &e.Actor
	visit("actor.id", &a.ID)
	visit("actor.email", &a.Email)
	visit("actor.name", &a.Name)
	visit("actor.api_key_id", &a.APIKeyID)
	visit("actor.service_account_id", &a.ServiceAccountID)
	visit("actor.ip", &a.IP)
	visit("actor.user_agent", &a.UserAgent)
	visit("actor.ja3", &a.JA3)
	visit("actor.ja4", &a.JA4)
	if g := a.Geo; g != nil {
		visit("actor.geo.country", &g.Country)
		visit("actor.geo.region", &g.Region)
		visit("actor.geo.region_code", &g.RegionCode)
		visit("actor.geo.city", &g.City)
		visit("actor.geo.latitude", &g.Latitude)
		visit("actor.geo.longitude", &g.Longitude)
		visit("actor.geo.asn", &g.ASN)
	}
	for i := range e.Targets {
		visit("targets.id", &e.Targets[i].ID)
		visit("targets.name", &e.Targets[i].Name)
	}
	if p := e.Project; p != nil {
		visit("project.id", &p.ID)
		visit("project.name", &p.Name)
	}
	if f := e.Error; f != nil {
		visit("error.code", &f.Code)
		visit("error.message", &f.Message)
	}
	for i := range e.Problems {
		visit("problems", &e.Problems[i])
	}
}
