package openai

import (
	"net/netip"

	"auditlog-connector/schemas"
	"auditlog-connector/schemas/rawjson"
)

// The kinds of actor of the audit schema.
const (
	kindUser           = "user"
	kindServiceAccount = "service_account"
	kindAPIKey         = "api_key"
	kindNone           = "none"
	kindUnknown        = "unknown"
)

// actor reads who acted.
//
//	session, user named      user
//	session, no user         unknown: a failed login need not be by the account's owner
//	api_key of a user        user, with api_key_id
//	api_key of an account    service_account, with api_key_id
//	api_key of nobody        api_key
//	null, missing            none
//	anything else            unknown, and a problem
func (n *normalizer) actor() {
	n.e.Actor.Kind = kindUnknown
	v := n.root.Get("actor")
	switch v.Kind() {
	case rawjson.Object:
	case rawjson.Invalid, rawjson.Null:
		if n.root.Exists() {
			n.e.Actor.Kind = kindNone
		}
		return
	default:
		n.problem("actor: not an object")
		return
	}
	typ := n.field(v, "actor.", "type")
	if typ == "" {
		n.problem("actor.type: missing")
		switch {
		case v.Get("session").Kind() == rawjson.Object:
			typ = "session"
		case v.Get("api_key").Kind() == rawjson.Object:
			typ = "api_key"
		default:
			return
		}
	}
	switch typ {
	case "session":
		n.session(n.object(v, "actor.", "session"))
	case "api_key":
		n.apiKey(n.object(v, "actor.", "api_key"))
	default:
		n.problem("actor.type: not known")
		if inner := v.Get(typ); inner.Kind() == rawjson.Object {
			n.e.Actor.ID = text(inner.Get("id"))
			n.person(inner, "actor.")
			n.network(inner, "actor.")
		}
	}
}

// object returns a member that has to be an object.
func (n *normalizer) object(parent rawjson.Value, where, name string) rawjson.Value {
	v := parent.Get(name)
	switch v.Kind() {
	case rawjson.Object:
		return v
	case rawjson.Invalid, rawjson.Null:
		n.problem(where + name + ": missing")
	default:
		n.problem(where + name + ": not an object")
	}
	return rawjson.Value{}
}

func (n *normalizer) session(v rawjson.Value) {
	if n.person(v, "actor.session.") {
		n.e.Actor.Kind = kindUser
	}
	n.network(v, "actor.session.")
}

func (n *normalizer) apiKey(v rawjson.Value) {
	a := &n.e.Actor
	a.Kind = kindAPIKey
	a.APIKeyID = n.field(v, "actor.api_key.", "id")
	a.ID = a.APIKeyID
	n.network(v, "actor.api_key.")
	account := v.Get("service_account")
	if account.Kind() == rawjson.Object && text(v.Get("type")) != kindUser {
		const where = "actor.api_key.service_account."
		if id := n.field(account, where, "id"); id != "" {
			a.Kind, a.ID, a.ServiceAccountID = kindServiceAccount, id, id
		}
		a.Name = n.field(account, where, "name")
		return
	}
	if n.person(v, "actor.api_key.") {
		a.Kind = kindUser
	}
}

// person reads the user that parent names, and reports whether it names one.
func (n *normalizer) person(parent rawjson.Value, where string) bool {
	v := parent.Get("user")
	switch v.Kind() {
	case rawjson.Object:
	case rawjson.Invalid, rawjson.Null:
		return false
	default:
		n.problem(where + "user: not an object")
		return false
	}
	id := n.field(v, where+"user.", "id")
	email := n.field(v, where+"user.", "email")
	if id == "" && email == "" {
		return false
	}
	a := &n.e.Actor
	a.ID, a.Email = id, email
	a.Name = text(v.Get("name"))
	return true
}

// network reads where the actor came from.
func (n *normalizer) network(v rawjson.Value, where string) {
	a := &n.e.Actor
	if ip := n.field(v, where, "ip_address"); ip != "" {
		// A zone means something on one machine only, and destinations refuse it.
		if addr, err := netip.ParseAddr(ip); err == nil && addr.Zone() == "" {
			a.IP = ip
		} else {
			n.problem(where + "ip_address: not an IP address")
		}
	}
	a.UserAgent = n.field(v, where, "user_agent")
	a.JA3 = n.field(v, where, "ja3")
	a.JA4 = n.field(v, where, "ja4")
	place := v.Get("ip_address_details")
	switch place.Kind() {
	case rawjson.Object:
	case rawjson.Invalid, rawjson.Null:
		return
	default:
		n.problem(where + "ip_address_details: not an object")
		return
	}
	geo := schemas.Geo{
		Country:    text(place.Get("country")),
		Region:     text(place.Get("region")),
		RegionCode: text(place.Get("region_code")),
		City:       text(place.Get("city")),
		Latitude:   text(place.Get("latitude")),
		Longitude:  text(place.Get("longitude")),
		ASN:        text(place.Get("asn")),
	}
	if geo != (schemas.Geo{}) {
		a.Geo = &geo
	}
}
