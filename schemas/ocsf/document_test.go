package ocsf_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"auditlog-connector/schemas"
	"auditlog-connector/schemas/ocsf"
)

func TestEverySampleIsValid(t *testing.T) {
	for name, e := range samples(t) {
		for _, p := range validate(t, parse(t, e)) {
			t.Errorf("%s: %s", name, p)
		}
	}
}

func TestEveryGeneratedEventIsValid(t *testing.T) {
	classes := make(map[string]int)
	generated(t, 10_000, func(e *schemas.AuditEvent) {
		doc := parse(t, e)
		classes[fmt.Sprint(doc["class_uid"])]++
		for _, p := range validate(t, doc) {
			t.Errorf("%s: %s\n%s", e.EventType, p, e.Raw)
		}
	})
	for _, class := range []string{"3001", "3002", "3004", "3005", "3006"} {
		if classes[class] == 0 {
			t.Errorf("no event of class %s: %v", class, classes)
		}
	}
}

// A validator that accepts anything proves nothing.
func TestValidatorCatches(t *testing.T) {
	set := func(path string, value any) func(map[string]any) {
		return func(doc map[string]any) {
			parent, last := doc, path
			if i := strings.LastIndexByte(path, '.'); i >= 0 {
				parent, _ = at(doc, path[:i]).(map[string]any)
				last = path[i+1:]
			}
			if value == nil {
				delete(parent, last)
			} else {
				parent[last] = value
			}
		}
	}
	number := func(s string) any { return json.Number(s) }
	for _, c := range []struct {
		name, sample string
		damage       func(map[string]any)
		want         string
	}{
		{"unknown class", "api_key.created", set("class_uid", number("3999")), "class_uid: there is no class"},
		{"another class", "api_key.created", set("class_uid", number("3005")), "entity: no such attribute"},
		{"no activity", "api_key.created", set("activity_id", nil), "activity_id: missing"},
		{"activity of no enum", "api_key.created", set("activity_id", number("14")), "activity_id: 14 is none"},
		{"wrong sum", "api_key.created", set("type_uid", number("300402")), "type_uid: 300402, want 300401"},
		{"wrong caption", "api_key.created", set("activity_name", "Delete"), `activity_name: "Delete", want "Create"`},
		{"wrong category", "api_key.created", set("category_uid", number("6")), "category_uid: 6, want 3"},
		{"wrong version", "api_key.created", set("metadata.version", "1.7.0"), "metadata.version: 1.7.0, want 1.8.0"},
		{"no product", "api_key.created", set("metadata.product", nil), "metadata.product: missing"},
		{"no profile", "api_key.created", set("metadata.profiles", nil), "cloud: belongs to the profile cloud"},
		{"strange profile", "api_key.created", set("metadata.profiles", []any{"cloud", "trace"}), `no profile "trace"`},
		{"no cloud", "api_key.created", set("cloud", nil), "cloud: missing"},
		{"no provider", "api_key.created", set("cloud.provider", nil), "cloud.provider: missing"},
		{"no entity", "api_key.created", set("entity", nil), "entity: missing"},
		{"entity of nothing", "api_key.created", set("entity", map[string]any{"type_id": number("0")}), "entity: at_least_one"},
		{"99 without a name", "api_key.created", set("entity.type", nil), "entity.type: missing, and type_id is 99"},
		{"stranger", "api_key.created", set("raw_base64", true), "raw_base64: no such attribute"},
		{"stranger below", "api_key.created", set("actor.user.email", "a@b.c"), "actor.user.email: no such attribute"},
		{"deprecated", "api_key.created", set("actor.user.credential_uid", "k"), "actor.user.credential_uid: deprecated"},
		{"bad address", "api_key.created", set("src_endpoint.ip", "203.0.113.300"), "is no ip_t"},
		{"bad e-mail", "api_key.created", set("actor.user.email_addr", "omar@bücher.example"), "is no email_t"},
		{"time as text", "api_key.created", set("time", "2026-11-22T00:00:00Z"), "time: 2026-11-22T00:00:00Z is no number"},
		{"time as a fraction", "api_key.created", set("time", number("1.5")), "time: 1.5 is no long_t"},
		{"number too large", "api_key.created", set("src_endpoint.autonomous_system.number", number("4200000000")), "is no integer_t"},
		{"port out of range", "api_key.created", set("src_endpoint.port", number("65536")), "src_endpoint.port: 65536 is not in"},
		{"coordinate as text", "api_key.created", set("src_endpoint.location.lat", "45"), "is no number"},
		{"not a list", "api_key.created", set("observables", map[string]any{}), "observables: not an array"},
		{"empty list", "api_key.created", set("access_list", []any{}), "access_list: empty"},
		{"list of numbers", "api_key.created", set("access_list", []any{number("1")}), "access_list[]: 1 is no string"},
		{"observable of nothing", "api_key.created", set("actor.user.uid", "other"), "observables: actor.user.uid has no value"},
		{"observable of another type", "api_key.created", set("observables[].type_id", number("5")), "is of type 5, want"},
		{"enrichment without data", "api_key.created", set("enrichments[].data", nil), "enrichments[].data: missing"},
		{"unresolved object", "api_key.created", set("entity.email", map[string]any{}), "entity.email: an object email"},
		{"actor is text", "api_key.created", set("actor", "me"), "actor: me is no object"},
		{"login to nothing", "login.failed", set("service", nil), "at_least_one of [service dst_endpoint]: 0"},
		{"login of nobody", "login.failed", set("user", nil), "user: missing"},
		{"remote as text", "login.failed", set("is_remote", "true"), "is_remote: true is no boolean"},
		{"role without privileges", "role.assignment.created", set("privileges", nil), "privileges: missing"},
		{"resource of nothing", "role.assignment.created", set("resources[].uid", nil), "resources[]: at_least_one"},
		{"group without a name", "group.created", set("group", map[string]any{}), "group: at_least_one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := parse(t, sample(t, c.sample))
			c.damage(doc)
			problems := validate(t, doc)
			if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, c.want) }) {
				t.Errorf("found %q, want %q", problems, c.want)
			}
		})
	}
}

func TestDeterministic(t *testing.T) {
	for name, e := range samples(t) {
		first := ocsf.Append([]byte("x"), e)
		for range 3 {
			if again := ocsf.Append([]byte("x"), e); string(again) != string(first) {
				t.Fatalf("%s:\n%s\n%s", name, first, again)
			}
		}
		if first[0] != 'x' || first[1] != '{' {
			t.Errorf("%s: what was there is gone: %.20s", name, first)
		}
	}
}

// The catalogue lists the documented types whose entries may leave out what the class
// requires, each with the reason.
func TestTargetIsUnknownOnlyWhereThePayloadIsSilent(t *testing.T) {
	seen := make(map[string]bool)
	check := func(e *schemas.AuditEvent) {
		doc := parse(t, e)
		labels, _ := at(doc, "metadata.labels").([]any)
		labelled := slices.Contains(labels, any("target_unknown"))
		unknown := slices.ContainsFunc([]string{"user.name", "group.name", "entity.name", "privileges[]"}, func(path string) bool { return at(doc, path) == "unknown" })
		if labelled != unknown {
			t.Errorf("%s: label %v, unknown %v\n%s", e.EventType, labelled, unknown, e.Raw)
		}
		if !labelled {
			return
		}
		seen[e.EventType] = seen[e.EventType] || len(e.Problems) == 0
		listed := schemas.Catalogue().Lookup(e.EventType)
		if listed.Documented && listed.TargetUnknown == "" && len(e.Problems) == 0 {
			t.Errorf("%s: target_unknown, and no reason for it\n%s", e.EventType, e.Raw)
		}
	}
	for _, e := range samples(t) {
		check(e)
	}
	generated(t, 2000, check)
	for _, listed := range schemas.Catalogue().Types() {
		if listed.TargetUnknown == "" {
			continue
		}
		check(normalizeText(t, `{"id":"audit_log-1","type":"`+listed.Type+`","actor":{"type":"session","session":{}},"`+listed.Type+`":{"id":"x"}}`))
		if !seen[listed.Type] {
			t.Errorf("%s never had target_unknown", listed.Type)
		}
	}
}
