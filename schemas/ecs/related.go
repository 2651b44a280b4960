package ecs

import (
	"slices"
	"strings"

	"auditlog-connector/schemas/rawjson"
)

func isEmail(s string) bool { return strings.IndexByte(s, '@') > 0 }

// related writes every address, account and fingerprint once more, so that one
// search finds them wherever they stand. Nothing in the source names hosts.
func (m *mapper) related() {
	mark := m.object(`"related":`)
	m.relatedIPs()
	a := &m.e.Actor
	var few [8]string
	users := few[:0]
	if a.Kind != "api_key" {
		users = add(users, a.ID)
	}
	users = add(add(users, a.Email), a.Name)
	for i := range m.e.Targets {
		if t := &m.e.Targets[i]; isAccount(t.Type) {
			users = add(add(users, t.ID), t.Name)
		}
	}
	m.strs(`"user":`, users)
	m.strs(`"hash":`, add(add(few[:0], a.JA3), a.JA4))
	m.end(mark)
}

// add appends s unless it is empty or there. A list that is long already is left
// as it is: nobody looks for one account among so many.
func add(list []string, s string) []string {
	const enough = 64
	if s == "" || len(list) == enough || slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// relatedIPs writes the actor's address, and those of an allow-list that are one
// address and no network.
func (m *mapper) relatedIPs() {
	mark := m.list(`"ip":`)
	if isAddress(m.e.Actor.IP) {
		m.str("", m.e.Actor.IP)
	}
	if v := m.parseChange("allowed_ips"); v.Kind() == rawjson.Array {
		n := 0
		for c := v.First(); c.Kind() != rawjson.Invalid && n < most; c = c.Next(v) {
			if ip := c.Text(); c.Kind() == rawjson.String && isAddress(ip) {
				m.str("", ip)
				n++
			}
		}
	}
	m.endList(mark)
}
