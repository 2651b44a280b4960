package ocsf_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"auditlog-connector/schemas"
	"auditlog-connector/schemas/ocsf"
)

// TestTableSaysWhatAppendWrites compares the table with documents: every attribute
// of a document is in the table, for its class, and every row is some document's.
func TestTableSaysWhatAppendWrites(t *testing.T) {
	rows := make(map[string]ocsf.Row)
	for _, r := range ocsf.Table() {
		if _, twice := rows[r.Attribute]; twice {
			t.Errorf("%s is listed twice", r.Attribute)
		}
		if r.From == "" && r.Rule == "" && !strings.HasPrefix(r.Attribute, "observables") && r.Attribute != "enrichments[].desc" {
			t.Errorf("%s comes from nowhere", r.Attribute)
		}
		rows[r.Attribute] = r
	}
	written := make(map[string]map[int]bool)
	check := func(e *schemas.AuditEvent) {
		doc := parse(t, e)
		class, _ := strconv.Atoi(fmt.Sprint(doc["class_uid"]))
		attributes(rows, "", doc, func(path string) {
			r, listed := rows[path]
			if !listed || r.Classes != nil && !slices.Contains(r.Classes, class) {
				t.Errorf("%s of class %d is not listed: %s", path, class, e.EventType)
				rows[path] = ocsf.Row{} // say it once
			}
			if written[path] == nil {
				written[path] = make(map[int]bool)
			}
			written[path][class] = true
		})
	}
	for _, e := range samples(t) {
		check(e)
	}
	for _, e := range corners(t) {
		check(e)
	}
	generated(t, 1000, check)
	for path, r := range rows {
		if written[path] == nil {
			t.Errorf("%s is listed, and in no document", path)
		}
		for _, class := range r.Classes {
			if !written[path][class] {
				t.Errorf("%s is in no document of class %d", path, class)
			}
		}
	}
}

// attributes calls f with the path of everything in value that is no object, and of
// objects that the table lists whole.
func attributes(rows map[string]ocsf.Row, path string, value any, f func(string)) {
	switch value := value.(type) {
	case map[string]any:
		if _, whole := rows[path]; whole {
			f(path)
			return
		}
		for _, name := range slices.Sorted(maps.Keys(value)) {
			attributes(rows, strings.TrimPrefix(path+"."+name, "."), value[name], f)
		}
	case []any:
		for _, e := range value {
			attributes(rows, path+"[]", e, f)
		}
	default:
		f(path)
	}
}

// corners are records that the samples do not show.
func corners(t testing.TB) []*schemas.AuditEvent {
	base := func(eventType string, change func(e *schemas.AuditEvent)) *schemas.AuditEvent {
		e := normalizeText(t, `{"id":"audit_log-1","type":"`+eventType+`","actor":null}`)
		e.Problems = nil
		change(e)
		return e
	}
	return []*schemas.AuditEvent{
		base("login.succeeded", func(e *schemas.AuditEvent) { // an account with everything
			e.Actor = schemas.Actor{Kind: "service_account", ID: "a", Name: "bot", Email: "bot@example.com", APIKeyID: "k", ServiceAccountID: "s",
				IP: "2001:db8::1", JA3: "j3", Geo: &schemas.Geo{Region: "Hessen", ASN: "Example Net", Latitude: "91", Longitude: "8.5"}}
		}),
		base("login.failed", func(e *schemas.AuditEvent) { // an address that was hashed
			e.Actor = schemas.Actor{Kind: "unknown", IP: "5e884898da28", JA3: "j3", JA4: "j4", Geo: &schemas.Geo{Country: "DE", ASN: "64500"}}
		}),
		base("logout.succeeded", func(e *schemas.AuditEvent) { // a place without an address in it
			e.Actor = schemas.Actor{Kind: "none", IP: "10.0.0.1", Geo: &schemas.Geo{Latitude: "1", ASN: "4200000000"}}
		}),
		base("user.added", func(e *schemas.AuditEvent) {
			e.Targets = []schemas.Target{{Type: "user", ID: "u", Name: "old@example.com"}}
			e.Changes = map[string]string{"email": `"new@example.com"`, "role": `"owner"`}
		}),
		base("role.assignment.created", func(e *schemas.AuditEvent) {
			e.Targets = []schemas.Target{{Type: "agent", ID: "a", Name: "a@example.com"}, {Type: "role", Name: "r"}, {Type: "x", ID: "i", Name: "n"}}
		}),
		base("role.assignment.created", func(e *schemas.AuditEvent) {
			e.Details = []byte(`{"principal_type":"group"}`)
			e.Targets = []schemas.Target{{Type: "group", ID: "g"}, {Type: "user", ID: "u", Name: "u@example.com"}, {Type: "role", ID: "r"}, {Type: "x", ID: "i", Name: "n"}}
		}),
		base("user.updated", func(e *schemas.AuditEvent) {
			e.Details = []byte(`{"changes_requested":{"role":"\u006fwner"}}`)
			e.Targets = []schemas.Target{{Type: "user", ID: "u"}}
			e.Changes = map[string]string{"role": `"\u006fwner"`}
			e.OrganizationID = "org-1"
		}),
		base("organization.updated", func(e *schemas.AuditEvent) {
			e.Targets = []schemas.Target{{Type: "organization", Name: "acme"}}
			e.Changes = map[string]string{"name": `"acme"`}
		}),
		base("tenant.policy.updated", func(e *schemas.AuditEvent) {
			e.Targets = []schemas.Target{{Type: "policy", ID: "p", Name: "strict"}}
		}),
		base("invite.sent", func(e *schemas.AuditEvent) {
			e.Targets = []schemas.Target{{Type: "invite", ID: "i"}, {Type: "user", ID: "u", Name: "new@example.com"}}
		}),
		base("api_key.updated", func(e *schemas.AuditEvent) { // nothing is left of the target
			e.Targets = []schemas.Target{{Type: "api_key"}}
			e.Changes = map[string]string{"scopes": `["a",{"b":1},2]`, "bad": `{`, "spaced": "[1, 2,\n3]"}
		}),
		base("api_key.deleted", func(e *schemas.AuditEvent) { e.Raw = []byte("{\"id\":\"\xff\"}") }),
	}
}

func TestCornersAreValid(t *testing.T) {
	for _, e := range corners(t) {
		doc := parse(t, e)
		for _, p := range validate(t, doc) {
			t.Errorf("%s: %s\n%v", e.EventType, p, doc)
		}
	}
}
