package openai

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"auditlog-connector/schemas"
)

func TestActors(t *testing.T) {
	const session = `"ip_address":"2001:db8::1","user_agent":"ua","ja3":"j3","ja4":"j4","ip_address_details":{"country":"DE","asn":64500,"latitude":"","x":[]}`
	network := func(a schemas.Actor) schemas.Actor {
		a.IP, a.UserAgent, a.JA3, a.JA4 = "2001:db8::1", "ua", "j3", "j4"
		a.Geo = &schemas.Geo{Country: "DE", ASN: "64500"}
		return a
	}
	tests := []struct {
		name, actor string
		want        schemas.Actor
		problem     string
	}{
		{"user of a session", `{"type":"session","session":{"user":{"id":"u","email":"e","name":"n"},` + session + `}}`, network(schemas.Actor{Kind: "user", ID: "u", Email: "e", Name: "n"}), ""},
		{"session without a user", `{"type":"session","session":{` + session + `}}`, network(schemas.Actor{Kind: "unknown"}), ""},
		{"session with an empty user", `{"type":"session","session":{"user":{},"ip_address":null}}`, schemas.Actor{Kind: "unknown"}, ""},
		{"session missing", `{"type":"session"}`, schemas.Actor{Kind: "unknown"}, "actor.session: missing"},
		{"session is a list", `{"type":"session","session":[]}`, schemas.Actor{Kind: "unknown"}, "actor.session: not an object"},
		{"key of a user", `{"type":"api_key","api_key":{"id":"k","type":"user","user":{"id":"u","email":"e"}}}`, schemas.Actor{Kind: "user", ID: "u", Email: "e", APIKeyID: "k"}, ""},
		{"key of a user without its own id", `{"type":"api_key","api_key":{"type":"user","user":{"id":"u"}}}`, schemas.Actor{Kind: "user", ID: "u"}, ""},
		{"key of a service account", `{"type":"api_key","api_key":{"id":"k","type":"service_account","service_account":{"id":"s"}}}`, schemas.Actor{Kind: "service_account", ID: "s", APIKeyID: "k", ServiceAccountID: "s"}, ""},
		{"key that does not say of whom", `{"type":"api_key","api_key":{"id":"k","service_account":{"id":"s"}}}`, schemas.Actor{Kind: "service_account", ID: "s", APIKeyID: "k", ServiceAccountID: "s"}, ""},
		{"key of nobody", `{"type":"api_key","api_key":{"id":"k"}}`, schemas.Actor{Kind: "api_key", ID: "k", APIKeyID: "k"}, ""},
		{"key with an address", `{"type":"api_key","api_key":{"id":"k",` + session + `}}`, network(schemas.Actor{Kind: "api_key", ID: "k", APIKeyID: "k"}), ""},
		{"null", `null`, schemas.Actor{Kind: "none"}, ""},
		{"empty", `{}`, schemas.Actor{Kind: "unknown"}, "actor.type: missing"},
		{"no type, but a session", `{"session":{"user":{"id":"u"}}}`, schemas.Actor{Kind: "user", ID: "u"}, "actor.type: missing"},
		{"a string", `"user-1"`, schemas.Actor{Kind: "unknown"}, "actor: not an object"},
		{"a kind nobody knows", `{"type":"workload","workload":{"id":"w","ip_address":"10.0.0.1"}}`, schemas.Actor{Kind: "unknown", ID: "w", IP: "10.0.0.1"}, "actor.type: not known"},
		{"no address", `{"type":"session","session":{"user":{"id":"u"},"ip_address":"10.0.0.1:80"}}`, schemas.Actor{Kind: "user", ID: "u"}, "actor.session.ip_address: not an IP address"},
		{"address with a zone", `{"type":"session","session":{"user":{"id":"u"},"ip_address":"fe80::1%eth0"}}`, schemas.Actor{Kind: "user", ID: "u"}, "actor.session.ip_address: not an IP address"},
		{"fields of the wrong type", `{"type":"session","session":{"user":{"id":["u"]},"ja3":{}}}`, schemas.Actor{Kind: "unknown"}, "actor.session.user.id: not a string; actor.session.ja3: not a string"},
		{"user is a string", `{"type":"session","session":{"user":"u"}}`, schemas.Actor{Kind: "unknown"}, "actor.session.user: not an object"},
		{"place is a string", `{"type":"session","session":{"user":{"id":"u"},"ip_address_details":"DE"}}`, schemas.Actor{Kind: "user", ID: "u"}, "actor.session.ip_address_details: not an object"},
	}
	for _, test := range tests {
		e := normalizeText(`{"id":"audit_log-1","type":"project.archived","project.archived":{"id":"p"},"actor":` + test.actor + `}`)
		if !reflect.DeepEqual(e.Actor, test.want) || strings.Join(e.Problems, "; ") != test.problem {
			t.Errorf("%s:\n got %+v %q\nwant %+v %q", test.name, e.Actor, e.Problems, test.want, test.problem)
		}
	}
	if e := normalizeText(`{"id":"audit_log-1","type":"login.succeeded"}`); e.Actor != (schemas.Actor{Kind: "none"}) || e.Problems != nil {
		t.Errorf("missing: %+v %q", e.Actor, e.Problems)
	}
}

func TestTargets(t *testing.T) {
	tests := []struct{ name, eventType, details, want string }{
		{"object", "project.created", `{"id":"p","data":{"name":"n","title":"t"}}`, "project p n"},
		{"second name", "project.created", `{"id":"p","data":{"title":"t"}}`, "project p t"},
		{"several", "certificates.activated", `{"certificates":[{"id":"a","name":"x"},{"id":"b"},{"name":"y"}]}`, "certificate a x, certificate b , certificate  y"},
		{"more than usual", "certificates.activated", `{"certificates":[` + strings.Repeat(`{"id":"a"},`, 19) + `{"id":"b"}]}`, strings.Repeat("certificate a , ", 19) + "certificate b "},
		{"several lists", "ip_allowlist.config.activated", `{"configs":[{"id":"a","name":"x"}]}`, "ip_allowlist a x"},
		{"invited", "invite.sent", `{"id":"i","data":{"email":"e@x","role":"owner"}}`, "invite i e@x, user  e@x"},
		{"account is the object", "user.added", `{"id":"u"}`, "user u "},
		{"grantee of a model", "checkpoint_permission.created", `{"id":"c","data":{"project_id":"p","fine_tuned_model_checkpoint":"ft:x"}}`, "checkpoint_permission c ft:x, project p "},
		{"mapping", "workload_identity_provider_mapping.deleted", `{"id":"m","identity_provider_id":"w","project_id":"p","service_account_id":"s"}`, "workload_identity_provider_mapping m , service_account s , workload_identity_provider w , project p "},
		{"azure", "external_storage.registered", `{"id":"e","data":{"provider":{"type":"azure","container":"c"}}}`, "external_storage e c"},
		{"role given", "role.assignment.created", `{"id":"role_assignment_role-api-organization-owner__api-organization__org-abc_user-1","principal_id":"user-1","principal_type":"user","resource_id":"org-abc","resource_type":"api.organization"}`,
			"role_assignment role_assignment_role-api-organization-owner__api-organization__org-abc_user-1 , user user-1 , role role-api-organization-owner , api.organization org-abc "},
		{"role given, known by its id only", "role.assignment.created", `{"id":"role_assignment_role-api-project-member__api-project__proj_a_b_group_c_d"}`,
			"role_assignment role_assignment_role-api-project-member__api-project__proj_a_b_group_c_d , group group_c_d , role role-api-project-member , api.project proj_a_b "},
		{"role given to what has no known prefix", "role.assignment.created", `{"id":"role_assignment_r__api-x__proj_a_sa_1","principal_id":"sa_1"}`,
			"role_assignment role_assignment_r__api-x__proj_a_sa_1 , user sa_1 , role r , api.x proj_a "},
		{"role given, id left whole", "role.assignment.deleted", `{"id":"role_assignment_xyz","principal_id":"group_1","principal_type":"group","resource_id":"proj_1","resource_type":"api.project"}`,
			"role_assignment role_assignment_xyz , group group_1 , api.project proj_1 "},
		{"role given, id cannot be divided", "role.assignment.created", `{"id":"role_assignment_r__api-x__abc"}`, "role_assignment role_assignment_r__api-x__abc "},
		{"role given, the payload wins", "role.assignment.created", `{"id":"role_assignment_r__api-x__org-a_group_b","principal_id":"group_c","principal_type":"group","resource_id":"org-a","resource_type":"t"}`,
			"role_assignment role_assignment_r__api-x__org-a_group_b , group group_c , role r , t org-a "},
		{"role bound", "role.bound_to_resource", `{"id":"w__c","role_id":"r","resource_id":"w__c","resource_type":"chatgpt.workspace.connector","connector_name":"Drive"}`,
			"role r , chatgpt.workspace.connector w__c Drive, workspace w , connector c "},
		{"role bound, said twice", "role.unbound_from_resource", `{"id":"x","role_id":"r","workspace_id":"w","connector_id":"c"}`, "role r , resource x , workspace w , connector c "},
		{"undocumented", "tenant.group.created", `{"id":"g","name":"n"}`, "group g n"},
		{"undocumented, nothing there", "tenant.group.created", `{"id":{}}`, ""},
		{"unknown type", "agent.permission.granted", `{"id":"a"}`, "agent_permission a "},
	}
	for _, test := range tests {
		e := normalizeText(fmt.Sprintf(`{"id":"audit_log-1","type":%q,%q:%s}`, test.eventType, test.eventType, test.details))
		var got []string
		for _, target := range e.Targets {
			got = append(got, target.Type+" "+target.ID+" "+target.Name)
		}
		if strings.Join(got, ", ") != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, strings.Join(got, ", "), test.want)
		}
	}
	login := normalizeText(`{"id":"audit_log-1","type":"login.succeeded","actor":{"type":"session","session":{"user":{"id":"u","email":"e"}}}}`)
	if want := []schemas.Target{{Type: "user", ID: "u", Name: "e"}}; !reflect.DeepEqual(login.Targets, want) || login.Problems != nil {
		t.Errorf("login: %+v %q", login.Targets, login.Problems)
	}
}

func TestChanges(t *testing.T) {
	tests := []struct {
		name, eventType, details string
		want                     map[string]string
	}{
		{"requested", "user.updated", `{"id":"u","changes_requested":{"role":"owner", "n" : [1, 2.0]}}`, map[string]string{"role": `"owner"`, "n": "[1,2.0]"}},
		{"data of an update", "api_key.updated", `{"id":"k","data":{"scopes":["a b"]}}`, map[string]string{"scopes": `["a b"]`}},
		{"both", "api_key.updated", `{"id":"k","changes_requested":{"a":2},"data":{"a":1,"b":null}}`, map[string]string{"a": "2", "b": "null"}},
		{"a name twice", "user.updated", `{"id":"u","changes_requested":{"a":1,"a":2}}`, map[string]string{"a": "2"}},
		{"nothing requested", "user.updated", `{"id":"u","changes_requested":{}}`, nil},
		{"null", "user.updated", `{"id":"u","changes_requested":null,"data":null}`, nil},
		{"free JSON", "external_key.registered", `{"id":"k","data":["x"]}`, map[string]string{"data": `["x"]`}},
		{"addresses", "ip_allowlist.updated", `{"id":"i","allowed_ips":["10.0.0.0/8"]}`, map[string]string{"allowed_ips": `["10.0.0.0/8"]`}},
		{"no PEM", "certificate.deleted", `{"id":"c","name":"n","certificate":"-----BEGIN"}`, nil},
		{"permissions", "role.created", `{"id":"r","role_name":"n","permissions":["p"]}`, map[string]string{"role_name": `"n"`, "permissions": `["p"]`}},
		{"bound", "role.bound_to_resource", `{"role_id":"r","enabled":false,"source":"s"}`, map[string]string{"enabled": "false", "source": `"s"`}},
		{"escapes stay", "user.updated", `{"id":"u","changes_requested":{"\u0061":"\u00e9"}}`, map[string]string{"a": `"\u00e9"`}},
	}
	for _, test := range tests {
		e := normalizeText(fmt.Sprintf(`{"id":"audit_log-1","type":%q,%q:%s}`, test.eventType, test.eventType, test.details))
		if !maps.Equal(e.Changes, test.want) || e.Problems != nil || test.want == nil && e.Changes != nil {
			t.Errorf("%s:\n got %q %q\nwant %q", test.name, e.Changes, e.Problems, test.want)
		}
	}
}

func TestWhatThePayloadDecides(t *testing.T) {
	entry := func(eventType, details string) schemas.AuditEvent {
		return normalizeText(fmt.Sprintf(`{"id":"audit_log-1","type":%q,"project":{"id":"p","name":"n"},%q:%s}`, eventType, eventType, details))
	}
	failed := entry("login.failed", `{"error_code":"c","error_message":"m"}`)
	if failed.Outcome != "failure" || !reflect.DeepEqual(failed.Error, &schemas.EventError{Code: "c", Message: "m"}) || failed.Action != "login" {
		t.Errorf("failed login: %+v", failed)
	}
	owner := entry("user.updated", `{"id":"u","changes_requested":{"role":"owner"}}`)
	if owner.Severity != "high" || owner.SeverityReason != "owner role granted" {
		t.Errorf("owner: %s, %s", owner.Severity, owner.SeverityReason)
	}
	if want := (&schemas.Project{ID: "p", Name: "n"}); !reflect.DeepEqual(owner.Project, want) {
		t.Errorf("project: %+v", owner.Project)
	}
	tenant := entry("tenant.quantum.created", `{}`)
	if tenant.Stream != "tenant" || tenant.KnownType || tenant.Action != "create" || tenant.Problems != nil {
		t.Errorf("unknown tenant type: %+v", tenant)
	}
	if bound := entry("role.bound_to_resource", `{"role_id":"r"}`); bound.Stream != "tenant" {
		t.Errorf("stream of a bound role: %s", bound.Stream)
	}
	for eventType, details := range map[string]string{
		"organization.updated":    `{"id":"org-1"}`,
		"scim.enabled":            `{"id":"org-1"}`,
		"role.assignment.created": `{"id":"x","resource_id":"org-1"}`,
		"role.assignment.deleted": `{"id":"role_assignment_r__api-organization__org-1_user-2"}`,
		"role.created":            `{"id":"r","resource_id":"org-1"}`,
	} {
		if e := entry(eventType, details); e.OrganizationID != "org-1" {
			t.Errorf("%s: organization %q", eventType, e.OrganizationID)
		}
	}
	if e := entry("project.created", `{"id":"org-1","resource_id":"proj_1"}`); e.OrganizationID != "" {
		t.Errorf("a project is organization %q", e.OrganizationID)
	}
	spaced := `{ "id" : "u" ,  "n":1.0e3}`
	if e := entry("user.deleted", spaced); string(e.Details) != spaced {
		t.Errorf("details are %s", e.Details)
	}
}
