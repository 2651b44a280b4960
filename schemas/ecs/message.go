package ecs

import (
	"unicode/utf8"

	"auditlog-connector/schemas/rawjson"
)

// message writes the event as a line for people:
//
//	role.assignment.created by lea@example.com: user user-1, role reader, project p
//	login.failed from 192.0.2.199: The e-mail or password is incorrect.
func (m *mapper) message() {
	m.literal(`"message":`, `"`)
	if m.e.EventType == "" {
		m.words("", "an entry that could not be read")
	}
	m.words("", m.e.EventType)
	switch a := &m.e.Actor; {
	case a.Email != "":
		m.words(" by ", a.Email)
	case a.ID != "":
		m.words(" by ", a.ID)
	default:
		m.words(" from ", a.IP)
	}
	lead, left := ": ", 3
	for i := range m.e.Targets {
		t := &m.e.Targets[i]
		if left == 0 || m.signIn() || m.assigns() && t.Type == m.kind.ObjectType {
			continue // by whom is said; an assignment is what follows
		}
		left--
		name := t.Name
		if name == "" {
			name = t.ID
		}
		m.words(lead, t.Type)
		m.words(" ", name)
		lead = ", "
	}
	m.words(lead, reason(m.e))
	m.b = append(m.b, '"')
}

// words adds the beginning of s, and lead before it, to a text that is being
// written.
func (m *mapper) words(lead, s string) {
	if s == "" {
		return
	}
	const enough = 256
	if len(s) > enough {
		i := enough
		for i > enough-utf8.UTFMax && !utf8.RuneStart(s[i]) {
			i--
		}
		s = s[:i]
	}
	m.b = append(m.b, lead...)
	at := len(m.b)
	m.b = rawjson.AppendString(m.b, s)
	m.b = append(m.b[:at], m.b[at+1:len(m.b)-1]...) // without the quotes
}

// signIn reports whether the event is about the actor's own session.
func (m *mapper) signIn() bool { return m.kind.Action == "login" || m.kind.Action == "logout" }
