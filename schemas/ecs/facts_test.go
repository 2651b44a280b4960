package ecs_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"auditlog-connector/internal/eventtest"
	"auditlog-connector/schemas"
	"auditlog-connector/schemas/ecs"
)

func TestWhatDetectionsLookFor(t *testing.T) {
	byAccount := eventtest.Text(t, `{"id":"audit_log-1","type":"api_key.created","actor":{"type":"api_key","api_key":{"id":"key_1","type":"service_account",
		"service_account":{"id":"user-sa"}}},"api_key.created":{"id":"key_2","data":{"scopes":["api.all"]}}}`)
	byKey := eventtest.Text(t, `{"id":"audit_log-1","type":"api_key.deleted","actor":{"type":"api_key","api_key":{"id":"key_1","type":"user"}},"api_key.deleted":{"id":"key_2"}}`)
	list := eventtest.Text(t, `{"id":"audit_log-1","type":"ip_allowlist.updated","actor":null,"ip_allowlist.updated":{"id":"l","allowed_ips":
		["203.0.113.0/24","198.51.100.7","2001:db8::1","not an address",17,null]}}`)
	for _, c := range []struct {
		name  string
		event schemas.AuditEvent
		want  map[string]string
	}{
		{"a failed login is a failure of authentication, with a reason", eventtest.SampleOf(t, "login.failed"), map[string]string{
			"event.category": `["authentication"]`, "event.type": `["start"]`, "event.outcome": `"failure"`,
			"event.reason": `"The e-mail or password is incorrect."`, "error.code": `"invalid_credentials"`,
			"source.ip": `"192.0.2.199"`, "user": `null`,
		}},
		{"an assignment names role, resource and principal", eventtest.SampleOf(t, "role.assignment.created"), map[string]string{
			"user.target.id": `"user-OBzVwIDstTiFyAlP9B8aUrgK"`, "user.changes.roles": `["role-api-organization-owner"]`,
			"openai.audit.assignment.principal_id": `"user-OBzVwIDstTiFyAlP9B8aUrgK"`, "openai.audit.assignment.principal_type": `"user"`,
			"openai.audit.assignment.role_id":     `"role-api-organization-owner"`,
			"openai.audit.assignment.resource_id": `"org-aWFeOgd23eOp1ARVjVEeNJPX"`, "openai.audit.assignment.resource_type": `"api.organization"`,
			"organization.id": `"org-aWFeOgd23eOp1ARVjVEeNJPX"`, "event.severity": `4`,
		}},
		{"an assignment to a group is the group's", eventtest.SampleOf(t, "variants/role.assignment.created.group"), map[string]string{
			"event.type": `["group","change"]`, "group.id": `"group_EkDhEFZC3HkHmTc044Fx"`, "user.target": `null`,
			"openai.audit.assignment.principal_type": `"group"`,
		}},
		{"a key made by a service account names both", byAccount, map[string]string{
			"user.id": `"user-sa"`, "service.id": `"user-sa"`, "openai.audit.actor.kind": `"service_account"`,
			"openai.audit.actor.api_key_id": `"key_1"`, "entity.target.id": `"key_2"`,
			"openai.audit.changes": `[{"name":"scopes","value":["api.all"]}]`, "related.user": `["user-sa"]`,
		}},
		{"a key of nobody is no user", byKey, map[string]string{
			"user": `null`, "openai.audit.actor.api_key_id": `"key_1"`, "related": `null`,
		}},
		{"an allow-list lists its addresses", list, map[string]string{
			"openai.audit.changes": `[{"name":"allowed_ips","value":["203.0.113.0/24","198.51.100.7","2001:db8::1","not an address","17"]}]`,
			"related.ip":           `["198.51.100.7","2001:db8::1"]`,
		}},
		{"a certificate's text is not repeated", eventtest.SampleOf(t, "certificate.deleted"), map[string]string{
			"openai.audit.details": `"{\"id\":\"cert_UEBWqAdMgS8SttKLigE0\",\"name\":\"mTLS old\"}"`, "openai.audit.truncated": `null`,
		}},
		{"what is no address gets into no address", eventtest.SampleOf(t, "variants/ip-invalid"), map[string]string{
			"source": `{"as":{"number":64500},"geo":{"country_iso_code":"XX"}}`, "client": `null`, "related.ip": `null`,
			"openai.audit.problems": `["actor.session.ip_address: not an IP address"]`,
		}},
		{"changes of every kind are text", eventtest.Text(t, `{"type":"rate_limit.updated","rate_limit.updated":{"id":"r","changes_requested":
			{"a":1.50,"b":true,"c":{"d" : [1]},"e":["x",2,false,null,[3],{"f":4}],"g":null,"h":[],"i":"\u00e9"}}}`), map[string]string{
			"openai.audit.changes": `[{"name":"a","value":"1.50"},{"name":"b","value":"true"},{"name":"c","value":"{\"d\":[1]}"},` +
				`{"name":"e","value":["x","2","false","[3]","{\"f\":4}"]},{"name":"g"},{"name":"h"},{"name":"i","value":"é"}]`,
		}},
		{"numbers and codes that are none", eventtest.Text(t, eventtest.Hostile()["addresses that are no"]), map[string]string{
			"source": `{"geo":{"country_name":"usa"}}`, "related": `null`,
		}},
		{"a type that nobody knows", eventtest.SampleOf(t, "variants/unknown-type.no-verb"), map[string]string{
			"event.kind": `"event"`, "event.outcome": `"unknown"`, "openai.audit.known_type": `false`,
		}},
		{"not even a type", eventtest.Text(t, `{"id":`), map[string]string{
			"event.kind": `"pipeline_error"`, "event.action": `null`, "event.original": `"{\"id\":"`,
			"openai.audit.problems": `["entry: not JSON: text ends early"]`,
		}},
		{"an actor whose address was replaced by a hash", schemas.AuditEvent{EventType: "login.failed", Actor: schemas.Actor{IP: "a81f"}},
			map[string]string{"source": `{"address":"a81f"}`, "related": `null`, "event.original": `null`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			holds(t, ecs.Append(nil, &c.event), c.want)
		})
	}
}

func TestPEMStandsOnlyInTheOriginal(t *testing.T) {
	const pem = `-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n`
	for _, body := range []string{
		`{"id":"1","type":"certificate.deleted","certificate.deleted":{"id":"c","certificate":"` + pem + `"}}`,
		`{"id":"1","type":"external_key.registered","external_key.registered":{"id":"k","data":{"key":"` + pem + `","alg":"x"}}}`,
		`{"id":"1","type":"external_key.registered","external_key.registered":{"id":"k","data":["` + pem + `"]}}`,
		`{"id":"1","type":"external_key.registered","external_key.registered":["` + pem + `"]}`,
	} {
		e := eventtest.Text(t, body)
		document := ecs.Append(nil, &e)
		if n := bytes.Count(document, []byte("BEGIN CERTIFICATE")); n != 1 {
			t.Errorf("%d times in %s", n, document)
		}
	}
}

func TestAppendLeavesWhatWasThereAlone(t *testing.T) {
	e := eventtest.SampleOf(t, "user.updated")
	document := string(ecs.Append(nil, &e))
	for _, before := range []string{"x", "[", "{", "\n"} {
		if got := string(ecs.Append([]byte(before), &e)); got != before+document {
			t.Errorf("after %q: %s", before, got)
		}
	}
	if strings.ContainsAny(document, "\n\r") {
		t.Error("more than one line")
	}
}

func TestAppendMayBeCalledConcurrently(t *testing.T) {
	all := eventtest.Samples(t)
	want := make([][]byte, len(all))
	for i := range all {
		want[i] = ecs.Append(nil, &all[i].Event)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range all {
				if got := ecs.Append(nil, &all[i].Event); !bytes.Equal(got, want[i]) {
					t.Errorf("%s: %s, want %s", all[i].Name, got, want[i])
				}
			}
		})
	}
	wg.Wait()
}
