package openaisim

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
)

// samples holds one event per documented type, and variants of some.
//
//go:embed samples
var samples embed.FS

// catalogue is every event type with the shapes its payload comes in.
type catalogue struct {
	kinds  []kind
	byName map[string]*kind
	known  int      // kinds[:known] are the documented ones, by name
	weight []uint16 // a table of indices in kinds, each as often as it is likely
}

// kind is an event type.
type kind struct {
	name   string
	tenant bool
	shapes []*shape // the usual one first
}

// Types returns the documented event types, sorted.
func Types() []string {
	c := theCatalogue()
	names := make([]string, c.known)
	for i := range names {
		names[i] = c.kinds[i].name
	}
	return names
}

// tenantScoped reports whether events of a type are in the tenant's listing.
func tenantScoped(typ string) bool {
	return strings.HasPrefix(typ, "tenant.") || typ == "role.bound_to_resource" || typ == "role.unbound_from_resource"
}

// weights are how often types occur compared with one of weight 1; the tenant's
// have 3 and all others 5.
var weights = map[string]int{
	"login.succeeded": 900, "logout.succeeded": 250, "login.failed": 160,
	"api_key.created": 300, "api_key.updated": 120, "api_key.deleted": 180,
	"user.added": 60, "user.updated": 60, "user.deleted": 30, "invite.sent": 80, "invite.accepted": 60, "invite.deleted": 15,
	"project.created": 20, "project.updated": 30, "rate_limit.updated": 60, "service_account.created": 50, "service_account.deleted": 30,
	"role.assignment.created": 80, "role.assignment.deleted": 50, "role.bound_to_resource": 60, "role.unbound_from_resource": 30,
	"tenant.workload_identity.access_token.issued": 200, "tenant.user.looked_up": 80, "tenant.role_assignment.created": 40,
	"certificate.deleted": 2, "organization.updated": 10,
}

// theCatalogue is read from the samples when it is first needed. The samples are
// part of the program and tested, so that a bad one panics.
var theCatalogue = sync.OnceValue(func() *catalogue {
	c := &catalogue{byName: map[string]*kind{}}
	var unknown []kind
	for _, dir := range []string{"samples", "samples/variants"} {
		files, err := samples.ReadDir(dir)
		if err != nil {
			panic(err)
		}
		for _, f := range files {
			if f.IsDir() || strings.HasPrefix(f.Name(), "_") {
				continue
			}
			text, err := samples.ReadFile(path.Join(dir, f.Name()))
			if err != nil {
				panic(err)
			}
			name, s, err := parseShape(text)
			if err != nil {
				panic(fmt.Errorf("sample %s: %w", f.Name(), err))
			}
			all := &c.kinds
			if dir != "samples" && !slices.ContainsFunc(c.kinds, func(k kind) bool { return k.name == name }) {
				all = &unknown
			}
			i := slices.IndexFunc(*all, func(k kind) bool { return k.name == name })
			if i < 0 {
				i = len(*all)
				*all = append(*all, kind{name: name, tenant: tenantScoped(name)})
			}
			(*all)[i].shapes = append((*all)[i].shapes, s)
		}
	}
	c.known = len(c.kinds)
	c.kinds = append(c.kinds, unknown...)
	for i := range c.kinds {
		k := &c.kinds[i]
		c.byName[k.name] = k
		if i >= c.known {
			continue
		}
		n, ok := weights[k.name]
		switch {
		case !ok && k.tenant:
			n = 3
		case !ok:
			n = 5
		}
		for range n {
			c.weight = append(c.weight, uint16(i))
		}
	}
	return c
})
