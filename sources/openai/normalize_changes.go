package openai

import "auditlog-connector/schemas/rawjson"

// changes reads what was asked for: the members of data and changes_requested, or
// for the types that have them elsewhere, those. What was requested need not have
// been applied.
func (n *normalizer) changes() {
	n.change("data")
	n.change("changes_requested") // wins where both have a name
	for _, name := range flatChanges[n.kind.Type] {
		if v := n.details.Get(name); v.Exists() {
			n.setChange(name, v, 1)
		}
	}
}

// change adds the members of one object of the details. Anything but an object is
// one change of that name: some payloads are free JSON.
func (n *normalizer) change(name string) {
	v := n.details.Get(name)
	if v.Kind() != rawjson.Object {
		if v.Exists() {
			n.setChange(name, v, 1)
		}
		return
	}
	size := 0
	for c := v.First(); c.Kind() != rawjson.Invalid; c = c.Next(v) {
		size++
	}
	for c := v.First(); c.Kind() != rawjson.Invalid; c = c.Next(v) {
		n.setChange(c.Key(), c, size)
	}
}

func (n *normalizer) setChange(name string, v rawjson.Value, size int) {
	if n.e.Changes == nil {
		n.e.Changes = make(map[string]string, size)
	}
	n.e.Changes[name] = v.Compact()
}

// flatChanges are the members that say what was asked for in payloads without
// data and changes_requested. Certificates themselves are left out: they are long,
// and in the details.
var flatChanges = map[string][]string{
	"certificate.updated":        {"name"},
	"ip_allowlist.created":       {"allowed_ips"},
	"ip_allowlist.updated":       {"allowed_ips"},
	"ip_allowlist.deleted":       {"allowed_ips"},
	"role.created":               {"role_name", "permissions", "resource_type", "resource_id"},
	"role.bound_to_resource":     {"permissions", "enabled", "source"},
	"role.unbound_from_resource": {"permissions", "enabled", "source"},
}
