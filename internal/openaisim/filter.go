package openaisim

import (
	"bytes"
	"encoding/json"
	"slices"
)

// parts are what filters look at in a body.
type parts struct {
	Type    string `json:"type"`
	Project struct {
		ID string `json:"id"`
	} `json:"project"`
	Actor struct {
		Session struct {
			User who `json:"user"`
		} `json:"session"`
		APIKey struct {
			ID             string `json:"id"`
			User           who    `json:"user"`
			ServiceAccount who    `json:"service_account"`
		} `json:"api_key"`
	} `json:"actor"`
}

type who struct {
	ID    string `json:"id"`
	Email string `json:"email"`
}

// details are where the ids of an event's targets are.
type details struct {
	ID           string `json:"id"`
	Certificates []who  `json:"certificates"`
	Configs      []who  `json:"configs"`
}

// matches reports whether a body passes every filter that looks into bodies.
// plain says that the body holds every text unescaped, so that most bodies can be
// ruled out unparsed.
func (q *query) matches(body []byte, plain bool) bool {
	if plain {
		for _, wanted := range [][]string{q.projects, q.actors, q.emails, q.resources} {
			if len(wanted) > 0 && !slices.ContainsFunc(wanted, func(s string) bool {
				return bytes.Contains(body, quote(nil, s))
			}) {
				return false
			}
		}
	}
	var p parts
	// A part of another shape is left empty: it matches nothing.
	_ = json.Unmarshal(body, &p)
	any := func(wanted []string, have ...string) bool {
		return len(wanted) == 0 || slices.ContainsFunc(have, func(s string) bool { return s != "" && slices.Contains(wanted, s) })
	}
	a := &p.Actor
	return any(q.projects, p.Project.ID) &&
		any(q.actors, a.Session.User.ID, a.APIKey.ID, a.APIKey.User.ID, a.APIKey.ServiceAccount.ID) &&
		any(q.emails, a.Session.User.Email, a.APIKey.User.Email) &&
		any(q.resources, resources(body, p.Type)...)
}

// resources returns the ids of what an event is about.
func resources(body []byte, typ string) []string {
	var event map[string]json.RawMessage
	var d details
	if json.Unmarshal(body, &event) != nil || json.Unmarshal(event[typ], &d) != nil {
		return nil
	}
	ids := []string{d.ID}
	for _, w := range slices.Concat(d.Certificates, d.Configs) {
		ids = append(ids, w.ID)
	}
	return ids
}

// quote appends s as a JSON text that leaves everything but quotes, backslashes
// and control characters as it is.
func quote(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hexes[c>>4], hexes[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
