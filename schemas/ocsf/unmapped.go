package ocsf

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"

	"auditlog-connector/schemas"
	"auditlog-connector/schemas/rawjson"
)

// unmapped writes what the record says and no attribute does.
func (d *document) unmapped() {
	e := d.e
	d.object("unmapped")
	d.text("action", e.Action)
	d.text("actor_kind", e.Actor.Kind)
	d.unmappedSource()
	d.unmappedTargets()
	if len(e.Changes) > 0 && !d.dataHasChanges() {
		d.members("changes", e.Changes)
	}
	d.unmappedDetails()
	if len(e.Problems) > 0 {
		d.array("problems")
		for _, p := range e.Problems {
			d.item(p)
		}
		d.endArray()
	}
	if !utf8.Valid(e.Raw) {
		d.yes("raw_base64")
	}
	d.endObject()
}

// dataHasChanges reports whether the entity's data is the changes.
func (d *document) dataHasChanges() bool {
	return d.kind.OCSF.ClassUID == entityManagement && d.subject.objects <= 1
}

// unmappedSource writes what the endpoint cannot hold: an address that is none, and
// what is known about one that is missing.
func (d *document) unmappedSource() {
	a, s := &d.e.Actor, &d.source
	if a.ServiceAccountID != a.ID {
		d.text("service_account_id", a.ServiceAccountID)
	}
	if s.ip == "" {
		d.text("ip", a.IP)
		d.text("ja3", a.JA3)
		d.text("ja4", a.JA4)
	} else if s.ip != a.IP {
		d.text("ip", a.IP)
	}
	if g := a.Geo; g != nil {
		d.unmappedGeo(*g)
	}
}

func (d *document) unmappedGeo(g schemas.Geo) {
	s := &d.source
	if s.place {
		g.Country, g.Region, g.RegionCode, g.City = "", "", "", ""
		if s.latOK {
			g.Latitude = ""
		}
		if s.longOK {
			g.Longitude = ""
		}
	}
	if s.ip != "" {
		g.ASN = ""
	}
	if g == (schemas.Geo{}) {
		return
	}
	d.object("geo")
	d.text("country", g.Country)
	d.text("region", g.Region)
	d.text("region_code", g.RegionCode)
	d.text("city", g.City)
	d.text("latitude", g.Latitude)
	d.text("longitude", g.Longitude)
	d.text("asn", g.ASN)
	d.endObject()
}

func (d *document) unmappedTargets() {
	begun := false
	for i := range d.e.Targets {
		if d.written(i) {
			continue
		}
		if !begun {
			d.array("targets")
			begun = true
		}
		t := &d.e.Targets[i]
		d.element()
		d.text("type", t.Type)
		d.text("id", t.ID)
		d.text("name", t.Name)
		d.endObject()
		d.see("unmapped.targets[]", ".id", observedResourceID, t.ID)
	}
	if begun {
		d.endArray()
	}
}

// unmappedDetails writes the members of the payload that the record does not say
// elsewhere. A payload that is no object is its member value.
func (d *document) unmappedDetails() {
	v := d.details
	switch v.Kind() {
	case rawjson.Invalid:
		if len(d.e.Details) > 0 {
			d.object("details")
			d.text("value", string(d.e.Details))
			d.endObject()
		}
		return
	case rawjson.Object:
	default:
		d.object("details")
		d.member("value", v.Compact())
		d.endObject()
		return
	}
	begun := false
	for c := v.First(); c.Kind() != rawjson.Invalid; c = c.Next(v) {
		name := c.Key()
		if d.said(name, c) {
			continue
		}
		if !begun {
			d.object("details")
			begun = true
		}
		d.member(name, c.Compact())
	}
	if begun {
		d.endObject()
	}
}

// compared bounds the targets that a member of the payload is compared with.
const compared = 16

// said reports whether the document has the payload's member elsewhere, or should
// have it in raw_data only: certificates are long.
func (d *document) said(name string, v rawjson.Value) bool {
	e := d.e
	switch name {
	case "data", "changes_requested":
		return len(e.Changes) > 0
	case "error_code":
		return e.Error != nil && e.Error.Code == v.Text()
	case "error_message":
		return e.Error != nil && e.Error.Message == v.Text()
	}
	if text, ok := e.Changes[name]; ok && text == v.Compact() {
		return true
	}
	if d.listed(name, v) {
		return len(e.Targets) > 0
	}
	text := v.Text()
	if text == "" {
		return v.Kind() == rawjson.Null
	}
	for i := range min(len(e.Targets), compared) {
		if t := &e.Targets[i]; text == t.ID || text == t.Name || text == t.Type {
			return true
		}
	}
	return bytes.Contains(v.Bytes(), []byte("-----BEGIN "))
}

// raw writes the entry as served.
func (d *document) raw() {
	raw := d.e.Raw
	switch {
	case len(raw) == 0:
	case utf8.Valid(raw):
		d.text("raw_data", string(raw))
	default:
		d.key("raw_data")
		d.b = append(d.b, '"')
		d.b = base64.StdEncoding.AppendEncode(d.b, raw)
		d.b = append(d.b, '"')
	}
}
