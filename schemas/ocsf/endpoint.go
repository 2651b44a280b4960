package ocsf

import (
	"math"
	"net/netip"
	"strconv"
	"strings"

	"auditlog-connector/schemas"
)

// maxIP is how long an address may be in the schema.
const maxIP = 40

// source is what the schema can say of where the actor came from. What it cannot
// goes to unmapped.
type source struct {
	ip        string // empty: there is no endpoint
	place     bool   // the location is written
	lat, long float64
	latOK     bool
	longOK    bool
}

func (s *source) read(a *schemas.Actor) {
	addr, err := netip.ParseAddr(a.IP)
	if err != nil || addr.Zone() != "" {
		return // a name would be a lie: the address may have been hashed on purpose
	}
	s.ip = a.IP
	if len(s.ip) > maxIP {
		s.ip = addr.String()
	}
	g := a.Geo
	if g == nil {
		return
	}
	s.place = g.City != "" || g.Country != "" || g.Region != "" || g.RegionCode != ""
	if s.place {
		s.lat, s.latOK = degrees(g.Latitude, 90)
		s.long, s.longOK = degrees(g.Longitude, 180)
	}
}

func degrees(s string, limit float64) (float64, bool) {
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && math.Abs(f) <= limit
}

// endpoint writes the address, where it is, and the fingerprints of its TLS client,
// for which the classes of identity have no attribute of their own.
func (d *document) endpoint() {
	a, s := &d.e.Actor, &d.source
	if s.ip != "" {
		d.object("src_endpoint")
		d.text("ip", s.ip)
		d.see("src_endpoint", ".ip", observedIP, s.ip)
		if s.place {
			d.location(a.Geo)
		}
		if a.Geo != nil && a.Geo.ASN != "" {
			d.autonomousSystem(a.Geo.ASN)
		}
		d.fingerprints()
		d.endObject()
	}
	if a.UserAgent != "" {
		d.object("http_request")
		d.text("user_agent", a.UserAgent)
		d.endObject()
		d.see("http_request", ".user_agent", observedUserAgent, a.UserAgent)
	}
}

// location writes the region by its code, as ISO 3166-2 does, and its name beside it.
func (d *document) location(g *schemas.Geo) {
	d.object("location")
	d.text("country", g.Country)
	d.see("src_endpoint.location", ".country", observedCountry, g.Country)
	switch {
	case g.RegionCode == "":
		d.text("region", g.Region)
	case g.Country == "":
		d.text("region", g.RegionCode)
		d.text("desc", g.Region)
	default:
		d.text("region", g.Country+"-"+g.RegionCode)
		d.text("desc", g.Region)
	}
	d.text("city", g.City)
	if d.source.latOK {
		d.float("lat", d.source.lat)
	}
	if d.source.longOK {
		d.float("long", d.source.long)
	}
	d.endObject()
}

// autonomousSystem writes the number, if it is one that the schema's integers
// hold; else the text as the name.
func (d *document) autonomousSystem(asn string) {
	d.object("autonomous_system")
	if n, err := strconv.ParseUint(strings.TrimPrefix(asn, "AS"), 10, 31); err == nil {
		d.integer("number", int64(n))
	} else {
		d.text("name", asn)
	}
	d.endObject()
}

func (d *document) fingerprints() {
	a := &d.e.Actor
	if a.JA3 == "" && a.JA4 == "" {
		return
	}
	d.array("fingerprints")
	d.fingerprint("JA3", a.JA3)
	d.fingerprint("JA4", a.JA4)
	d.endArray()
}

func (d *document) fingerprint(algorithm, value string) {
	if value == "" {
		return
	}
	d.element()
	d.enum("algorithm_id", 99, "algorithm", algorithm)
	d.text("value", value)
	d.endObject()
	d.see("src_endpoint.fingerprints[]", ".value", observedHash, value)
}
