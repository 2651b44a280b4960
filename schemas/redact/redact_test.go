package redact

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"auditlog-connector/schemas"
)

const key = "0123456789abcdef0123456789abcdef"

func policy(t testing.TB, dropped, hashed []string) *Policy {
	t.Helper()
	p, err := New(dropped, hashed, []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func event() schemas.AuditEvent {
	return schemas.AuditEvent{
		EventID: "audit_log-1", EventType: "user.updated", EffectiveAt: time.Unix(1795166939, 0).UTC(), Stream: "organization", Source: "acme",
		OrganizationID: "org-1", Action: "update", Outcome: "success", Severity: "high", SeverityReason: "role owner",
		Actor: schemas.Actor{
			Kind: "user", ID: "user-1", Email: "ana@example.com", Name: "Ana", IP: "203.0.113.24", UserAgent: "curl/8",
			Geo: &schemas.Geo{Country: "DE", City: "Berlin", Latitude: "52.52"},
		},
		Targets: []schemas.Target{
			{Type: "user", ID: "user-12", Name: "ANA@example.com"},
			{Type: "role", ID: "role__user-1__x", Name: "for Ana, not Anabel"},
		},
		Project:   &schemas.Project{ID: "proj_1", Name: "Ana"},
		Error:     &schemas.EventError{Code: "denied", Message: "ana@example.com: denied"},
		KnownType: true,
		Changes:   map[string]string{"role": `"owner"`, "email": `["ana@example.com","b@example.com"]`, "ana@example.com": `1`},
		Problems:  []string{"actor: Ana"},
		Details:   []byte(`{"id":"user-12","by":"\u0061na@example.com","n":52.52,"say":"<ana@example.com> \"ana\"","user-1":true,"deep":[{"ip":"203.0.113.24"}]}`),
		Raw:       []byte(`{"actor":{"email":"ana@example.com"}}`),
	}
}

func TestDroppedValuesAreGoneFromTheWholeRecord(t *testing.T) {
	for _, c := range []struct {
		name    string
		dropped []string
		check   func(e *schemas.AuditEvent) (got, want any)
	}{
		{"raw is left out, whatever is named", []string{"actor.ja3"}, func(e *schemas.AuditEvent) (any, any) { return e.Raw == nil, true }},
		{"the field", []string{"actor.email"}, func(e *schemas.AuditEvent) (any, any) { return e.Actor.Email, "" }},
		{"a text that is the value, in another case", []string{"actor.email"}, func(e *schemas.AuditEvent) (any, any) {
			return e.Targets[0], schemas.Target{Type: "user", ID: "user-12"}
		}},
		{"a text that has the value", []string{"actor.email"}, func(e *schemas.AuditEvent) (any, any) { return e.Error.Message, "[dropped]: denied" }},
		{"whole words only", []string{"actor.name"}, func(e *schemas.AuditEvent) (any, any) { return e.Targets[1].Name, "for [dropped], not Anabel" }},
		{"another id is another word", []string{"actor.id"}, func(e *schemas.AuditEvent) (any, any) {
			return e.Targets[0].ID + " " + e.Targets[1].ID, "user-12 role__[dropped]__x"
		}},
		{"problems", []string{"actor.name"}, func(e *schemas.AuditEvent) (any, any) { return e.Problems, []string{"actor: [dropped]"} }},
		{"what is left empty is not there", []string{"project.id", "actor.name"}, func(e *schemas.AuditEvent) (any, any) { return e.Project, (*schemas.Project)(nil) }},
		{"details, decoded, a longer value first", []string{"actor.email", "actor.name"}, func(e *schemas.AuditEvent) (any, any) {
			return string(e.Details), `{"id":"user-12","by":"[dropped]","n":52.52,"say":"<[dropped]> \"[dropped]\"","user-1":true,"deep":[{"ip":"203.0.113.24"}]}`
		}},
		{"numbers and names in details", []string{"actor.geo.latitude", "actor.id", "actor.ip"}, func(e *schemas.AuditEvent) (any, any) {
			return string(e.Details), `{"id":"user-12","by":"\u0061na@example.com","n":"[dropped]","say":"<ana@example.com> \"ana\"","[dropped]":true,"deep":[{"ip":"[dropped]"}]}`
		}},
		{"changes", []string{"actor.email"}, func(e *schemas.AuditEvent) (any, any) {
			return e.Changes, map[string]string{"role": `"owner"`, "email": `["[dropped]","b@example.com"]`}
		}},
		{"changes take the payload along", []string{"changes"}, func(e *schemas.AuditEvent) (any, any) { return len(e.Changes) + len(e.Details), 0 }},
		{"details alone", []string{"details"}, func(e *schemas.AuditEvent) (any, any) { return fmt.Sprint(len(e.Changes), len(e.Details)), "3 0" }},
		{"a group", []string{"actor"}, func(e *schemas.AuditEvent) (any, any) { return e.Actor, schemas.Actor{Kind: "user"} }},
		{"a group in a group", []string{"actor.geo"}, func(e *schemas.AuditEvent) (any, any) { return e.Actor.Geo, (*schemas.Geo)(nil) }},
		{"targets", []string{"targets"}, func(e *schemas.AuditEvent) (any, any) { return e.Targets, []schemas.Target(nil) }},
		{"ids of targets", []string{"targets.id"}, func(e *schemas.AuditEvent) (any, any) {
			return e.Targets, []schemas.Target{{Type: "user", Name: "ANA@example.com"}, {Type: "role", Name: "for Ana, not Anabel"}}
		}},
		{"error", []string{"error"}, func(e *schemas.AuditEvent) (any, any) { return e.Error, (*schemas.EventError)(nil) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			shared, before := event(), event()
			e := shared
			policy(t, c.dropped, nil).Apply(&e)
			if got, want := c.check(&e); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if !reflect.DeepEqual(shared, before) {
				t.Error("what the event points to was modified")
			}
		})
	}
}

func TestHashes(t *testing.T) {
	p := policy(t, nil, []string{"actor.email", "actor.id", "targets.name", "actor.ip"})
	e := event()
	p.Apply(&e)
	// By other means: printf %s VALUE | openssl dgst -sha256 -hmac KEY
	const email = "0e9166fe256f8cdc412827b7c18d7aea"
	if e.Actor.Email != email {
		t.Errorf("email: %s, want %s", e.Actor.Email, email)
	}
	if !strings.Contains(string(e.Details), `"by":"`+email+`"`) || e.Error.Message != email+": denied" || e.Changes["email"] != `["`+email+`","b@example.com"]` {
		t.Errorf("the value has another hash elsewhere: %s, %q, %s", e.Details, e.Error.Message, e.Changes["email"])
	}
	if len(e.Targets[0].Name) != 32 || e.Targets[0].Name == email {
		t.Errorf("another spelling: %q", e.Targets[0].Name)
	}
	ip, err := netip.ParseAddr(e.Actor.IP)
	if err != nil || !ip.IsPrivate() || !ip.Is6() || !strings.Contains(string(e.Details), `{"ip":"`+e.Actor.IP+`"}`) {
		t.Errorf("ip: %s (%v) in %s, want a private IPv6 address", e.Actor.IP, err, e.Details)
	}
	again := event()
	policy(t, nil, []string{"actor.email", "actor.id", "targets.name", "actor.ip"}).Apply(&again)
	if !bytes.Equal(schemas.Encode(nil, &e), schemas.Encode(nil, &again)) {
		t.Error("another result the second time")
	}
	other, err := New(nil, []string{"actor.email"}, []byte(strings.ToUpper(key)))
	if err != nil {
		t.Fatal(err)
	}
	again = event()
	if other.Apply(&again); again.Actor.Email == email {
		t.Error("another key, the same hash")
	}
	none := schemas.AuditEvent{}
	if p.Apply(&none); none.Actor.Email != "" {
		t.Error("the hash of nothing is something")
	}
}

func TestDroppedWinsOverHashed(t *testing.T) {
	e := event()
	e.Targets = e.Targets[:1]
	e.Targets[0].Name = e.Actor.Email
	policy(t, []string{"targets.name"}, []string{"actor.email"}).Apply(&e)
	if len(e.Actor.Email) != 32 || e.Targets[0].Name != "" || e.Error.Message != "[dropped]: denied" {
		t.Errorf("%+v", e)
	}
}

func TestManyValuesTakeThePayloadAlong(t *testing.T) {
	e := event()
	for i := range 10000 {
		e.Targets = append(e.Targets, schemas.Target{Type: "certificate", ID: fmt.Sprint("cert_", i), Name: "of cert_7"})
	}
	e.OrganizationID = "cert_7"
	policy(t, []string{"targets.id"}, nil).Apply(&e)
	if e.Details != nil || e.Changes != nil || e.OrganizationID != "" || e.Targets[20].ID != "" || e.Targets[20].Name == "" {
		t.Errorf("details %d bytes, changes %v, organization %q, target %+v", len(e.Details), e.Changes, e.OrganizationID, e.Targets[20])
	}
}

// TestSearchIsLinear takes texts that make a search start anew at every byte.
func TestSearchIsLinear(t *testing.T) {
	begun := time.Now()
	e := event()
	e.Actor.Name = strings.Repeat("aa ", 100_000) + "a"
	e.Details = []byte(`"` + strings.Repeat("aa ", 400_000) + `"`)
	policy(t, []string{"actor.name"}, nil).Apply(&e)
	if len(e.Details) < 1_000_000 || time.Since(begun) > 30*time.Second {
		t.Errorf("%d bytes after %s", len(e.Details), time.Since(begun))
	}
}

func TestWhatIsNotNamedStays(t *testing.T) {
	e, want := event(), event()
	policy(t, []string{"raw"}, nil).Apply(&e)
	want.Raw = nil
	if !reflect.DeepEqual(e, want) {
		t.Errorf("got  %+v\nwant %+v", e, want)
	}
	v := reflect.ValueOf(event())
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && v.Field(i).IsZero() {
			t.Errorf("the test's event has no %s", f.Name)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		name            string
		dropped, hashed []string
		key, want       string
	}{
		{"what names the event", []string{"event_id"}, nil, key, "drop event_id: it stays: it names the event"},
		{"what follows from the type", []string{"actor.kind"}, nil, key, "it stays: it follows from event_type"},
		{"a stranger", []string{"actor.mail"}, nil, key, "drop actor.mail: there is no such field"},
		{"a hash of a text", nil, []string{"details"}, key, "hash details: it can be dropped and not hashed"},
		{"a hash of a group", nil, []string{"actor"}, key, "it can be dropped and not hashed"},
		{"both", []string{"actor.ip"}, []string{"actor.ip"}, key, "named twice"},
		{"in a group and alone", []string{"actor"}, []string{"actor.ip"}, key, "named twice"},
		{"no key", nil, []string{"actor.ip"}, "", "the key has 0 bytes, want at least 16"},
		{"a short key", nil, []string{"actor.ip"}, "password", "the key has 8 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := New(c.dropped, c.hashed, []byte(c.key)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestFieldsAreThoseOfTheRecord fails when the record gets a field that nobody has
// decided about here.
func TestFieldsAreThoseOfTheRecord(t *testing.T) {
	var want []string
	var walk func(prefix string, typ reflect.Type)
	walk = func(prefix string, typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct {
			typ = typ.Elem()
		}
		if prefix != "" {
			want = append(want, prefix)
		}
		if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range typ.NumField() {
			if !typ.Field(i).IsExported() {
				continue
			}
			name := snake(typ.Field(i).Name)
			if prefix != "" {
				name = prefix + "." + name
			}
			walk(name, typ.Field(i).Type)
		}
	}
	walk("", reflect.TypeFor[schemas.AuditEvent]())
	var got []string
	for _, f := range fields {
		got = append(got, f.path)
	}
	if !slices.Equal(got, want) {
		t.Errorf("fields:\n%v\nthe record's:\n%v", got, want)
	}
	e := event()
	visited := map[string]bool{}
	texts(&e, func(path string, _ *string) { visited[path] = true })
	for _, f := range fields {
		group := len(under(f.path)) > 1
		if plain := !group && f.kept == "" && !slices.Contains([]string{"changes", "details", "raw"}, f.path); plain && !visited[f.path] {
			t.Errorf("texts does not visit %s", f.path)
		}
	}
}

// snake spells a Go name as the schema does: ActorIP, actor_ip.
func snake(name string) string {
	for _, whole := range []string{"ID", "IP", "API", "JA3", "JA4", "ASN"} {
		name = strings.ReplaceAll(name, whole, whole[:1]+strings.ToLower(whole[1:]))
	}
	var b strings.Builder
	for i, c := range name {
		if i > 0 && c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(c)
	}
	return strings.ToLower(b.String())
}

// TestFindAgreesWithAPlainSearch compares the one-pass search with an obvious one.
func TestFindAgreesWithAPlainSearch(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	word := func(most int) string {
		b := make([]byte, 1+r.IntN(most))
		for i := range b {
			b[i] = "ab -"[r.IntN(4)]
		}
		return string(b)
	}
	for range 20000 {
		v := removedValue{text: word(5)}
		v.next = overlaps(v.text)
		s := word(30)
		var want []int
		for i := 0; i+len(v.text) <= len(s); {
			if end := i + len(v.text); s[i:end] == v.text && !joined(s, i) && !joined(s, end) {
				want = append(want, i)
				i = end
				continue
			}
			i++
		}
		if got := v.find(s); !slices.Equal(got, want) {
			t.Fatalf("%q in %q: %v, want %v", v.text, s, got, want)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	p := policy(b, []string{"actor.name", "project"}, []string{"actor.email", "actor.ip"})
	b.ReportAllocs()
	for b.Loop() {
		e := event()
		p.Apply(&e)
	}
}
