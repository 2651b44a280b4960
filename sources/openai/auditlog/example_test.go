package auditlog_test

import (
	"encoding/json"
	"fmt"

	"auditlog-connector/sources/openai/auditlog"
)

// Who got which role, and what a type without documentation says.
func Example() {
	for _, body := range []string{
		`{"id":"audit_log-1","type":"role.assignment.created","effective_at":1795123465,"actor":null,
		  "role.assignment.created":{"id":"x","principal_id":"user-1","principal_type":"user","resource_id":"proj_1"}}`,
		`{"id":"audit_log-2","type":"tenant.group.created","effective_at":1795123465,"tenant.group.created":{"id":"g"}}`,
	} {
		e, err := auditlog.Decode([]byte(body))
		if err != nil {
			fmt.Println(err)
			return
		}
		switch d := e.Details.(type) {
		case *auditlog.RoleAssignmentCreated:
			fmt.Println(e.Time().Format("2006-01-02"), d.PrincipalID, d.ResourceID)
		case json.RawMessage:
			fmt.Println(e.Type, string(d))
		}
	}
	// Output:
	// 2026-11-19 user-1 proj_1
	// tenant.group.created {"id":"g"}
}

// An entry made by a program, as a simulator does.
func ExampleAppend() {
	text, err := auditlog.Append(nil, &auditlog.Event{
		ID: "audit_log-1", Type: "user.updated", EffectiveAt: 1795123465,
		Details: &auditlog.UserUpdated{ID: "user-1", ChangesRequested: &auditlog.RoleChanges{Role: new("owner")}},
	})
	fmt.Println(string(text), err)
	// Output:
	// {"id":"audit_log-1","type":"user.updated","effective_at":1795123465,"user.updated":{"id":"user-1","changes_requested":{"role":"owner"}}} <nil>
}
