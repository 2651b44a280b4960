package ocsf_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"auditlog-connector/schemas"
	"auditlog-connector/schemas/ocsf"
)

// key entries of which no sample is exactly this.
const (
	keyByAccount = `{"id":"audit_log-1","type":"api_key.created","effective_at":1700000000,"actor":{"type":"api_key","api_key":{"id":"key_1","type":"service_account",` +
		`"service_account":{"id":"svc_acct_1"}}},"api_key.created":{"id":"key_2","data":{"scopes":["api.all"]}}}`
	loginWithoutReason = `{"id":"audit_log-1","type":"login.failed","actor":{"type":"session","session":{"ip_address":"192.0.2.1"}},"login.failed":null}`
)

func TestWhatAnAnalystLooksFor(t *testing.T) {
	all := samples(t)
	of := func(name string) *schemas.AuditEvent {
		if all[name] == nil {
			t.Fatalf("no sample %s", name)
		}
		return all[name]
	}
	for _, c := range []struct {
		name  string
		event *schemas.AuditEvent
		want  map[string]any
	}{
		{"a failed login is a failed authentication with a reason", of("login.failed"), map[string]any{
			"time": 1795131411000, "class_uid": 3002, "activity_name": "Logon", "status": "Failure", "status_code": "invalid_credentials",
			"status_detail": "The e-mail or password is incorrect.", "user.name": "unknown", "user.type_id": 0, "metadata.labels[]": "target_unknown"}},
		{"a failed login of a known account", of("variants/login.failed.with-user"), map[string]any{
			"class_uid": 3002, "status_id": 2, "metadata.labels": nil, "user.type": "User"}},
		{"a failed login without a reason", normalizeText(t, loginWithoutReason), map[string]any{
			"status": "Failure", "status_code": nil, "status_detail": nil, "src_endpoint.ip": "192.0.2.1"}},
		{"a role that was given names role, resource and principal", of("role.assignment.created"), map[string]any{
			"class_uid": 3005, "activity_name": "Assign Privileges", "user.uid": "user-OBzVwIDstTiFyAlP9B8aUrgK",
			"privileges[]": "role-api-organization-owner", "resources[].uid": "org-aWFeOgd23eOp1ARVjVEeNJPX", "resources[].type": "api.organization"}},
		{"a role that a group got", of("variants/role.assignment.created.group"), map[string]any{
			"class_uid": 3006, "activity_name": "Assign Privileges", "resource.role": "Target", "user": nil}},
		{"a role in a project", of("user.updated"), map[string]any{
			"class_uid": 3005, "privileges[]": "member", "resources[].uid": "proj_GyijpXUwIL8tuPmXyNcizRcE"}},
		{"no role is asked for", of("variants/user.updated.no-role"), map[string]any{
			"class_uid": 3001, "activity_id": 99, "activity_name": "Update", "privileges": nil}},
		{"a key made by a service account names both", normalizeText(t, keyByAccount), map[string]any{
			"entity.uid": "key_2", "entity.type": "api_key", "actor.user.uid": "svc_acct_1", "actor.user.type": "Service",
			"actor.user.programmatic_credentials[].uid": "key_1", "access_list[]": "api.all"}},
		{"an allow list that changes lists its addresses", of("ip_allowlist.updated"), map[string]any{
			"entity.data": nil, "entity_result.data.allowed_ips[]": "203.0.113.0/24", "entity_result.uid": "ipallow_NXi8XIdKcwXFgdsRNwsZ"}},
		{"a new allow list", of("ip_allowlist.created"), map[string]any{
			"entity.data.allowed_ips[]": "203.0.113.0/24", "entity_result": nil, "severity": "Medium"}},
		{"a new name is not the entity's yet", of("project.updated"), map[string]any{
			"entity.name": nil, "entity_result.name": "検索基盤 v2"}},
		{"a new owner", of("user.added"), map[string]any{"user.type": "User", "user_result.type": "Admin"}},
		{"a service account", of("service_account.created"), map[string]any{"class_uid": 3001, "user.type_id": 4}},
		{"what an unbound role allowed is not asked for", normalizeText(t, `{"id":"audit_log-1","type":"role.unbound_from_resource","role.unbound_from_resource":{"id":"w__c","role_id":"r","permissions":["p"]}}`),
			map[string]any{"access_list": nil, "entity_result.data.permissions[]": "p", "entity.uid": "r"}},
		{"an invitation names who is invited", of("invite.sent"), map[string]any{
			"entity.user.name": "nouveau.collègue@example.org", "entity.user.email_addr": nil}},
		{"a type that nobody knows", of("variants/unknown-type.with-verb"), map[string]any{
			"metadata.labels[]": "type_unknown", "class_uid": 3004}},
		{"an address that is none", of("variants/ip-invalid"), map[string]any{
			"src_endpoint": nil, "metadata.labels[]": "problems", "unmapped.problems[]": "actor.session.ip_address: not an IP address"}},
		{"where it came from", of("login.failed"), map[string]any{
			"src_endpoint.location.region": "BR-SP", "src_endpoint.location.desc": "São Paulo", "src_endpoint.location.lat": "-23.5475",
			"src_endpoint.autonomous_system.number": 64502, "src_endpoint.fingerprints[].algorithm": "JA3", "http_request.user_agent": "python-requests/2.32.5"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := parse(t, c.event)
			for path, want := range c.want {
				got := at(doc, path)
				if want == nil && got != nil || want != nil && fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s is %v, want %v", path, got, want)
				}
			}
			for _, p := range validate(t, doc) {
				t.Error(p)
			}
		})
	}
}

func TestWhatTheEndpointCannotHold(t *testing.T) {
	const mapped = "0000:0000:0000:0000:0000:ffff:192.168.100.228" // longer than the schema's addresses
	for _, c := range []struct {
		name  string
		actor schemas.Actor
		want  map[string]any
	}{
		{"an address that was hashed", schemas.Actor{IP: "5e884898da28", JA3: "j", Geo: &schemas.Geo{Country: "DE", ASN: "1"}},
			map[string]any{"src_endpoint": nil, "unmapped.ip": "5e884898da28", "unmapped.ja3": "j", "unmapped.geo.country": "DE", "unmapped.geo.asn": "1"}},
		{"a long spelling", schemas.Actor{IP: mapped}, map[string]any{"src_endpoint.ip": "::ffff:192.168.100.228", "unmapped.ip": mapped}},
		{"an address with a zone", schemas.Actor{IP: "fe80::1%eth0"}, map[string]any{"src_endpoint": nil, "unmapped.ip": "fe80::1%eth0"}},
		{"degrees that are none", schemas.Actor{IP: "10.0.0.1", Geo: &schemas.Geo{City: "X", Latitude: "90.1", Longitude: "NaN"}},
			map[string]any{"src_endpoint.location.lat": nil, "src_endpoint.location.long": nil, "unmapped.geo.latitude": "90.1", "unmapped.geo.longitude": "NaN", "unmapped.geo.city": nil}},
		{"degrees without a place", schemas.Actor{IP: "10.0.0.1", Geo: &schemas.Geo{Latitude: "1", Longitude: "2"}},
			map[string]any{"src_endpoint.location": nil, "unmapped.geo.latitude": "1"}},
		{"a network with a number too large", schemas.Actor{IP: "10.0.0.1", Geo: &schemas.Geo{ASN: "2147483648"}},
			map[string]any{"src_endpoint.autonomous_system.name": "2147483648", "src_endpoint.autonomous_system.number": nil, "unmapped.geo": nil}},
		{"a network with a prefix", schemas.Actor{IP: "10.0.0.1", Geo: &schemas.Geo{ASN: "AS64500"}}, map[string]any{"src_endpoint.autonomous_system.number": 64500}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := normalizeText(t, `{"id":"audit_log-1","type":"api_key.deleted","api_key.deleted":{"id":"k"}}`)
			e.Actor = c.actor
			doc := parse(t, e)
			for path, want := range c.want {
				if got := at(doc, path); want == nil && got != nil || want != nil && fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s is %v, want %v", path, got, want)
				}
			}
			for _, p := range validate(t, doc) {
				t.Error(p)
			}
		})
	}
}

func TestObservablesOfAnAllowList(t *testing.T) {
	doc := parse(t, sample(t, "ip_allowlist.created"))
	got := make(map[string]string)
	for _, o := range doc["observables"].([]any) {
		if at(o, "name") == "entity.data.allowed_ips[]" {
			got[at(o, "value").(string)] = at(o, "type").(string)
		}
	}
	want := map[string]string{"203.0.113.0/24": "Subnet", "198.51.100.7": "IP Address", "2001:db8:1234::/48": "Subnet"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A list longer than the room for observables loses none.
func TestManyObservables(t *testing.T) {
	var ips []string
	for i := range 200 {
		ips = append(ips, fmt.Sprintf("192.0.2.%d", i))
	}
	list, _ := json.Marshal(ips)
	e := sample(t, "ip_allowlist.created")
	e.Changes["allowed_ips"] = string(list)
	line := ocsf.Append(nil, e)
	for _, p := range validate(t, parseLine(t, line)) {
		t.Error(p)
	}
	if n := bytes.Count(line, []byte(`"entity.data.allowed_ips[]"`)); n != len(ips) {
		t.Errorf("%d observables, want %d", n, len(ips))
	}
}

// Certificates are in raw_data, and nowhere else.
func TestCertificatesAreNotRepeated(t *testing.T) {
	seen := 0
	check := func(e *schemas.AuditEvent) {
		if !bytes.Contains(e.Raw, []byte("-----BEGIN")) {
			return
		}
		seen++
		doc := parse(t, e)
		delete(doc, "raw_data")
		if rest, _ := json.Marshal(doc); strings.Contains(string(rest), "-----BEGIN") {
			t.Errorf("%s: %s", e.EventType, rest)
		}
	}
	check(sample(t, "certificate.deleted"))
	generated(t, 2000, check)
	if seen < 2 {
		t.Errorf("%d certificates seen", seen)
	}
}

// TestEverythingIsSaid looks for every value of the record, and of the payload, in
// the document without raw_data.
func TestEverythingIsSaid(t *testing.T) {
	for name, e := range samples(t) {
		everythingIsSaid(t, name, e)
	}
	for _, e := range corners(t) {
		everythingIsSaid(t, "corner "+e.EventType, e)
	}
	generated(t, 1500, func(e *schemas.AuditEvent) { everythingIsSaid(t, e.EventType+" "+e.EventID, e) })
}

func everythingIsSaid(t *testing.T, name string, e *schemas.AuditEvent) {
	t.Helper()
	doc := parse(t, e)
	delete(doc, "raw_data")
	delete(doc, "observables")
	said := make(map[string]bool)
	scalars(doc, func(s string) { said[s] = true })
	for _, x := range e.Targets {
		said[x.Type] = true // by the attribute that the target is in
	}
	entity, _ := at(doc, "entity.name").(string)
	region, _ := at(doc, "src_endpoint.location.region").(string)
	want := func(what, s string) {
		if s != "" && !said[s] && !strings.Contains(entity, s) && !strings.HasSuffix(region, "-"+s) {
			t.Errorf("%s: %s %q is not said", name, what, s)
		}
	}
	a := &e.Actor
	for what, s := range map[string]string{
		"id": e.EventID, "type": e.EventType, "source": e.Source, "organization": e.OrganizationID, "action": e.Action, "reason": e.SeverityReason,
		"actor.kind": a.Kind, "actor.id": a.ID, "actor.email": a.Email, "actor.name": a.Name, "actor.key": a.APIKeyID, "actor.account": a.ServiceAccountID,
		"actor.ip": a.IP, "actor.user_agent": a.UserAgent, "actor.ja3": a.JA3, "actor.ja4": a.JA4,
	} {
		want(what, s)
	}
	if g := a.Geo; g != nil {
		for what, s := range map[string]string{"country": g.Country, "region": g.Region, "region_code": g.RegionCode, "city": g.City, "latitude": g.Latitude, "longitude": g.Longitude, "asn": g.ASN} {
			want(what, strings.TrimSuffix(s, ".0"))
		}
	}
	if p := e.Project; p != nil {
		want("project.id", p.ID)
		want("project.name", p.Name)
	}
	if f := e.Error; f != nil {
		want("error.code", f.Code)
		want("error.message", f.Message)
	}
	for _, p := range e.Problems {
		want("problem", p)
	}
	for _, x := range e.Targets {
		want("target", x.ID)
		want("target", x.Name)
	}
	for name, text := range e.Changes {
		jsonScalars(text, func(s string) { want("change "+name, s) })
	}
	jsonScalars(string(e.Details), func(s string) {
		if !strings.Contains(s, "-----BEGIN") {
			want("detail", s)
		}
	})
}

func scalars(value any, f func(string)) {
	switch value := value.(type) {
	case map[string]any:
		for _, m := range value {
			scalars(m, f)
		}
	case []any:
		for _, e := range value {
			scalars(e, f)
		}
	case nil, bool:
	default:
		f(fmt.Sprint(value))
	}
}

// jsonScalars calls f for the strings and numbers of a JSON text.
func jsonScalars(text string, f func(string)) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var value any
	if d.Decode(&value) == nil {
		scalars(value, f)
	} else if text != "" {
		f(text)
	}
}
