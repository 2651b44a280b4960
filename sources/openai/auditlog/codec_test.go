package auditlog_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"auditlog-connector/sources/openai/auditlog"
)

// What does not fit stays under its name, and comes back as it was.
func TestWhatDoesNotFitIsKept(t *testing.T) {
	tests := []struct{ name, entry, extra string }{
		{"a known member", `{"id":"a"}`, ""},
		{"null", `{"id":null}`, "id"},
		{"empty", `{"id":""}`, "id"},
		{"another type", `{"id":7,"effective_at":"1795166939","actor":[]}`, "actor effective_at id"},
		{"a time in parts of seconds", `{"effective_at":1795166939.5}`, "effective_at"},
		{"a number beyond 64 bits", `{"effective_at":9223372036854775808}`, "effective_at"},
		{"a number spelled otherwise", `{"effective_at":1e9}`, "effective_at"},
		{"half of a surrogate pair", `{"id":"\ud83d"}`, "id"},
		{"an unknown member", `{"":1,"x":{"y":[1.0]}}`, " x"},
		{"deep within", `{"actor":{"type":"session","session":{"user":{"id":"u","name":"n"},"ip_address":null}}}`, "actor.session.ip_address actor.session.user.name"},
		{"0 where it means something", `{"type":"rate_limit.updated","rate_limit.updated":{"changes_requested":{"max_requests_per_1_minute":0}}}`, ""},
		{"empty where it means something", `{"type":"organization.updated","organization.updated":{"changes_requested":{"description":""}}}`, ""},
		{"false", `{"type":"role.bound_to_resource","role.bound_to_resource":{"enabled":false}}`, ""},
		{"an empty list", `{"type":"ip_allowlist.updated","ip_allowlist.updated":{"allowed_ips":[]}}`, ""},
		{"a list with null", `{"type":"ip_allowlist.updated","ip_allowlist.updated":{"allowed_ips":["::/0",null]}}`, "details.allowed_ips"},
		{"a list of other things", `{"type":"certificates.activated","certificates.activated":{"certificates":[{"id":"a"},"b"]}}`, "details.certificates"},
		{"free JSON null", `{"type":"external_key.registered","external_key.registered":{"data":null}}`, ""},
		{"the older name", `{"type":"checkpoint_permission.deleted","checkpoint_permission.deleted":{"id":"c"}}`, ""},
		{"a type named like a member", `{"type":"actor","actor":{"type":"session"}}`, ""},
		{"the payload of another type", `{"type":"user.added","user.deleted":{"id":"u"}}`, "user.deleted"},
		{"no type", `{"":{"id":"u"}}`, ""},
	}
	for _, test := range tests {
		e, err := auditlog.Decode([]byte(test.entry))
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if got := strings.Join(extras(reflect.ValueOf(e), ""), " "); got != test.extra {
			t.Errorf("%s: kept aside %q, want %q", test.name, got, test.extra)
		}
		text, err := auditlog.Append(nil, e)
		if err != nil || !reflect.DeepEqual(value(t, text), value(t, []byte(test.entry))) {
			t.Errorf("%s: came back as %s, %v", test.name, text, err)
		}
	}
}

func TestDetailsThatAreNoObjectStayText(t *testing.T) {
	for _, details := range []string{`null`, `[]`, `"x"`, `1.0e3`, `true`} {
		e, err := auditlog.Decode([]byte(`{"type":"user.added","user.added":` + details + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if raw, ok := e.Details.(json.RawMessage); !ok || string(raw) != details {
			t.Errorf("%s: details are %T %s", details, e.Details, e.Details)
		}
	}
	if e, err := auditlog.Decode([]byte(`{"type":"login.succeeded"}`)); err != nil || e.Details != nil || e.Extra != nil {
		t.Errorf("no details: %+v, %v", e, err)
	}
}

func TestDecodeRefusesWhatIsNoEntry(t *testing.T) {
	for text, want := range map[string]string{
		``: "not JSON", `{`: "unexpected end of JSON input", `null`: "not an object", `[]`: "not an object", `"x"`: "not an object", `x`: "not JSON",
	} {
		_, err := auditlog.Decode([]byte(text))
		if err == nil || err.Error() != "decode audit-log entry: "+want {
			t.Errorf("%q: %v", text, err)
		}
	}
	var e auditlog.Event
	if err := json.Unmarshal([]byte(`[]`), &e); err == nil {
		t.Error("unmarshalled a list")
	}
}

func TestAppend(t *testing.T) {
	e := &auditlog.Event{
		ID: "audit_log-1", Type: "user.updated", EffectiveAt: 1795166939,
		Actor:   &auditlog.Actor{Type: "api_key", APIKey: &auditlog.APIKey{ID: "key_1", Type: "user"}},
		Details: &auditlog.UserUpdated{ID: "user-<1>", ChangesRequested: &auditlog.RoleChanges{Role: new("owner")}},
		Extra: auditlog.Extra{
			"z": json.RawMessage(`[1]`), "b": json.RawMessage(`null`),
			"id": json.RawMessage(`"other"`), "user.updated": json.RawMessage(`"other"`), // the fields win
		},
	}
	const want = `{"id":"audit_log-1","type":"user.updated","effective_at":1795166939,"actor":{"type":"api_key","api_key":{"id":"key_1","type":"user"}},` +
		`"user.updated":{"id":"user-<1>","changes_requested":{"role":"owner"}},"b":null,"z":[1]}`
	if got, err := auditlog.Append([]byte("x"), e); err != nil || string(got) != "x"+want {
		t.Errorf("got %s, %v", got, err)
	}
	var got auditlog.Event
	text, err := json.Marshal([]any{e, *e})
	if err == nil {
		text = text[1 : len(text)/2] // both are the same
	}
	if err != nil || !reflect.DeepEqual(value(t, text), value(t, []byte(want))) {
		t.Errorf("marshalled: %s, %v", text, err)
	}
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got.Details, e.Details) || got.Time().Year() != 2026 {
		t.Errorf("unmarshalled %+v, %v", got, err)
	}
	if got, err := auditlog.Append(nil, &auditlog.Project{}); err != nil || string(got) != "{}" {
		t.Errorf("an empty part: %s, %v", got, err)
	}
}

func TestAppendRefusesWhatCannotBeAnEntry(t *testing.T) {
	for name, v := range map[string]any{
		"not of the model":                 &struct{}{},
		"no pointer":                       auditlog.Project{},
		"nil":                              nil,
		"nil pointer":                      (*auditlog.Event)(nil),
		"details of another type":          &auditlog.Event{Type: "user.added", Details: &auditlog.UserDeleted{}},
		"details without a type":           &auditlog.Event{Details: json.RawMessage(`{}`)},
		"details in place of the id":       &auditlog.Event{Type: "id", Details: json.RawMessage(`{}`)},
		"details not of the model":         &auditlog.Event{Type: "x.y", Details: map[string]int{}},
		"details by value, not by pointer": &auditlog.Event{Type: "user.added", Details: auditlog.UserAdded{}},
	} {
		if text, err := auditlog.Append(nil, v); err == nil {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// Every field has to be of a kind that the codec knows, and every struct has Extra.
func TestTheModelIsSound(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var check func(typ reflect.Type)
	check = func(typ reflect.Type) {
		if seen[typ] {
			return
		}
		seen[typ] = true
		if f, ok := typ.FieldByName("Extra"); !ok || f.Type != reflect.TypeFor[auditlog.Extra]() {
			t.Errorf("%s has no Extra", typ)
		}
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.Name == "Extra" || f.Name == "Details" {
				continue
			}
			ft := f.Type
			if !strings.HasSuffix(f.Tag.Get("json"), ",omitzero") {
				t.Errorf("%s.%s: tag %s", typ, f.Name, f.Tag)
			}
			if ft == reflect.TypeFor[json.RawMessage]() {
				continue
			}
			if ft.Kind() == reflect.Slice || ft.Kind() == reflect.Pointer {
				ft = ft.Elem()
			}
			switch {
			case ft.Kind() == reflect.Struct && f.Type.Kind() != reflect.Struct:
				check(ft)
			case ft.Kind() == reflect.String, ft.Kind() == reflect.Int64, ft.Kind() == reflect.Bool && f.Type.Kind() == reflect.Pointer:
			default:
				t.Errorf("%s.%s: %s", typ, f.Name, f.Type)
			}
		}
	}
	check(reflect.TypeFor[auditlog.Event]())
	for _, name := range auditlog.Types() {
		check(reflect.TypeOf(auditlog.NewDetails(name)).Elem())
	}
	if len(seen) < 80 {
		t.Errorf("only %d structs", len(seen))
	}
	if auditlog.NewDetails("tenant.group.created") != nil || auditlog.Fields("tenant.group.created") != nil {
		t.Error("a type without documented payload has a struct")
	}
}

// FuzzRoundTrip: any object decodes, and has the same members when it is encoded.
func FuzzRoundTrip(f *testing.F) {
	for _, body := range samples(f) {
		f.Add(body)
	}
	f.Add([]byte(`{"type":"id","id":{},"":"","a":1,"a":2}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := auditlog.Decode(body)
		if err != nil {
			return
		}
		text, err := auditlog.Append(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		if utf8.Valid(body) && !reflect.DeepEqual(value(t, text), value(t, body)) {
			t.Errorf("came back as %s", text)
		}
		if !json.Valid(text) {
			t.Errorf("not JSON: %q", text)
		}
	})
}

func BenchmarkDecodeAppend(b *testing.B) {
	body := samples(b)["role.assignment.created.json"]
	b.ReportAllocs()
	for b.Loop() {
		e, err := auditlog.Decode(body)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := auditlog.Append(nil, e); err != nil {
			b.Fatal(err)
		}
	}
}
