package cim

import (
	"slices"
	"strings"

	"auditlog-connector/schemas"
	"auditlog-connector/schemas/rawjson"
)

func (m *mapper) change() {
	e, c := m.e, &m.kind.CIM
	m.b = append(m.b, `,"dvc":"openai"`...)
	m.str(`,"change_type":`, c.ChangeType)
	m.str(`,"command":`, e.EventType)
	m.str(`,"object_category":`, c.ObjectCategory)
	m.users()
	m.object()
	m.attributes()
	switch e.Outcome {
	case "success":
		m.str(`,"status":`, "success")
	case "failure":
		m.str(`,"status":`, "failure")
		if e.Error != nil {
			m.str(`,"result":`, first(e.Error.Message, e.Error.Code))
			m.str(`,"result_id":`, e.Error.Code)
		}
	}
	if c.Dataset == networkChanges {
		m.network()
	}
	m.assignment()
}

// users writes who acted, and in the data set of accounts, on whom.
func (m *mapper) users() {
	a := &m.e.Actor
	if m.kind.CIM.Dataset != accountManagement {
		m.str(`,"user":`, actor(a))
		m.str(`,"user_name":`, a.Name)
		m.str(`,"user_type":`, actorType(a))
		return
	}
	if t := m.target(m.isObject()); t != nil {
		if strings.Contains(t.Name, "@") { // what people sign in with
			m.str(`,"user":`, t.Name)
		} else {
			m.str(`,"user":`, first(t.ID, t.Name))
			m.str(`,"user_name":`, t.Name)
		}
		m.str(`,"user_type":`, t.Type)
	}
	m.str(`,"src_user":`, actor(a))
	m.str(`,"src_user_name":`, a.Name)
	m.str(`,"src_user_type":`, actorType(a))
}

// object writes what has changed: all of it, if there are several.
func (m *mapper) object() {
	is := m.isObject()
	for i := range m.e.Targets {
		if t := &m.e.Targets[i]; is(t.Type) {
			m.item(`,"object":"`, first(t.Name, t.ID))
		}
	}
	m.endList()
	for i := range m.e.Targets {
		if t := &m.e.Targets[i]; is(t.Type) {
			m.item(`,"object_id":"`, t.ID)
		}
	}
	m.endList()
	if t := m.target(is); t != nil && t.ID != "" && m.e.Project != nil && m.e.Project.ID != "" {
		m.str(`,"object_path":`, m.e.Project.ID+"/"+t.ID)
	}
}

// isObject tells the targets that have changed from those that are only named. Of an
// assignment that counts as a change of its principal, that is the principal.
func (m *mapper) isObject() func(kind string) bool {
	switch category := m.kind.CIM.ObjectCategory; {
	case !m.assigns() || category == m.kind.ObjectType:
		return func(kind string) bool { return kind == m.kind.ObjectType }
	case category == "user":
		return isAccount
	default:
		return func(kind string) bool { return kind == category }
	}
}

// attributes writes the names of what was asked to change.
func (m *mapper) attributes() {
	if m.assigns() {
		m.str(`,"object_attrs":`, "role")
		return
	}
	var few [16]string
	names := few[:0]
	for name := range m.e.Changes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		m.item(`,"object_attrs":"`, name)
	}
	m.endList()
}

// network writes what an allow-list lets in.
func (m *mapper) network() {
	m.b = append(m.b, `,"direction":"inbound","rule_action":"allow"`...)
	m.text = append(m.text[:0], m.e.Changes["allowed_ips"]...)
	if len(m.text) == 0 || m.doc.Reset(m.text) != nil {
		return
	}
	list := m.doc.Root()
	for c := list.First(); c.Kind() != rawjson.Invalid; c = c.Next(list) {
		m.item(`,"src_ip_range":"`, c.Text())
	}
	m.endList()
}

// assignment writes who got or lost which role, and for what; or what a role was
// bound to or unbound from.
func (m *mapper) assignment() {
	switch m.kind.Action {
	case "assign", "unassign", "bind", "unbind":
	default:
		return
	}
	isPrincipal := func(kind string) bool { return isAccount(kind) || kind == "group" }
	isRole := func(kind string) bool { return kind == "role" }
	isResource := func(kind string) bool {
		return !isPrincipal(kind) && !isRole(kind) && kind != m.kind.ObjectType // the assignment itself
	}
	if t := m.target(isPrincipal); t != nil {
		m.str(`,"principal_type":`, t.Type)
		m.str(`,"principal_id":`, t.ID)
	}
	if t := m.target(isRole); t != nil {
		m.str(`,"role_id":`, t.ID)
	}
	if t := m.target(isResource); t != nil {
		m.str(`,"resource_type":`, t.Type)
		m.str(`,"resource_id":`, t.ID)
	}
}

// assigns reports whether the event gives or takes a role.
func (m *mapper) assigns() bool { return m.kind.Action == "assign" || m.kind.Action == "unassign" }

// target returns the first target of which is says so; nil: none.
func (m *mapper) target(is func(kind string) bool) *schemas.Target {
	for i := range m.e.Targets {
		if is(m.e.Targets[i].Type) {
			return &m.e.Targets[i]
		}
	}
	return nil
}

// isAccount reports whether a target is one that can act.
func isAccount(kind string) bool { return kind == "user" || kind == "service_account" }
