package ocsf

import (
	"cmp"
	"strings"

	"auditlog-connector/schemas"
	"auditlog-connector/schemas/rawjson"
)

// classed writes the attributes of the event's class.
func (d *document) classed() {
	switch d.kind.OCSF.ClassUID {
	case entityManagement:
		d.entity()
	case accountChange:
		d.changedAccount()
	case authentication:
		d.login()
	case userAccess:
		d.userAccess()
	case groupManagement:
		d.group()
	}
}

// login writes whose session it was, and the service it was for.
func (d *document) login() {
	who := d.targetAccount()
	if d.subject.actorIsUser {
		who = actorAccount(&d.e.Actor)
	}
	d.user("user", "user", &who)
	d.b = append(d.b, `,"service":{"name":"OpenAI"},"is_remote":true`...)
}

// targetAccount is the account that was acted on; empty if nothing names it.
func (d *document) targetAccount() account {
	i := d.subject.user
	if i == none {
		return account{}
	}
	t := &d.e.Targets[i]
	who := account{uid: t.ID, name: t.Name, typeID: userPerson}
	switch t.Type {
	case kindUser:
	case kindServiceAccount, "workload_principal":
		who.typeID = userService
	case "":
		who.typeID = userUnknown
	default:
		who.typeID, who.typ = userOther, t.Type
	}
	if strings.Contains(t.Name, "@") {
		who.name, who.email = "", t.Name
	}
	return who
}

// changedAccount writes the account, and what it was asked to be.
func (d *document) changedAccount() {
	who := d.targetAccount()
	d.user("user", "user", &who)
	if len(d.e.Changes) == 0 || who.empty() {
		return
	}
	if email := d.change("email"); email != "" {
		who.name, who.email = "", email
	}
	if d.change("role") == "owner" && who.typeID == userPerson {
		who.typeID = userAdmin
	}
	d.user("user_result", "user_result", &who)
}

// userAccess writes who got a role or lost it, which one, and what for.
func (d *document) userAccess() {
	who := d.targetAccount()
	d.user("user", "user", &who)
	d.privileges()
	d.resources()
}

// resources writes what the role was given for: what the targets name, or else the
// project, or else the organization.
func (d *document) resources() {
	begun := false
	begin := func() {
		if !begun {
			d.array("resources")
			begun = true
		}
		d.element()
	}
	for i := range d.e.Targets {
		if t := &d.e.Targets[i]; d.isResource(i) {
			begin()
			d.resource("resources[]", t.Type, t.ID, t.Name)
		}
	}
	switch p := d.e.Project; {
	case begun:
	case p != nil && (p.ID != "" || p.Name != ""):
		begin()
		d.resource("resources[]", "project", p.ID, p.Name)
	case d.e.OrganizationID != "":
		begin()
		d.resource("resources[]", "organization", d.e.OrganizationID, "")
	}
	if begun {
		d.endArray()
	}
}

// privileges writes the role, or else what the change calls one.
func (d *document) privileges() {
	d.array("privileges")
	switch i := d.subject.role; {
	case i != none:
		d.item(cmp.Or(d.e.Targets[i].ID, d.e.Targets[i].Name))
	default:
		d.item(cmp.Or(d.change("role"), "unknown"))
	}
	d.endArray()
}

// resource writes the members of a resource that was begun at path, and ends it.
func (d *document) resource(path, kind, id, name string) {
	d.text("uid", id)
	d.text("name", name)
	d.text("type", kind)
	d.enum("role_id", 1, "role", "Target")
	d.endObject()
	d.see(path, ".uid", observedResourceID, id)
	d.see(path, ".name", observedResourceName, name)
}

// group writes the group, who joined or left it, and the role it got or lost.
func (d *document) group() {
	d.object("group")
	if i := d.subject.group; i == none {
		d.text("name", "unknown")
	} else {
		t := &d.e.Targets[i]
		d.text("uid", t.ID)
		d.text("name", t.Name)
		d.see("group", ".uid", observedGroupID, t.ID)
		d.see("group", ".name", observedGroupName, t.Name)
	}
	d.endObject()
	if who := d.targetAccount(); !who.empty() {
		d.user("user", "user", &who)
	}
	if d.hasPrivileges() {
		d.privileges()
	}
	if i := d.firstResource(); i != none {
		t := &d.e.Targets[i]
		d.object("resource")
		d.resource("resource", t.Type, t.ID, t.Name)
	}
}

// change returns a requested change that is a string as what it says, any other as
// JSON text.
func (d *document) change(name string) string {
	text := d.e.Changes[name]
	if len(text) < 2 || text[0] != '"' {
		return text
	}
	if inside := text[1 : len(text)-1]; rawjson.Special([]byte(inside), 0) == len(inside) {
		return inside
	}
	said := text
	eachText(text, func(s string) { said = s })
	return said
}

// eachText calls f for every string and number in a JSON text that is a list, or
// for the text itself if it is one.
func eachText(text string, f func(string)) {
	doc := parsers.Get().(*rawjson.Doc)
	defer release(doc, len(text))
	if doc.Reset([]byte(text)) != nil {
		return
	}
	root := doc.Root()
	if root.Kind() != rawjson.Array {
		if s := root.Text(); s != "" {
			f(s)
		}
		return
	}
	for v := root.First(); v.Kind() != rawjson.Invalid; v = v.Next(root) {
		if s := v.Text(); s != "" {
			f(s)
		}
	}
}

// named returns a target's name, or else its id.
func named(t *schemas.Target) string { return cmp.Or(t.Name, t.ID) }
