package ocsf

import (
	"strings"

	"auditlog-connector/schemas"
)

// none is the index of a target that is not there.
const none = -1

// subject says which target fills which attribute that the class requires. Indexes
// are of the record's targets.
type subject struct {
	unknown bool // the class requires what nothing names: target_unknown

	first, objects int // the first target of the type's object, and how many there are
	user           int // the account that was acted on
	group          int
	role           int
	actorIsUser    bool // the account is the actor's own

	// renamed says that the object's name is the one it was asked to get.
	renamed bool
}

// resolve decides, before anything is written, what goes where.
func (d *document) resolve() {
	s := &d.subject
	*s = subject{first: none, user: none, group: none, role: none}
	targets := d.e.Targets
	for i := range targets {
		t := &targets[i]
		if named(t) == "" {
			continue
		}
		if t.Type == d.kind.ObjectType {
			if s.objects == 0 {
				s.first = i
			}
			s.objects++
		}
		switch {
		case s.user == none && (t.Type == kindUser || t.Type == kindServiceAccount):
			s.user = i
		case s.group == none && t.Type == "group":
			s.group = i
		case s.role == none && t.Type == "role":
			s.role = i
		}
	}
	switch d.kind.OCSF.ClassUID {
	case entityManagement:
		s.unknown = s.objects == 0
		s.renamed = d.changesEntity() && s.objects == 1 && targets[s.first].ID != "" && namedByRequest(d.kind)
	case authentication:
		if s.user == none {
			kind := d.e.Actor.Kind
			s.actorIsUser = kind == kindUser || kind == kindServiceAccount
			s.unknown = !s.actorIsUser
		}
	case accountChange:
		if s.user == none {
			s.user = s.first
		}
		s.unknown = s.user == none
	case userAccess:
		// A principal of another kind stands before its role.
		if p := s.role - 1; s.user == none && p >= 0 && d.isResource(p) {
			s.user = p
		}
		s.unknown = s.user == none || !d.hasPrivilege()
	case groupManagement:
		s.unknown = s.group == none
	}
}

// changesEntity reports whether the event asks for an object to be other than it was.
func (d *document) changesEntity() bool {
	const update = 3
	return d.kind.OCSF.ActivityID == update && len(d.e.Changes) > 0
}

// namedByRequest reports whether the object's name is read from what was asked for.
func namedByRequest(kind *schemas.EventType) bool {
	for _, p := range kind.ObjectNamePath {
		if strings.HasPrefix(p.String(), "changes_requested") {
			return true
		}
	}
	return false
}

// hasPrivilege reports whether a role is named that was given or taken away.
func (d *document) hasPrivilege() bool {
	return d.subject.role != none || d.change("role") != ""
}

// written reports whether an attribute says what the target says.
func (d *document) written(i int) bool {
	s := &d.subject
	switch d.kind.OCSF.ClassUID {
	case entityManagement:
		return d.isObject(i) || i == s.user
	case accountChange, authentication:
		return i == s.user
	case userAccess:
		return i == s.user || i == s.role || d.isResource(i)
	case groupManagement:
		return i == s.user || i == s.group || i == s.role && d.hasPrivileges() || i == d.firstResource()
	}
	return false
}

// isObject reports whether a target is what the type is about.
func (d *document) isObject(i int) bool {
	t := &d.e.Targets[i]
	return t.Type == d.kind.ObjectType && named(t) != ""
}

// isResource reports whether a target is what a role was given for: neither the
// assignment nor who got it nor the role.
func (d *document) isResource(i int) bool {
	s, t := &d.subject, &d.e.Targets[i]
	return i != s.user && i != s.group && i != s.role && t.Type != d.kind.ObjectType && named(t) != ""
}

// firstResource returns the first of them. None, if it is no role that was given.
func (d *document) firstResource() int {
	if d.hasPrivileges() {
		for i := range d.e.Targets {
			if d.isResource(i) {
				return i
			}
		}
	}
	return none
}

// hasPrivileges reports whether the activity is about privileges that are named.
func (d *document) hasPrivileges() bool {
	const assign, revoke = 1, 2
	a := d.kind.OCSF.ActivityID
	return (a == assign || a == revoke) && d.hasPrivilege()
}
