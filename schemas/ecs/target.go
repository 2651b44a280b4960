package ecs

import "auditlog-connector/schemas"

// isAccount reports whether a target is one that can act.
func isAccount(kind string) bool { return kind == "user" || kind == "service_account" }

// target returns the first target of which is says so; nil: none.
func (m *mapper) target(is func(kind string) bool) *schemas.Target {
	for i := range m.e.Targets {
		if is(m.e.Targets[i].Type) {
			return &m.e.Targets[i]
		}
	}
	return nil
}

// userTarget writes the account that was acted on. In a sign-in that is the actor.
func (m *mapper) userTarget() {
	t := m.target(isAccount)
	if t == nil || m.signIn() {
		return
	}
	mark := m.object(`"target":`)
	m.str(`"id":`, t.ID)
	if isEmail(t.Name) {
		m.account(t.Name, "")
	} else {
		m.account("", t.Name)
	}
	switch m.kind.Action {
	case "create", "invite": // the role it begins with
		m.strs(`"roles":`, m.one(m.change("role")))
	}
	m.end(mark)
}

// userChanges writes what the account was asked to become.
func (m *mapper) userChanges() {
	if m.target(isAccount) == nil {
		return
	}
	mark := m.object(`"changes":`)
	switch m.kind.Action {
	case "update":
		m.str(`"email":`, m.change("email"))
		m.str(`"full_name":`, m.change("name"))
		m.strs(`"roles":`, m.one(m.change("role")))
	case "assign":
		if role := m.target(isRole); role != nil {
			m.strs(`"roles":`, m.one(role.ID))
		}
	}
	m.end(mark)
}

// one returns the list of s, or none of nothing. It is good until the next call.
func (m *mapper) one(s string) []string {
	if s == "" {
		return nil
	}
	m.single[0] = s
	return m.single[:]
}

func isRole(kind string) bool  { return kind == "role" }
func isGroup(kind string) bool { return kind == "group" }

func (m *mapper) group() {
	if t := m.target(isGroup); t != nil {
		mark := m.object(`"group":`)
		m.str(`"id":`, t.ID)
		m.str(`"name":`, t.Name)
		m.end(mark)
	}
}

// entity writes the object that was acted on, if it is no account and no group.
func (m *mapper) entity() {
	isOther := func(kind string) bool { return !isAccount(kind) && !isGroup(kind) }
	if t := m.target(isOther); t != nil {
		entity := m.object(`"entity":`)
		mark := m.object(`"target":`)
		m.str(`"id":`, t.ID)
		m.end(mark)
		m.end(entity)
	}
}

// assignment writes what a role assignment says, each part under its name: who got
// or lost which role, and for what; or what a role was bound to or unbound from.
func (m *mapper) assignment() {
	switch m.kind.Action {
	case "assign", "unassign", "bind", "unbind":
	default:
		return
	}
	isPrincipal := func(kind string) bool { return isAccount(kind) || isGroup(kind) }
	isResource := func(kind string) bool {
		return !isPrincipal(kind) && !isRole(kind) && kind != m.kind.ObjectType // the assignment itself
	}
	mark := m.object(`"assignment":`)
	if t := m.target(isPrincipal); t != nil {
		m.str(`"principal_type":`, t.Type)
		m.str(`"principal_id":`, t.ID)
	}
	if t := m.target(isRole); t != nil {
		m.str(`"role_id":`, t.ID)
	}
	if t := m.target(isResource); t != nil {
		m.str(`"resource_type":`, t.Type)
		m.str(`"resource_id":`, t.ID)
	}
	m.end(mark)
}

// assigns reports whether the event gives or takes a role.
func (m *mapper) assigns() bool { return m.kind.Action == "assign" || m.kind.Action == "unassign" }
