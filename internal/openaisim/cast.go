package openaisim

import "fmt"

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
	places = []string{
		`{"country":"US","city":"Portland","region":"Oregon","region_code":"OR","asn":"64500","latitude":"45.52345","longitude":"-122.67621"}`,
		`{"country":"DE","city":"Köln","region":"Nordrhein-Westfalen","region_code":"NW","asn":"64501"}`,
		`{"country":"BR","city":"São Paulo","region":"São Paulo","region_code":"SP","asn":"64502","latitude":"-23.5475","longitude":"-46.63611"}`,
		`{"country":"JP","city":"Tokyo","region":"Tokyo","region_code":"13","asn":"64503","latitude":"35.6895","longitude":"139.69171"}`,
		`{"country":"IN","city":"Mumbai","region":"Maharashtra","region_code":"MH","asn":"64504","latitude":"19.07283","longitude":"72.88261"}`,
		`{"country":"NL","city":"Amsterdam","region":"North Holland","region_code":"NH","asn":"64505","latitude":"52.37403","longitude":"4.88969"}`,
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
		user := fmt.Appendf(nil, `{"id":"%s","email":"%s"}`, p.id, p.email)
		home := r.below(len(places))
		for range 1 + r.below(3) {
			p.sessions = append(p.sessions, session(&r, user, home))
		}
		for range r.below(3) {
			p.keys = append(p.keys, fmt.Appendf(nil, `{"type":"api_key","api_key":{"id":"%s","type":"user","user":%s}}`, id("key_", 16), user))
		}
		if i%10 == 0 { // the specification's own example leaves the key's id out
			p.keys = append(p.keys, fmt.Appendf(nil, `{"type":"api_key","api_key":{"type":"user","user":%s}}`, user))
		}
		c.people = append(c.people, p)
	}
	for range accountCount {
		a := account{id: id("user-", 24)}
		for range 1 + r.below(2) {
			a.keys = append(a.keys, fmt.Appendf(nil, `{"type":"api_key","api_key":{"id":"%s","type":"service_account","service_account":{"id":"%s"}}}`,
				id("key_", 16), a.id))
		}
		c.accounts = append(c.accounts, a)
	}
	for _, name := range projectNames {
		p := project{id: id("proj_", 24)}
		p.fragment = fmt.Appendf(nil, `{"id":"%s","name":%s}`, p.id, quote(nil, name))
		c.projects = append(c.projects, p)
	}
	for range 12 {
		c.strangers = append(c.strangers, session(&r, nil, r.below(len(places))))
	}
	return c
}

// session returns an actor that came through the web, by one of somebody's devices.
func session(r *rng, user []byte, home int) []byte {
	b := []byte(`{"type":"session","session":{`)
	if user != nil {
		b = fmt.Appendf(b, `"user":%s,`, user)
	}
	b = append(b, `"ip_address":"`...)
	b = append(b, address(r)...)
	b = append(b, '"')
	kind := r.below(16)
	if kind == 0 { // an address and nothing else
		return append(b, "}}"...)
	}
	b = append(b, `,"user_agent":`...)
	b = quote(b, userAgents[r.below(len(userAgents))])
	ja4 := "t13d1516h2_"
	if kind < 3 { // over QUIC there is no JA3
		ja4 = "q13d0313h3_"
	} else {
		b = append(b, `,"ja3":"`...)
		b = append(r.text(b, hexes, 32), '"')
	}
	b = append(append(b, `,"ja4":"`...), ja4...)
	b = append(r.text(b, hexes, 12), '_')
	b = append(r.text(b, hexes, 12), '"')
	b = append(append(b, `,"ip_address_details":`...), places[home]...)
	return append(b, "}}"...)
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
