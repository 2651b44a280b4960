package openai

import (
	"strings"

	"auditlog-connector/schemas"
	"auditlog-connector/schemas/rawjson"
)

// targets reads what was acted on: the object of the type, then the accounts,
// roles, resources and projects that the payload names beside it.
func (n *normalizer) targets() {
	var t targetList
	n.objects(&t)
	switch n.kind.Action {
	case "assign", "unassign":
		n.assignment(&t)
	case "bind", "unbind":
		n.binding(&t)
	default:
		n.account(&t)
	}
	for _, r := range related[n.kind.Type] {
		t.add(r.kind, text(r.path.From(n.details)), "")
	}
	if t.n > 0 {
		n.e.Targets = append(append(make([]schemas.Target, 0, t.n+len(t.more)), t.few[:t.n]...), t.more...)
	}
}

// targetList is where targets are collected: the usual number takes nothing from the
// heap before it is known.
type targetList struct {
	few  [8]schemas.Target
	n    int // of few
	more []schemas.Target
}

// add appends a target that has an id or a name.
func (t *targetList) add(kind, id, name string) {
	switch target := (schemas.Target{Type: kind, ID: id, Name: name}); {
	case id == "" && name == "":
	case t.n < len(t.few):
		t.few[t.n] = target
		t.n++
	default:
		t.more = append(t.more, target)
	}
}

// objects adds what the catalogue's paths lead to: one object, or several where
// the payload has a list.
func (n *normalizer) objects(t *targetList) {
	path := n.kind.ObjectIDPath
	switch {
	case path.IsZero() && n.kind.Documented:
		return
	case path.IsZero(): // nobody says what the payload has; most have these
		id := text(n.details.Get("id"))
		n.objectOrganization(id)
		t.add(n.kind.ObjectType, id, text(n.details.Get("name")))
		return
	case !path.Each():
		id := n.text(path.From(n.details), path.String())
		if id == "" && n.details.Exists() {
			n.problem("details." + path.String() + ": missing")
		}
		n.objectOrganization(id)
		t.add(n.kind.ObjectType, id, n.objectName())
		return
	}
	list := path.From(n.details)
	if list.Kind() != rawjson.Array {
		if n.details.Exists() {
			n.problem("details." + path.String() + ": not a list")
		}
		return
	}
	if list.First().Kind() == rawjson.Invalid {
		n.problem("details." + path.String() + ": nothing in the list")
	}
	for e := list.First(); e.Kind() != rawjson.Invalid; e = e.Next(list) {
		id := n.text(path.Within(e), path.String())
		if id == "" {
			n.problem("details." + path.String() + ": missing")
		}
		name := ""
		for _, p := range n.kind.ObjectNamePath {
			name = n.text(p.Within(e), p.String())
		}
		t.add(n.kind.ObjectType, id, name)
	}
}

// objectName follows the paths to the first name there is.
func (n *normalizer) objectName() string {
	for _, p := range n.kind.ObjectNamePath {
		if name := n.text(p.From(n.details), p.String()); name != "" {
			return name
		}
	}
	return ""
}

// text is field for a value that was found already, by path from the details.
func (n *normalizer) text(v rawjson.Value, path string) string {
	switch v.Kind() {
	case rawjson.Bool, rawjson.Array, rawjson.Object:
		n.problem("details." + path + ": not a string")
	}
	return text(v)
}

// objectOrganization notes the organization if the object is one, or is known by
// its id, as a directory is.
func (n *normalizer) objectOrganization(id string) {
	if n.kind.ObjectType == "organization" || n.kind.ObjectType == "scim" {
		n.organization(id)
	}
	n.organization(text(n.details.Get("resource_id")))
}

// account adds the account that was acted on, unless it is the object itself.
func (n *normalizer) account(t *targetList) {
	path := n.kind.TargetUserPath
	if path.IsZero() || path.String() == n.kind.ObjectIDPath.String() {
		return
	}
	if path.Root { // a login: the actor's own account
		t.add(kindUser, text(path.From(n.root)), n.e.Actor.Email)
		return
	}
	value := n.text(path.From(n.details), path.String())
	switch path.Last() {
	case "email":
		t.add(kindUser, "", value)
	case "service_account_id":
		t.add(kindServiceAccount, value, "")
	default:
		t.add(kindUser, value, "")
	}
}

// assignment adds who got or lost a role, the role, and where it applies. What
// the payload does not name may be in the assignment's id.
func (n *normalizer) assignment(t *targetList) {
	a := assignment{
		role:          n.field(n.details, "details.", "role_id"),
		resourceType:  n.field(n.details, "details.", "resource_type"),
		resource:      n.field(n.details, "details.", "resource_id"),
		principalType: n.field(n.details, "details.", "principal_type"),
		principal:     n.field(n.details, "details.", "principal_id"),
	}
	a.fill(text(n.details.Get("id")))
	n.organization(a.resource)
	t.add(a.principalType, a.principal, "")
	t.add("role", a.role, "")
	t.add(a.resourceType, a.resource, "")
}

// binding adds the resource that a role was bound to. Its id is made of those of a
// workspace and a connector.
func (n *normalizer) binding(t *targetList) {
	id := n.field(n.details, "details.", "resource_id")
	if id == "" {
		id = text(n.details.Get("id"))
	}
	kind := n.field(n.details, "details.", "resource_type")
	if kind == "" {
		kind = "resource"
	}
	name := n.field(n.details, "details.", "connector_name")
	workspace := n.field(n.details, "details.", "workspace_id")
	connector := n.field(n.details, "details.", "connector_id")
	if w, c, ok := strings.Cut(id, "__"); ok && w != "" && c != "" {
		if workspace == "" {
			workspace = w
		}
		if connector == "" {
			connector = c
		}
	}
	t.add(kind, id, name)
	t.add("workspace", workspace, "")
	t.add("connector", connector, "")
}

// related are further objects that payloads of a type name.
var related = map[string][]relatedPath{
	"checkpoint.permission.created":              {{"project", rawjson.ParsePath("data.project_id")}},
	"workload_identity_provider_mapping.created": {identityProvider},
	"workload_identity_provider_mapping.updated": {identityProvider},
	"workload_identity_provider_mapping.deleted": {identityProvider, {"project", rawjson.ParsePath("project_id")}},
}

type relatedPath struct {
	kind string
	path rawjson.Path
}

var identityProvider = relatedPath{"workload_identity_provider", rawjson.ParsePath("identity_provider_id")}
