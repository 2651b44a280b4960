package cim_test

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"

	"auditlog-connector/internal/eventtest"
	"auditlog-connector/schemas"
	"auditlog-connector/schemas/cim"
)

func TestWhatDetectionsLookFor(t *testing.T) {
	byAccount := eventtest.Text(t, `{"id":"audit_log-1","type":"api_key.created","actor":{"type":"api_key","api_key":{"id":"key_1","type":"service_account",
		"service_account":{"id":"user-sa"}}},"api_key.created":{"id":"key_2","data":{"scopes":["api.all"],"name":"x"}}}`)
	list := eventtest.Text(t, `{"id":"audit_log-1","type":"ip_allowlist.updated","actor":null,"ip_allowlist.updated":{"id":"l","allowed_ips":
		["203.0.113.0/24","198.51.100.7",17,null,{}]}}`)
	for _, c := range []struct {
		name  string
		event schemas.AuditEvent
		tags  string
		want  map[string]string
	}{
		{"a failed login is a failure of authentication, with a reason", eventtest.SampleOf(t, "login.failed"), "authentication", map[string]string{
			"action": "failure", "app": "openai", "src": "192.0.2.199", "signature": "login.failed", "user": "",
			"reason": "The e-mail or password is incorrect.", "reason_id": "invalid_credentials", "status": "",
		}},
		{"a logout is a change", eventtest.SampleOf(t, "logout.succeeded"), "change", map[string]string{
			"action": "logoff", "object_category": "session", "status": "success", "signature": "",
		}},
		{"an assignment names role, resource and principal", eventtest.SampleOf(t, "role.assignment.created"), "change account", map[string]string{
			"user": "user-OBzVwIDstTiFyAlP9B8aUrgK", "src_user": "lea.o'neil@example.com", "object_category": "user", "object_attrs": "role",
			"role_id": "role-api-organization-owner", "principal_id": "user-OBzVwIDstTiFyAlP9B8aUrgK", "principal_type": "user",
			"resource_id": "org-aWFeOgd23eOp1ARVjVEeNJPX", "resource_type": "api.organization", "vendor_account": "org-aWFeOgd23eOp1ARVjVEeNJPX",
		}},
		{"an assignment to a group is no change of an account", eventtest.SampleOf(t, "variants/role.assignment.created.group"), "change", map[string]string{
			"user": "lea.o'neil@example.com", "object_category": "group", "object_id": "group_EkDhEFZC3HkHmTc044Fx", "src_user": "",
		}},
		{"a binding names the resource", eventtest.SampleOf(t, "role.bound_to_resource"), "change", map[string]string{
			"action": "acl_modified", "role_id": "role_U7osNbtRdnuTfRt7dtxA", "resource_type": "chatgpt.workspace.connector", "principal_id": "",
		}},
		{"a key made by a service account names both", byAccount, "change", map[string]string{
			"user": "user-sa", "user_type": "service_account", "api_key_id": "key_1", "object_id": "key_2", "object": "x", "object_attrs": "name,scopes",
		}},
		{"a service account is an account", eventtest.SampleOf(t, "service_account.created"), "change account", map[string]string{
			"object_category": "user", "user_type": "service_account", "action": "created",
		}},
		{"an allow-list lists its addresses", list, "change network", map[string]string{
			"src_ip_range": "203.0.113.0/24,198.51.100.7,17", "direction": "inbound", "rule_action": "allow", "object_id": "l", "user": "",
		}},
		{"several objects", eventtest.SampleOf(t, "certificates.activated"), "change", map[string]string{
			"object": "mTLS 本番 root 2027,mTLS partner", "object_id": "cert_RepcDskKgaliPC8HyqIK,cert_oG9g9WhsSHPRtgfsYFXE",
		}},
		{"logging that is switched off is audit", eventtest.SampleOf(t, "variants/organization.updated.logging-disabled"), "change audit", map[string]string{
			"severity": "high", "object_attrs": "api_call_logging",
		}},
		{"an outcome that nobody knows is left out", eventtest.SampleOf(t, "tenant.scim.setup.started"), "change", map[string]string{"status": ""}},
		{"a logout that failed has a result", eventtest.SampleOf(t, "logout.failed"), "change", map[string]string{
			"status": "failure", "result": "Session already ended.", "result_id": "session_not_found",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			holds(t, cim.Append(nil, &c.event), c.want)
			if got := strings.Join(cim.Tags(&c.event), " "); got != c.tags {
				t.Errorf("tags %q, want %q", got, c.tags)
			}
		})
	}
}

func TestPEMStandsOnlyInTheOriginal(t *testing.T) {
	e := eventtest.SampleOf(t, "certificate.deleted")
	if n := bytes.Count(cim.Append(nil, &e), []byte("BEGIN CERTIFICATE")); n != 1 {
		t.Errorf("%d times", n)
	}
}

func TestTagsAreThoseOfTheCatalogue(t *testing.T) {
	for _, kind := range schemas.Catalogue().Types() {
		if got := cim.Tags(&schemas.AuditEvent{EventType: kind.Type}); !slices.Equal(got, kind.CIM.Tags) && !kind.HasOverrides() {
			t.Errorf("%s: %q, want %q", kind.Type, got, kind.CIM.Tags)
		}
	}
}

func TestAppendMayBeCalledConcurrently(t *testing.T) {
	all := eventtest.Samples(t)
	want := make([][]byte, len(all))
	for i := range all {
		want[i] = cim.Append(nil, &all[i].Event)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range all {
				if got := cim.Append(nil, &all[i].Event); !bytes.Equal(got, want[i]) {
					t.Errorf("%s: %s, want %s", all[i].Name, got, want[i])
				}
			}
		})
	}
	wg.Wait()
}
