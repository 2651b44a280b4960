package openaisim

import (
	"fmt"
	"strconv"
)

// renderer invents events. It is not safe for concurrent use; renderers of one
// seed invent the same events.
type renderer struct {
	seed  uint64 // the site of all contents
	cast  *cast
	types *catalogue
	cfg   *Config
	buf   []byte
}

func newRenderer(cfg *Config, c *cast) *renderer {
	return &renderer{seed: site(cfg.Seed, "event"), cast: c, types: theCatalogue(), cfg: cfg}
}

// draft is an event about to be invented: the nth of the organization.
type draft struct {
	n    int
	kind *kind
	at   int64 // seconds
	id   []byte
}

// idSize is the length of an invented id.
const idSize = len("audit_log-") + 24

// eventID appends the id of the nth event to b.
func (g *renderer) eventID(b []byte, n int) []byte {
	r := rng(nth(g.seed, uint64(n)*2+1))
	return r.text(append(b, "audit_log-"...), base62, 24)
}

// body invents a body. It is valid until the next call.
func (g *renderer) body(d draft) []byte {
	r := rng(nth(g.seed, uint64(d.n)*2))
	odd := oddNone
	if r.chance(g.cfg.Odd) {
		odd = oddity(1 + r.below(int(oddities)-1))
	}
	b := append(g.buf[:0], '{')
	if r.below(16) > 0 {
		b = append(b, `"object":"organization.audit_log",`...)
	}
	b = append(b, `"id":`...)
	b = quote(b, string(d.id))
	b = append(b, `,"type":`...)
	b = quote(b, d.kind.name)
	b = append(b, `,"effective_at":`...)
	b = g.time(b, &r, d.at)
	s := g.shape(&r, d.kind)
	if s.project {
		b = append(append(b, `,"project":`...), g.cast.projects[r.below(len(g.cast.projects))].fragment...)
	}
	b = g.actor(b, &r, d, odd)
	b = g.details(b, &r, d.kind.name, s, odd)
	if odd == oddExtra {
		b = append(b, `,"source":"backfill","x_new_top":null`...)
	}
	b = append(b, '}')
	g.buf = b
	return b
}

// shape chooses a variant for one event in eight, where there are any.
func (g *renderer) shape(r *rng, k *kind) *shape {
	if n := r.below(8 * max(1, len(k.shapes)-1)); n < len(k.shapes)-1 {
		return k.shapes[1+n]
	}
	return k.shapes[0]
}

func (g *renderer) time(b []byte, r *rng, at int64) []byte {
	if !r.chance(g.cfg.OddTimes) {
		return strconv.AppendInt(b, at, 10)
	}
	if r.below(2) == 0 {
		return fmt.Appendf(b, "%d.%d", at, 1+r.below(9))
	}
	return fmt.Appendf(b, `"%d"`, at)
}

// oddity is something unusual about an event.
type oddity int

const (
	oddNone oddity = iota
	oddExtra
	oddActorNull
	oddActorAbsent
	oddActorEmpty
	oddActorUnknown
	oddActorNobody
	oddAddress
	oddDetailsNull
	oddDetailsList
	oddDetailsAbsent
	oddities
)

// actor appends who did it.
func (g *renderer) actor(b []byte, r *rng, d draft, odd oddity) []byte {
	var a []byte
	switch odd {
	case oddActorAbsent:
		return b
	case oddActorNull:
		a = []byte("null")
	case oddActorEmpty:
		a = []byte("{}")
	case oddActorUnknown:
		a = []byte(`{"type":"workload","workload":{"x_invented":"repo:acme/app"}}`)
	case oddActorNobody:
		a = g.cast.strangers[r.below(len(g.cast.strangers))]
	case oddAddress:
		a = []byte(`{"type":"session","session":{"ip_address":"unknown","ip_address_details":{}}}`)
	default:
		a = g.usualActor(r, d)
	}
	return append(append(b, `,"actor":`...), a...)
}

func (g *renderer) usualActor(r *rng, d draft) []byte {
	web := false
	switch d.kind.name {
	case "login.failed", "logout.failed":
		if r.below(2) == 0 {
			return g.cast.strangers[r.below(len(g.cast.strangers))]
		}
		web = true
	case "login.succeeded", "logout.succeeded":
		web = true
	}
	// What happens within one second is mostly one actor's doing: a script.
	who := rng(nth(g.seed, uint64(d.at)))
	if r.below(4) == 0 {
		who = *r
	}
	n := who.below(100)
	if !web && n < 16 {
		keys := g.cast.accounts[who.below(accountCount)].keys
		return keys[who.below(len(keys))]
	}
	p := &g.cast.people[who.below(peopleCount)]
	if !web && n < 26 && len(p.keys) > 0 {
		return p.keys[who.below(len(p.keys))]
	}
	return p.sessions[who.below(len(p.sessions))]
}

// details appends the payload under the key named like the type.
func (g *renderer) details(b []byte, r *rng, typ string, s *shape, odd oddity) []byte {
	if !s.present || odd == oddDetailsAbsent {
		return b
	}
	b = append(quote(append(b, ','), typ), ':')
	switch odd {
	case oddDetailsNull:
		return append(b, "null"...)
	case oddDetailsList:
		b = append(b, '[')
	}
	var slots [maxSlots]struct{ from, to int }
	for i := range s.segments {
		seg := &s.segments[i]
		b = append(b, seg.text...)
		if seg.value.kind == valueNone {
			break
		}
		at := &slots[seg.value.slot]
		if seg.value.kind == valuePool {
			// A pool's values are chosen by the slot, so that a code and its
			// message, which share one, belong together.
			if at.to == 0 {
				at.from, at.to = r.below(len(seg.value.pool)), 1
			}
			b = append(b, seg.value.pool[at.from%len(seg.value.pool)]...)
			continue
		}
		if at.to > 0 {
			b = append(b, b[at.from:at.to]...)
			continue
		}
		at.from = len(b)
		b = g.value(b, r, &seg.value)
		at.to = len(b)
	}
	if odd == oddDetailsList {
		b = append(b, ']')
	}
	return b
}

func (g *renderer) value(b []byte, r *rng, v *value) []byte {
	switch v.kind {
	case valueBase62:
		return r.text(b, base62, v.size)
	case valueHex:
		return r.text(b, hexes, v.size)
	case valueLower:
		return r.text(b, base62[:10]+base62[36:], v.size)
	case valueUUID:
		b = append(r.text(b, hexes, 8), '-')
		b = append(r.text(b, hexes, 4), '-', '4')
		b = append(r.text(b, hexes, 3), '-', 'a')
		b = append(r.text(b, hexes, 3), '-')
		return r.text(b, hexes, 12)
	case valueUser:
		return append(b, g.cast.people[r.below(peopleCount)].id...)
	case valueAccount:
		return append(b, g.cast.accounts[r.below(accountCount)].id...)
	case valueProject:
		return append(b, g.cast.projects[r.below(len(g.cast.projects))].id...)
	case valueOrg:
		return append(b, g.cast.org...)
	case valueEmail:
		return append(b, g.cast.people[r.below(peopleCount)].email...)
	case valueNetwork:
		return append(b, network(r)...)
	case valuePEM:
		return pem(b, r)
	}
	return b
}

// network returns an address or a range, both of the documentation's.
func network(r *rng) string {
	switch r.below(3) {
	case 0:
		return [...]string{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"}[r.below(3)]
	case 1:
		return fmt.Sprintf("2001:db8:%x::/48", r.below(1<<16))
	}
	return address(r)
}

// pem appends what looks like a certificate of one to ten kilobytes, as JSON text.
func pem(b []byte, r *rng) []byte {
	b = append(b, `-----BEGIN CERTIFICATE-----\n`...)
	for range 16 + r.below(140) {
		b = append(r.text(b, base62+"+/", 64), `\n`...)
	}
	return append(b, `-----END CERTIFICATE-----\n`...)
}
