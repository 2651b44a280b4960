package openaisim

import (
	"fmt"

	"auditlog-connector/sources/openai/auditlog"
)

// cast is who and what an organization consists of. Everything is encoded once:
// fragments are JSON objects.
type cast struct {
	org       string
	people    []person
	accounts  []account
	projects  []project
	strangers [][]byte // actors without a user: failed logins
}

type person struct {
	id, email []byte // as JSON text without quotes
	sessions  [][]byte
	keys      [][]byte
}

type account struct {
	id   []byte
	keys [][]byte
}

type project struct {
	id, fragment []byte
}

var (
	givenNames = []string{"ana", "ben", "chloé", "david", "elif", "farid", "grace", "hiro", "inês", "jonas", "kenji", "lea", "mateo", "nadia",
		"omar", "priya", "quentin", "rosa", "søren", "tomasz", "uma", "viktor", "wei", "ximena", "yuki", "zoë"}
	familyNames = []string{"petrovic", "okafor", "brønsted", "müller", "sato", "garcía", "o'neil", "ivanova", "nguyen", "smith", "rossi", "kaya",
		"dubois", "lindqvist", "haddad", "costa"}
	mailDomains  = []string{"example.com", "example.com", "example.com", "example.org", "example.net"}
	projectNames = []string{"Default project", "Support assistant", "Forschung & Größe", "検索基盤 🔎", "Data science sandbox", "billing-prod"}
	userAgents   = []string{
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
		"Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
		"go-resty/2.16.2 (https://github.com/go-resty/resty)",
		"python-requests/2.32.5",
	}
	// places are addresses' details as the API serves them: texts all of them, and
	// not always complete.
	places = []auditlog.IPAddressDetails{
		{Country: "US", City: "Portland", Region: "Oregon", RegionCode: "OR", ASN: "64500", Latitude: "45.52345", Longitude: "-122.67621"},
		{Country: "DE", City: "Köln", Region: "Nordrhein-Westfalen", RegionCode: "NW", ASN: "64501"},
		{Country: "BR", City: "São Paulo", Region: "São Paulo", RegionCode: "SP", ASN: "64502", Latitude: "-23.5475", Longitude: "-46.63611"},
		{Country: "JP", City: "Tokyo", Region: "Tokyo", RegionCode: "13", ASN: "64503", Latitude: "35.6895", Longitude: "139.69171"},
		{Country: "IN", City: "Mumbai", Region: "Maharashtra", RegionCode: "MH", ASN: "64504", Latitude: "19.07283", Longitude: "72.88261"},
		{Country: "NL", City: "Amsterdam", Region: "North Holland", RegionCode: "NH", ASN: "64505", Latitude: "52.37403", Longitude: "4.88969"},
	}
)

const (
	peopleCount  = 60
	accountCount = 9
)

func newCast(seed uint64) *cast {
	r := rng(site(seed, "cast"))
	id := func(prefix string, n int) []byte { return r.text([]byte(prefix), base62, n) }
	c := &cast{org: string(id("org-", 24))}
	for i := range peopleCount {
		p := person{id: id("user-", 24)}
		p.email = fmt.Appendf(nil, "%s.%s@%s", givenNames[i%len(givenNames)], familyNames[(i*7+i/len(givenNames))%len(familyNames)],
			mailDomains[r.below(len(mailDomains))])
		user := &auditlog.User{ID: string(p.id), Email: string(p.email)}
		home := r.below(len(places))
		for range 1 + r.below(3) {
			p.sessions = append(p.sessions, session(&r, user, home))
		}
		for range r.below(3) {
			p.keys = append(p.keys, key(auditlog.APIKey{ID: string(id("key_", 16)), Type: "user", User: user}))
		}
		if i%10 == 0 { // the specification's own example leaves the key's id out
			p.keys = append(p.keys, key(auditlog.APIKey{Type: "user", User: user}))
		}
		c.people = append(c.people, p)
	}
	for range accountCount {
		a := account{id: id("user-", 24)}
		owner := &auditlog.ServiceAccount{ID: string(a.id)}
		for range 1 + r.below(2) {
			a.keys = append(a.keys, key(auditlog.APIKey{ID: string(id("key_", 16)), Type: "service_account", ServiceAccount: owner}))
		}
		c.accounts = append(c.accounts, a)
	}
	for _, name := range projectNames {
		p := project{id: id("proj_", 24)}
		p.fragment = encode(&auditlog.Project{ID: string(p.id), Name: name})
		c.projects = append(c.projects, p)
	}
	for range 12 {
		c.strangers = append(c.strangers, session(&r, nil, r.below(len(places))))
	}
	return c
}

// encode returns the JSON of a part of the model.
func encode(part any) []byte {
	b, err := auditlog.Append(nil, part)
	if err != nil {
		panic(err) // not a part of the model
	}
	return b
}

// key returns an actor that came with a key.
func key(k auditlog.APIKey) []byte {
	return encode(&auditlog.Actor{Type: "api_key", APIKey: &k})
}

// session returns an actor that came through the web, by one of somebody's devices.
func session(r *rng, user *auditlog.User, home int) []byte {
	s := &auditlog.Session{User: user, IPAddress: address(r)}
	if kind := r.below(16); kind > 0 { // else an address and nothing else
		s.UserAgent = userAgents[r.below(len(userAgents))]
		ja4 := "t13d1516h2_"
		if kind < 3 { // over QUIC there is no JA3
			ja4 = "q13d0313h3_"
		} else {
			s.JA3 = string(r.text(nil, hexes, 32))
		}
		b := append(r.text([]byte(ja4), hexes, 12), '_')
		s.JA4 = string(r.text(b, hexes, 12))
		s.IPAddressDetails = &places[home]
	}
	return encode(&auditlog.Actor{Type: "session", Session: s})
}

// address returns an address of the ranges reserved for documentation.
func address(r *rng) string {
	switch n := r.below(7); {
	case n < 2:
		return fmt.Sprintf("203.0.113.%d", 1+r.below(254))
	case n < 4:
		return fmt.Sprintf("198.51.100.%d", 1+r.below(254))
	case n < 6:
		return fmt.Sprintf("192.0.2.%d", 1+r.below(254))
	default:
		return fmt.Sprintf("2001:db8:%x::%x:%x", r.below(1<<16), r.below(1<<16), 1+r.below(1<<16-1))
	}
}
