package schemas

import (
	"encoding/csv"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"auditlog-connector/schemas/rawjson"
)

func details(t *testing.T, text string) rawjson.Value {
	t.Helper()
	doc, err := rawjson.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc.Root()
}

// Every cell of the table has to be reachable through the catalogue.
func TestCatalogueHasEveryCell(t *testing.T) {
	b, err := tables.ReadFile("catalogue/event-types.csv")
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(strings.NewReader(string(b))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	types := Catalogue().Types()
	if len(types) != 149 || len(lines) != 150 {
		t.Fatalf("%d types of %d lines", len(types), len(lines)-1)
	}
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	path := func(p Path) string {
		if p.Root {
			return "$." + p.String()
		}
		return p.String()
	}
	for i, line := range lines[1:] {
		c := types[i]
		var names []string
		for _, p := range c.ObjectNamePath {
			names = append(names, path(p))
		}
		documented := "no"
		if c.Documented {
			documented = "yes"
		}
		join := func(s []string) string { return strings.Join(s, ";") }
		want := []string{
			c.Type, c.Feed, documented, c.Action, c.ObjectType, path(c.ObjectIDPath), join(names), path(c.TargetUserPath),
			c.Severity, c.SeverityReason, join(c.ECS.Category), join(c.ECS.Type), c.Outcome,
			strconv.Itoa(c.OCSF.ClassUID), strconv.Itoa(c.OCSF.ActivityID), strconv.Itoa(c.OCSF.TypeUID),
			c.CIM.Model, c.CIM.Action, c.CIM.ObjectCategory, c.CIM.ChangeType, join(c.MITREAttack), c.Note,
			c.CIM.Dataset, join(c.CIM.Tags), c.OCSF.ActivityName, join(c.OCSF.RequiredTarget), number(c.OCSF.EntityTypeID),
			strconv.Itoa(c.OCSF.SeverityID), strconv.Itoa(c.OCSF.StatusID),
		}
		if !slices.Equal(line, want) {
			t.Errorf("line %d:\n got %q\nwant %q", i+2, want, line)
		}
		if c.OCSF.TypeUID != c.OCSF.ClassUID*100+c.OCSF.ActivityID || !c.Known {
			t.Errorf("%s: %+v", c.Type, c)
		}
		if got := Catalogue().Lookup(c.Type); got != c {
			t.Errorf("%s: looked up %+v", c.Type, got)
		}
	}
}

func TestRenamedTypesShareARow(t *testing.T) {
	for _, verb := range []string{"created", "deleted"} {
		old, now := Catalogue().Lookup("checkpoint_permission."+verb), Catalogue().Lookup("checkpoint.permission."+verb)
		if old != now || !old.Known {
			t.Errorf("%s: %p and %p", verb, old, now)
		}
	}
}

func TestTypesThatNeedNotNameTheirTarget(t *testing.T) {
	var names []string
	for _, listed := range Catalogue().Types() {
		if listed.TargetUnknown != "" {
			names = append(names, listed.Type)
		}
	}
	const want = "login.succeeded login.failed logout.succeeded logout.failed role.assignment.created role.assignment.deleted"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	owner := details(t, `{"id":"role-owner"}`)
	if got := Catalogue().Lookup("role.assignment.created").For(owner); got.TargetUnknown == "" || got.SeverityReason != "owner role granted" {
		t.Errorf("with an override: %+v", got)
	}
}

func TestOverrides(t *testing.T) {
	tests := []struct {
		name, eventType, details, want string
	}{
		{"role given to a group", "role.assignment.created", `{"principal_type":"group","id":"x"}`, "high 3006/1 group;change group All_Changes Assign Privileges"},
		{"role given to a user", "role.assignment.created", `{"principal_type":"user"}`, "high 3005/1 user;change user Account_Management Assign Privileges"},
		{"owner role given", "role.assignment.created", `{"id":"role_assignment_role-api-organization-owner__x"}`, "high owner role granted"},
		{"owner role given to a group", "role.assignment.created", `{"principal_type":"group","id":"a-owner"}`, "3006/1 group;change group All_Changes Assign Privileges owner role granted"},
		{"role unchanged", "user.updated", `{"id":"u"}`, "medium 3001/99 user;change user Account_Management Update account role changed"},
		{"role empty", "user.updated", `{"changes_requested":{"role":""}}`, "3001/99"},
		{"role changed", "user.updated", `{"changes_requested":{"role":"reader"}}`, "medium 3005/1"},
		{"owner", "user.updated", `{"changes_requested":{"role":"owner"}}`, "high 3005/1"},
		{"no details", "user.updated", `null`, "3001/99"},
		{"logging off: the first row wins", "organization.updated", `{"changes_requested":{"api_call_logging":"disabled"}}`, "high 3004/3 change organization Auditing_Changes Update API call logging switched off"},
		{"logging changed", "organization.updated", `{"changes_requested":{"api_call_logging":"x"}}`, "medium 3004/3 change organization Auditing_Changes Update API call logging changed"},
		{"another change", "organization.updated", `{"changes_requested":{"name":"x"}}`, "medium 3004/3 change organization All_Changes"},
		{"any element of a list", "ip_allowlist.updated", `{"allowed_ips":["10.0.0.0/8","::/0"]}`, "allows the whole internet"},
		{"no element of a list", "ip_allowlist.created", `{"allowed_ips":["10.0.0.0/8"]}`, "medium 3004/1 creation ip_allowlist Network_Changes Create network access rule added"},
		{"not a list", "ip_allowlist.created", `{"allowed_ips":"0.0.0.0/0"}`, "medium"},
		{"a boolean", "role.bound_to_resource", `{"enabled":false}`, "low"},
		{"the other boolean", "role.bound_to_resource", `{"enabled":true}`, "high"},
		{"a list with nothing in it", "role.updated", `{"changes_requested":{"permissions_added":[]}}`, "medium"},
		{"a list that is missing", "role.updated", `{}`, "medium"},
		{"a list with something in it", "role.updated", `{"changes_requested":{"permissions_added":["x"]}}`, "high"},
	}
	for _, test := range tests {
		base := Catalogue().Lookup(test.eventType)
		got := base.For(details(t, test.details))
		text := fmt.Sprintf("%s %d/%d %s %s %s %s %s", got.Severity, got.OCSF.ClassUID, got.OCSF.ActivityID,
			strings.Join(got.ECS.Type, ";"), got.CIM.ObjectCategory, got.CIM.Dataset, got.OCSF.ActivityName, got.SeverityReason)
		rest := text
		for word := range strings.FieldsSeq(test.want) {
			i := strings.Index(rest, word)
			if i < 0 {
				t.Errorf("%s: got %s, want %s", test.name, text, test.want)
				break
			}
			rest = rest[i+len(word):]
		}
		if got.OCSF.SeverityID != map[string]int{"info": 1, "low": 2, "medium": 3, "high": 4}[got.Severity] || got.Type != base.Type {
			t.Errorf("%s: %+v", test.name, got)
		}
	}
	if base := Catalogue().Lookup("login.failed"); base.HasOverrides() || base.For(rawjson.Value{}) != base {
		t.Error("a type without overrides depends on the payload")
	}
}

func TestUnlistedTypesAreClassified(t *testing.T) {
	tests := []struct {
		eventType, want string
	}{
		{"agent.permission.granted", "organization grant success medium agent_permission iam AAA 3004/3 Update"},
		{"tenant.model.created", "tenant create success medium model configuration configuration 3004/1 Create"},
		{"tenant.agent.invoice.removed", "tenant remove success medium agent_invoice configuration billing 3004/4 Delete"},
		{"sso.login.failed", "organization login failure low sso_login authentication  3002/1 Logon"},
		{"device.logout.completed", "organization logout success info device_logout authentication AAA 3002/2 Logoff"},
		{"tenant.quota_request.rejected", "tenant decline success info quota_request configuration configuration 3004/3 Update"},
		{"tenant.user.blocked", "tenant suspend success medium user iam AAA 3004/12 Suspend"},
		{"request.blocked", "organization fail failure medium request configuration configuration 3004/99 blocked"},
		{"tenant.mfa.disabled", "tenant disable success high mfa iam AAA 3004/9 Disable"},
		{"tenant.session_policy.disabled", "tenant disable success high session_policy iam AAA 3004/9 Disable"},
		{"beta_feature.disabled", "organization disable success medium beta_feature configuration configuration 3004/9 Disable"},
		{"domain.verified", "organization update success low domain configuration configuration 3004/3 Update"},
		{"firewall.rule.denied", "organization fail failure medium firewall_rule configuration network 3004/99 denied"},
		{"quantum.flux", "organization other unknown low quantum configuration configuration 3004/99 flux"},
		{"nothing", "organization other unknown low nothing configuration configuration 3004/99 nothing"},
		{"", "organization other unknown low unknown configuration configuration 3004/99 "},
		{"tenant.", "tenant other unknown low unknown configuration configuration 3004/99 "},
		{".", "organization other unknown low unknown configuration configuration 3004/99 "},
	}
	for _, test := range tests {
		got := Catalogue().Lookup(test.eventType)
		text := fmt.Sprintf("%s %s %s %s %s %s %s %d/%d %s", got.Feed, got.Action, got.Outcome, got.Severity, got.ObjectType,
			strings.Join(got.ECS.Category, ";"), got.CIM.ChangeType, got.OCSF.ClassUID, got.OCSF.ActivityID, got.OCSF.ActivityName)
		if text != test.want || got.Known || got.Type != test.eventType {
			t.Errorf("%s:\n got %s\nwant %s", test.eventType, text, test.want)
		}
		if again := Catalogue().Lookup(test.eventType); again != got {
			t.Errorf("%s: classified twice", test.eventType)
		}
	}
	user := Catalogue().Lookup("user.suspended")
	if user.CIM.Dataset != "Account_Management" || user.CIM.ObjectCategory != "user" || user.OCSF.ActivityID != 12 {
		t.Errorf("user.suspended: %+v", user.CIM)
	}
}

// Rules and table were made by the same people: they should say nearly the same.
func TestRulesAgreeWithTheTable(t *testing.T) {
	outcome := 0
	for _, listed := range Catalogue().Types() {
		rules := &Catalogue().rules
		guess, err := makeType(listed.Type, match(rules.verbs, listed.Type), match(rules.objects, listed.Type))
		if err != nil {
			t.Fatal(err)
		}
		if guess.Outcome == listed.Outcome {
			outcome++
		}
		// Two types were made for organizations and are read with the tenant's.
		if guess.Feed != listed.Feed && !strings.HasPrefix(listed.Type, "role.") {
			t.Errorf("%s: guessed feed %s", listed.Type, guess.Feed)
		}
	}
	if outcome < 140 {
		t.Errorf("only %d of 149 outcomes guessed", outcome)
	}
}

func TestUnlistedTypesDoNotFillMemory(t *testing.T) {
	c, err := readCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	c.rules.seen = make(map[string]*EventType)
	for i := range seenTypes - 50 {
		c.rules.seen[strconv.Itoa(i)] = c.Types()[0]
	}
	for i := range 100 {
		if got := c.Lookup("made.up." + strconv.Itoa(i)); got.ObjectType != "made_up" {
			t.Fatalf("%+v", got)
		}
	}
	long := strings.Repeat("x", 1<<20) + ".thing.created"
	if got := c.Lookup(long); got.Action != "create" || len(got.ObjectType) > longType || got.Type != long {
		t.Errorf("a long type: action %s, object of %d bytes", got.Action, len(got.ObjectType))
	}
	if n := len(c.rules.seen); n != seenTypes {
		t.Errorf("%d types kept", n)
	}
}

func TestPaths(t *testing.T) {
	doc := details(t, `{"a":{"b":1},"l":[{"n":"x"},{"n":"y"}],"s":["p"]}`)
	if got := parsePath("$.a.b"); !got.Root || got.From(doc).Text() != "1" || got.Last() != "b" {
		t.Errorf("$.a.b: %+v", got)
	}
	each := parsePath("l[].n")
	var names []string
	list := each.From(doc)
	for e := list.First(); e.Kind() != rawjson.Invalid; e = e.Next(list) {
		names = append(names, each.Within(e).Text())
	}
	if !reflect.DeepEqual(names, []string{"x", "y"}) || !each.Each() {
		t.Errorf("l[].n: %q", names)
	}
	if got := parsePath("a.x.y").From(doc); got.Exists() {
		t.Errorf("a path that ends early: %s", got.Bytes())
	}
}

func BenchmarkLoadCatalogue(b *testing.B) {
	for b.Loop() {
		if _, err := readCatalogue(); err != nil {
			b.Fatal(err)
		}
	}
}
