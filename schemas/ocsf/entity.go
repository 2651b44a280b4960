package ocsf

import (
	"net/netip"
	"strings"

	"auditlog-connector/schemas/rawjson"
)

// The values of entity.type_id that have an object of their own in the entity.
const (
	entityUser         = 2
	entityOrganization = 4
	entityPolicy       = 5
	entityOther        = 99
)

// entity writes the object that was managed, what it was asked to become, and the
// rights that were asked for.
//
// Of a new object the data is what it was made of. Of an object that changes the
// data is in entity_result: it was requested, and need not have been applied.
func (d *document) entity() {
	s := &d.subject
	var id, name string
	if s.objects == 1 {
		id, name = d.e.Targets[s.first].ID, d.e.Targets[s.first].Name
	}
	before := name
	if s.renamed {
		before = ""
	}
	changes := s.objects <= 1 && len(d.e.Changes) > 0
	result := changes && d.changesEntity()

	d.object("entity")
	switch {
	case s.objects == 0:
		d.text("name", "unknown")
	case s.objects > 1:
		d.severalObjects()
	default:
		d.text("uid", id)
		d.see("entity", ".uid", observedResourceID, id)
		d.text("name", before)
		d.entityObject(id, before)
	}
	d.entityType()
	if d.kind.OCSF.EntityTypeID != entityUser && s.user != none {
		who := d.targetAccount()
		d.user("user", "entity.user", &who)
	}
	if changes && !result {
		d.members("data", d.e.Changes)
		d.seeAddresses("entity.data.")
	}
	d.endObject()

	if result {
		d.object("entity_result")
		d.text("uid", id)
		d.text("name", name)
		if s.objects == 0 {
			d.text("name", "unknown")
		}
		d.entityType()
		d.members("data", d.e.Changes)
		d.seeAddresses("entity_result.data.")
		d.endObject()
	}
	d.accessList()
}

// entityObject writes the object once more as what it is, where the schema has a
// kind for it.
func (d *document) entityObject(id, name string) {
	kind := ""
	switch d.kind.OCSF.EntityTypeID {
	case entityUser:
		who := d.targetAccount()
		d.user("user", "entity.user", &who)
		return
	case entityOrganization:
		kind = "org"
	case entityPolicy:
		kind = "policy"
	default:
		return
	}
	d.object(kind)
	d.text("uid", id)
	d.text("name", name)
	d.endObject()
}

// entityType writes the enum's caption, or for other objects what they are.
func (d *document) entityType() {
	id, caption := d.kind.OCSF.EntityTypeID, ""
	switch id {
	case entityUser:
		caption = "User"
	case entityOrganization:
		caption = "Organization"
	case entityPolicy:
		caption = "Policy"
	default:
		id, caption = entityOther, d.kind.ObjectType
	}
	d.enum("type_id", id, "type", caption)
}

// severalObjects writes the names joined, and the ids as data: an entity is one.
func (d *document) severalObjects() {
	var names strings.Builder
	for i := range d.e.Targets {
		if !d.isObject(i) {
			continue
		}
		if names.Len() > 0 {
			names.WriteString(", ")
		}
		names.WriteString(named(&d.e.Targets[i]))
	}
	d.text("name", names.String())
	d.object("data")
	d.array("ids")
	for i := range d.e.Targets {
		if d.isObject(i) && d.e.Targets[i].ID != "" {
			d.item(d.e.Targets[i].ID)
			d.see("entity.data.ids", "[]", observedResourceID, d.e.Targets[i].ID)
		}
	}
	d.endArray()
	d.endObject()
}

// rights are the changes that say what may be done with the object.
var rights = [...]string{"scopes", "permissions", "permissions_added"}

// accessList writes the rights that were asked for. Those of a role that is unbound
// are what it had.
func (d *document) accessList() {
	if d.e.Action == "unbind" {
		return
	}
	empty := true
	for _, name := range rights {
		text := d.e.Changes[name]
		if text == "" {
			continue
		}
		eachText(text, func(right string) {
			if empty {
				d.array("access_list")
				empty = false
			}
			d.item(right)
		})
	}
	if !empty {
		d.endArray()
	}
}

// addresses are the changes that list addresses and subnets.
const addresses = "allowed_ips"

// seeAddresses notes the addresses and subnets of an allow list, which was written
// below path.
func (d *document) seeAddresses(path string) {
	text := d.e.Changes[addresses]
	if text == "" || text[0] != '[' {
		return
	}
	eachText(text, func(s string) {
		if _, err := netip.ParseAddr(s); err == nil {
			d.see(path, addresses+"[]", observedIP, s)
		} else if _, err := netip.ParsePrefix(s); err == nil {
			d.see(path, addresses+"[]", observedSubnet, s)
		}
	})
}

// listed reports whether the payload's member of that name is the list that the
// targets were read from.
func (d *document) listed(name string, v rawjson.Value) bool {
	path := d.kind.ObjectIDPath
	return v.Kind() == rawjson.Array && path.Each() && strings.HasPrefix(path.String(), name) &&
		strings.HasPrefix(path.String()[len(name):], "[]")
}
