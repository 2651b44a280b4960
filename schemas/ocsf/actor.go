package ocsf

import (
	"cmp"

	"auditlog-connector/schemas"
)

// The kinds of account of the audit schema.
const (
	kindUser           = "user"
	kindServiceAccount = "service_account"
	kindAPIKey         = "api_key"
)

// The values of user.type_id.
const (
	userUnknown = 0
	userPerson  = 1
	userAdmin   = 2
	userService = 4
	userOther   = 99
)

// account is what a user object says. Type 99 is described by typ.
type account struct {
	uid, name, email string
	typeID           int
	typ              string
	key              string // the API key that spoke for it
}

func (a *account) empty() bool { return a.uid == "" && a.name == "" && a.email == "" }

// actorAccount is the actor as an account; empty if the entry names nobody.
func actorAccount(a *schemas.Actor) account {
	who := account{uid: a.ID, name: a.Name, email: a.Email, key: a.APIKeyID}
	switch a.Kind {
	case kindUser:
		who.typeID = userPerson
	case kindServiceAccount:
		who.typeID = userService
	case kindAPIKey:
		who.typeID, who.typ = userOther, "API Key"
	}
	return who
}

// actor writes who acted. A key that nobody is named for acts itself.
func (d *document) actor() {
	who := actorAccount(&d.e.Actor)
	if who.empty() {
		who.uid = who.key
	}
	if who.empty() {
		return
	}
	d.object("actor")
	d.user("user", "actor.user", &who)
	d.endObject()
}

// user writes an account as the attribute name, which is at path. An account that
// nothing names is called unknown.
func (d *document) user(name, path string, a *account) {
	d.object(name)
	if a.empty() {
		d.text("name", "unknown")
		d.enum("type_id", userUnknown, "type", "Unknown")
		d.endObject()
		return
	}
	d.text("uid", a.uid)
	d.see(path, ".uid", observedUserID, a.uid)
	login := cmp.Or(a.email, a.name)
	d.text("name", login)
	d.see(path, ".name", observedUserName, login)
	if a.name != login {
		d.text("full_name", a.name)
	}
	if isEmail(a.email) {
		d.text("email_addr", a.email)
		d.see(path, ".email_addr", observedEmail, a.email)
	}
	d.enum("type_id", a.typeID, "type", userType(a))
	if a.key != "" {
		d.array("programmatic_credentials")
		d.element()
		d.text("uid", a.key)
		d.text("type", "API Key")
		d.endObject()
		d.endArray()
		d.see(path, ".programmatic_credentials[].uid", observedCredential, a.key)
	}
	d.endObject()
}

func userType(a *account) string {
	switch a.typeID {
	case userPerson:
		return "User"
	case userAdmin:
		return "Admin"
	case userService:
		return "Service"
	case userOther:
		return a.typ
	}
	return "Unknown"
}

// isEmail reports whether s is an address as the schema's email_t spells them.
func isEmail(s string) bool {
	at := -1
	for i := range len(s) {
		c := s[i]
		switch {
		case at < 0 && c == '@':
			at = i
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.':
		case at < 0 && isEmailPunctuation(c):
		default:
			return false
		}
	}
	if at < 1 {
		return false
	}
	// One label, a dot, and something after it.
	for i := at + 1; i < len(s); i++ {
		if s[i] == '.' {
			return i > at+1 && i+1 < len(s)
		}
	}
	return false
}

// isEmailPunctuation reports whether c may stand before the @ besides letters,
// digits, dots and hyphens.
func isEmailPunctuation(c byte) bool {
	switch c {
	case '!', '#', '$', '%', '&', '\'', '*', '+', ',', '/', '=', '?', '^', '_', '`', '{', '|', '}', '~':
		return true
	}
	return false
}
