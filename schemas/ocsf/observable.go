package ocsf

// observed is a kind of observable, by its number in the schema.
type observed int

const (
	observedIP           observed = 2
	observedUserName     observed = 4
	observedEmail        observed = 5
	observedHash         observed = 8
	observedResourceID   observed = 10
	observedSubnet       observed = 12
	observedCountry      observed = 14
	observedUserAgent    observed = 16
	observedCredential   observed = 19
	observedUserID       observed = 31
	observedGroupName    observed = 32
	observedGroupID      observed = 33
	observedAccountName  observed = 34
	observedAccountID    observed = 35
	observedResourceName observed = 38
)

func (o observed) caption() string {
	switch o {
	case observedIP:
		return "IP Address"
	case observedUserName:
		return "User Name"
	case observedEmail:
		return "Email Address"
	case observedHash:
		return "Hash"
	case observedResourceID:
		return "Resource UID"
	case observedSubnet:
		return "Subnet"
	case observedCountry:
		return "Country"
	case observedUserAgent:
		return "HTTP User-Agent"
	case observedCredential:
		return "User Credential ID"
	case observedUserID:
		return "User Object: uid"
	case observedGroupName:
		return "Group Object: name"
	case observedGroupID:
		return "Group Object: uid"
	case observedAccountName:
		return "Account Object: name"
	case observedAccountID:
		return "Account Object: uid"
	}
	return "Resource Details Object: name"
}

// observable is a value in the document that is worth a search by itself. Path and
// attribute together say where it is.
type observable struct {
	path, attribute string
	kind            observed
	value           string
}

// observables are those noted so far. A document without long lists has no more
// than fit.
type observables struct {
	few  [24]observable
	n    int
	more []observable
}

// see notes a value that was written, unless it is empty.
func (d *document) see(path, attribute string, kind observed, value string) {
	if value == "" {
		return
	}
	o := observable{path, attribute, kind, value}
	if s := &d.seen; s.n < len(s.few) {
		s.few[s.n] = o
		s.n++
	} else {
		s.more = append(s.more, o)
	}
}

func (d *document) observables() {
	s := &d.seen
	if s.n == 0 {
		return
	}
	d.array("observables")
	for i := range s.few[:s.n] {
		d.observable(&s.few[i])
	}
	for i := range s.more {
		d.observable(&s.more[i])
	}
	d.endArray()
}

func (d *document) observable(o *observable) {
	d.element()
	d.b = append(d.b, `"name":"`...)
	d.b = append(d.b, o.path...)
	d.b = append(d.b, o.attribute...)
	d.b = append(d.b, '"')
	d.enum("type_id", int(o.kind), "type", o.kind.caption())
	d.text("value", o.value)
	d.endObject()
}
