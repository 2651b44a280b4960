package ecs

import (
	"net/netip"
	"strconv"
	"strings"
)

// user writes who acted, the account that was acted on, and what was asked to become
// of it. A key of nobody is no user; it is in openai.audit.actor.
func (m *mapper) user() {
	a := &m.e.Actor
	mark := m.object(`"user":`)
	if a.Kind != "api_key" {
		m.str(`"id":`, a.ID)
		m.account(a.Email, a.Name)
	}
	m.userTarget()
	m.userChanges()
	m.end(mark)
}

// account writes what a person signs in with, or else what the account is called.
func (m *mapper) account(email, name string) {
	if email != "" {
		m.str(`"name":`, email)
	} else {
		m.str(`"name":`, name)
	}
	m.str(`"full_name":`, name)
	m.str(`"email":`, email)
	if i := strings.LastIndexByte(email, '@'); i > 0 {
		m.str(`"domain":`, email[i+1:])
	}
}

// service writes the service account that acted.
func (m *mapper) service() {
	if a := &m.e.Actor; a.Kind == "service_account" {
		mark := m.object(`"service":`)
		m.str(`"id":`, a.ServiceAccountID)
		m.str(`"name":`, a.Name)
		m.end(mark)
	}
}

// source writes where the actor came from, once more as the client: who connects
// to an API is both.
func (m *mapper) source() {
	a := &m.e.Actor
	isIP := isAddress(a.IP)
	mark := m.object(`"source":`)
	m.str(`"address":`, a.IP)
	if isIP {
		m.str(`"ip":`, a.IP)
	}
	if a.Geo != nil {
		m.autonomousSystem(a.Geo.ASN)
		m.geo()
	}
	m.end(mark)
	mark = m.object(`"client":`)
	m.str(`"address":`, a.IP)
	if isIP {
		m.str(`"ip":`, a.IP)
	}
	m.end(mark)
}

// isAddress reports whether a field of type ip admits s. A zone means something on
// one machine only.
func isAddress(s string) bool {
	const longestAddress = 45
	if s == "" || len(s) > longestAddress {
		return false
	}
	addr, err := netip.ParseAddr(s)
	return err == nil && addr.Zone() == ""
}

// autonomousSystem writes a number that may have AS before it.
func (m *mapper) autonomousSystem(s string) {
	s = strings.TrimPrefix(s, "AS")
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		mark := m.object(`"as":`)
		m.literal(`"number":`, "")
		m.b = strconv.AppendUint(m.b, n, 10)
		m.end(mark)
	}
}

func (m *mapper) geo() {
	g := m.e.Actor.Geo
	mark := m.object(`"geo":`)
	if isCountry(g.Country) {
		m.str(`"country_iso_code":`, g.Country)
		if isRegion(g.RegionCode) { // ISO 3166-2 has the country in it, the source has not
			m.str(`"region_iso_code":`, g.Country+"-"+g.RegionCode)
		}
	} else {
		m.str(`"country_name":`, g.Country)
	}
	m.str(`"region_name":`, g.Region)
	m.str(`"city_name":`, g.City)
	lat, ok := degrees(g.Latitude, 90)
	lon, ok2 := degrees(g.Longitude, 180)
	if ok && ok2 {
		at := m.object(`"location":`)
		m.literal(`"lat":`, "")
		m.b = strconv.AppendFloat(m.b, lat, 'f', -1, 64)
		m.literal(`"lon":`, "")
		m.b = strconv.AppendFloat(m.b, lon, 'f', -1, 64)
		m.end(at)
	}
	m.end(mark)
}

// isCountry reports whether s looks like a country in ISO 3166-1.
func isCountry(s string) bool {
	return len(s) == 2 && 'A' <= s[0] && s[0] <= 'Z' && 'A' <= s[1] && s[1] <= 'Z'
}

// isRegion reports whether s looks like what follows the country in ISO 3166-2.
func isRegion(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && len(s) <= 3
}

// degrees reads a coordinate between -limit and limit.
func degrees(s string, limit float64) (float64, bool) {
	const longestNumber = 32
	if s == "" || len(s) > longestNumber {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && f >= -limit && f <= limit
}

// tls writes the fingerprint for which ECS has a field.
func (m *mapper) tls() {
	mark := m.object(`"tls":`)
	client := m.object(`"client":`)
	m.str(`"ja3":`, m.e.Actor.JA3)
	m.end(client)
	m.end(mark)
}

// userAgent writes what the client says it is.
func (m *mapper) userAgent() {
	original := m.e.Actor.UserAgent
	ua := parseUserAgent(original)
	mark := m.object(`"user_agent":`)
	m.str(`"original":`, original)
	m.str(`"name":`, ua.name)
	m.str(`"version":`, ua.version)
	os := m.object(`"os":`)
	m.str(`"type":`, ua.osType)
	m.str(`"name":`, ua.osName)
	m.str(`"version":`, ua.osVersion)
	m.end(os)
	device := m.object(`"device":`)
	m.str(`"name":`, ua.device)
	m.end(device)
	m.end(mark)
}
