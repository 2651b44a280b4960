package cim_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"auditlog-connector/internal/eventtest"
	"auditlog-connector/schemas"
	"auditlog-connector/schemas/cim"
)

func TestSamplesAreCIM(t *testing.T) {
	v := newValidator(t)
	for _, s := range eventtest.Samples(t) {
		if problems := v.check(cim.Append(nil, &s.Event), cim.Tags(&s.Event)); problems != nil {
			t.Errorf("%s: %s", s.Name, strings.Join(problems, "; "))
		}
	}
}

func TestGeneratedEventsAreCIM(t *testing.T) {
	v := newValidator(t)
	for _, e := range eventtest.Generated(t, 10_000) {
		document := cim.Append(nil, &e)
		if problems := v.check(document, cim.Tags(&e)); problems != nil {
			t.Fatalf("%s: %s\n%s", e.EventID, strings.Join(problems, "; "), document)
		}
		if again := cim.Append(nil, &e); !bytes.Equal(document, again) {
			t.Fatalf("two documents of one event:\n%s\n%s", document, again)
		}
		if got := original(t, document); !bytes.Equal(got, e.Raw) {
			t.Fatalf("raw is %q, want %q", got, e.Raw)
		}
	}
}

// Every deliberate error is one that a search or an acceleration would fall over.
func TestValidatorFindsErrors(t *testing.T) {
	account, network, login := eventtest.SampleOf(t, "user.updated"), eventtest.SampleOf(t, "ip_allowlist.created"), eventtest.SampleOf(t, "login.failed")
	for _, c := range []struct {
		name           string
		event          schemas.AuditEvent
		old, new, want string
	}{
		{"an action that is not prescribed", account, `"action":"modified"`, `"action":"changed"`, `"changed" is not prescribed`},
		{"an action of the other model", login, `"action":"failure"`, `"action":"modified"`, `"modified" is not prescribed`},
		{"a status that is not prescribed", account, `"status":"success"`, `"status":"unknown"`, `"unknown" is not prescribed`},
		{"an account that is no user", account, `"object_category":"user"`, `"object_category":"account"`, "object_category account in Account_Management"},
		{"a user outside of accounts", network, `"object_category":"ip_allowlist"`, `"object_category":"user"`, "object_category user in Network_Changes"},
		{"a field of the other model", account, `"command":`, `"signature":`, "signature is no field of Account_Management"},
		{"a field of another data set", account, `"status":`, `"src_ip_range":"10.0.0.0/8","status":`, "src_ip_range is no field"},
		{"a field that Splunk looks up", account, `"status":`, `"user_category":"x","status":`, "user_category must not be sent"},
		{"the tags", account, `"status":`, `"tag":"change","status":`, "tag is Splunk's own"},
		{"metadata", account, `"status":`, `"source":"acme","status":`, "source is Splunk's own"},
		{"a field of nobody", account, `"status":`, `"actor":"x","status":`, "actor is no field"},
		{"a number", account, `"status":"success"`, `"status":1`, "status: 1 is no text"},
		{"a list", account, `"object_attrs":"role"`, `"object_attrs":["role"]`, "object_attrs is not flat"},
		{"nothing", account, `"dvc":"openai",`, ``, "dvc is missing"},
		{"twice", account, `"command":`, `"command":"x","command":`, "command is there twice"},
		{"empty", account, `"status":"success"`, `"status":""`, "status is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			document, tags := string(cim.Append(nil, &c.event)), cim.Tags(&c.event)
			v := newValidator(t)
			if problems := v.check([]byte(document), tags); problems != nil {
				t.Fatal(problems)
			}
			bad := strings.Replace(document, c.old, c.new, 1)
			if bad == document {
				t.Fatalf("%s is not in %s", c.old, document)
			}
			if problems := strings.Join(v.check([]byte(bad), tags), "; "); !strings.Contains(problems, c.want) {
				t.Errorf("found %q, want %q", problems, c.want)
			}
		})
	}
	if v := newValidator(t); v.check(cim.Append(nil, &login), []string{"change"}) == nil || v.check(cim.Append(nil, &login), nil) == nil {
		t.Error("a login with other tags is accepted")
	}
}

// The table and the mapping say the same: what the samples show is in the table, with
// the model that has it, and what is in the table shows somewhere.
func TestTableIsWhatDocumentsHave(t *testing.T) {
	v := newValidator(t)
	for _, s := range eventtest.Samples(t) {
		v.check(cim.Append(nil, &s.Event), cim.Tags(&s.Event))
	}
	for _, e := range []schemas.AuditEvent{
		{EventType: "user.updated", Actor: schemas.Actor{ID: "s", Name: "CI"}, Targets: []schemas.Target{{Type: "user", ID: "u", Name: "Ada"}}, Raw: []byte("\xff")},
		{EventType: "tunnel.updated", Problems: []string{"x"}},
		{EventType: "login.failed", OrganizationID: "org-1"},
	} {
		v.check(cim.Append(nil, &e), cim.Tags(&e))
	}
	listed := map[string]bool{}
	for _, row := range cim.Table() {
		if listed[row.Field] {
			t.Errorf("%s is listed twice", row.Field)
		}
		listed[row.Field] = true
		if v.seen[row.Field] == nil {
			t.Errorf("%s is in the table and in no document", row.Field)
		}
		if row.From == "" {
			t.Errorf("%s comes from nowhere", row.Field)
		}
		has := func(dataset string) bool { return v.fields(dataset)[row.Field] != nil }
		login, change := has("Authentication") && v.seen[row.Field][true], v.seen[row.Field][false]
		want := ""
		switch {
		case login && change:
			want = "all"
		case login:
			want = "Authentication"
		case has("All_Changes"):
			want = "Change"
		case has("Account_Management"):
			want = "Account_Management"
		case has("Network_Changes"):
			want = "Network_Changes"
		}
		if row.Model != want {
			t.Errorf("%s is of %q, the models say %q", row.Field, row.Model, want)
		}
	}
	for name := range v.seen {
		if !listed[name] {
			t.Errorf("%s is in a document and not in the table", name)
		}
	}
}

// fields reads a document.
func fields(t testing.TB, document []byte) map[string]any {
	t.Helper()
	var d map[string]any
	if err := json.Unmarshal(document, &d); err != nil {
		t.Fatalf("%v: %.500s", err, document)
	}
	return d
}

// original takes the entry back out of a document.
func original(t testing.TB, document []byte) []byte {
	t.Helper()
	d := fields(t, document)
	text, _ := d["raw"].(string)
	if d["raw_base64"] != true {
		return []byte(text)
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// holds fails unless the document has the values; an empty one must not be there.
func holds(t testing.TB, document []byte, want map[string]string) {
	t.Helper()
	d := fields(t, document)
	for name, value := range want {
		if got, _ := d[name].(string); got != value {
			t.Errorf("%s is %v, want %q", name, d[name], value)
		}
	}
}
