package openai

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

type hostileEntry struct{ name, body, problems string }

// hostile returns entries that break the documentation, JSON or good manners.
func hostile() []hostileEntry {
	user := func(details string) string {
		return `{"id":"audit_log-1","type":"user.updated","actor":null,"user.updated":` + details + `}`
	}
	free := func(details string) string {
		return `{"id":"audit_log-1","type":"tenant.group.updated","actor":null,"tenant.group.updated":` + details + `}`
	}
	var keys strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&keys, `"k%d":%d,`, i, i)
	}
	deep := func(n int) string { return strings.Repeat(`{"a":[`, n/2) + "1" + strings.Repeat("]}", n/2) }
	return []hostileEntry{
		{"nothing", ``, "entry: not JSON: text ends early"},
		{"white space", " \n", "entry: not JSON: text ends early"},
		{"null", `null`, "entry: not an object"},
		{"a list", `[{}]`, "entry: not an object"},
		{"a number", `1e999`, "entry: not an object"},
		{"a string", `"x"`, "entry: not an object"},
		{"cut short", `{"id":"audit_log-1","type":"user.upd`, "entry: not JSON: text ends early"},
		{"two documents", `{"id":"a"}{"id":"b"}`, "entry: not JSON: text goes on after the value at offset 10"},
		{"empty", `{}`, "id: missing; made from the entry's bytes, type: missing"},
		{"no id", `{"type":"login.succeeded"}`, "id: missing; made from the entry's bytes"},
		{"id is null", `{"id":null,"type":"login.succeeded"}`, "id: missing; made from the entry's bytes"},
		{"id is a list", `{"id":[],"type":"login.succeeded"}`, "id: not a string, id: missing; made from the entry's bytes"},
		{"id of another entry", `{"id":"audit_log-2","type":"login.succeeded"}`, "id: not taken as served"},
		{"type is a list", `{"id":"audit_log-1","type":["x"]}`, "type: not a string, type: missing"},
		{"type is a number", `{"id":"audit_log-1","type":17,"17":{"id":"x"}}`, ""},
		{"type names another field", `{"id":"audit_log-1","type":"actor","actor":null}`, ""},
		{"type is empty", `{"id":"audit_log-1","type":"","":{"id":"x"}}`, "type: missing"},
		{"type is long", `{"id":"audit_log-1","type":"` + strings.Repeat("x.", 1<<15) + `created"}`, ""},
		{"details missing", `{"id":"audit_log-1","type":"user.updated"}`, "details: missing"},
		{"details null", user(`null`), "details: missing"},
		{"details a list", user(`[1,2]`), "details: not an object"},
		{"details a number", user(`17`), "details: not an object"},
		{"details a string", user(`"x"`), "details: not an object"},
		{"details false", user(`false`), "details: not an object"},
		{"details empty", user(`{}`), "details.id: missing"},
		{"undocumented details missing", `{"id":"audit_log-1","type":"tenant.group.updated"}`, ""},
		{"undocumented details a list", free(`[]`), "details: not an object"},
		{"details of a login a list", `{"id":"audit_log-1","type":"login.succeeded","login.succeeded":[]}`, "details: not an object"},
		{"id of the object a list", user(`{"id":[1]}`), "details.id: not a string, details.id: missing"},
		{"id of the object a big number", user(`{"id":123456789012345678901234567890}`), ""},
		{"certificates not a list", `{"id":"audit_log-1","type":"certificates.activated","certificates.activated":{"certificates":{}}}`, "details.certificates[].id: not a list"},
		{"no certificates", `{"id":"audit_log-1","type":"certificates.activated","certificates.activated":{"certificates":[]}}`, "details.certificates[].id: nothing in the list"},
		{"certificates of odd things", `{"id":"audit_log-1","type":"certificates.activated","certificates.activated":{"certificates":[1,null,{"id":"c"},{"id":[]}]}}`, "details.certificates[].id: missing, details.certificates[].id: not a string"},
		{"error not a string", `{"id":"audit_log-1","type":"login.failed","login.failed":{"error_code":{},"error_message":5}}`, "details.error_code: not a string"},
		{"project a string", `{"id":"audit_log-1","type":"login.succeeded","project":"p"}`, "project: not an object"},
		{"project empty", `{"id":"audit_log-1","type":"login.succeeded","project":{}}`, "project.id: missing"},
		{"project with a name only", `{"id":"audit_log-1","type":"login.succeeded","project":{"name":"n"}}`, "project.id: missing"},
		{"1 MiB string", user(`{"id":"u","changes_requested":{"x":"` + strings.Repeat("y", 1<<20) + `"}}`), ""},
		{"10,000 keys", user(`{` + keys.String() + `"id":"u","changes_requested":{` + keys.String() + `"z":0}}`), ""},
		{"nested 1,000 deep", user(`{"id":"u","changes_requested":{"x":` + deep(1000) + `}}`), ""},
		{"nested 9,000 deep", user(`{"id":"u","data":` + deep(9000) + `}`), ""},
		{"nested 9,990 deep", user(`{"id":"u","data":` + deep(9990) + `}`), ""},
		{"nested 20,000 deep", user(`{"id":"u","data":` + deep(20000) + `}`), "entry: not JSON: nested deeper than 10000 at offset 30081"},
		{"unclosed 1 Mi deep", strings.Repeat("[", 1<<20), "entry: not JSON: nested deeper than 10000 at offset 10000"},
		{"keys twice", `{"id":"audit_log-1","type":"login.failed","type":"user.updated","user.updated":{"id":"a"},"user.updated":{"id":"b"}}`, ""},
		{"invalid UTF-8", user("{\"id\":\"u\xff\",\"changes_requested\":{\"\xc3\":\"\xe2\x80\"}}"), "entry: not valid UTF-8"},
		{"not UTF-8, nor JSON", "\xff", "entry: not JSON: want a value at offset 0, entry: not valid UTF-8"},
		{"half of a pair", user(`{"id":"\ud83d","changes_requested":{"\ud83d":"\ud83d"}}`), ""},
		{"zero bytes", user(`{"id":"a\u0000b"}`), ""},
		{"numbers beyond int64", `{"id":"audit_log-1","type":"user.updated","effective_at":99999999999999999999,"user.updated":{"id":"u","changes_requested":{"n":-9223372036854775809,"m":1e400}}}`, ""},
	}
}

func TestHostileEntriesBecomeRecords(t *testing.T) {
	for _, h := range hostile() {
		e := normalizeText(h.body)
		checkEvent(t, &e, []byte(h.body))
		if got := strings.Join(e.Problems, ", "); got != h.problems {
			t.Errorf("%s: problems\n got %q\nwant %q", h.name, got, h.problems)
		}
		if e.EventID != "audit_log-1" || e.Source != "acme" || e.Stream == "" || e.Action == "" || e.Outcome == "" || e.Severity == "" || e.Actor.Kind == "" {
			t.Errorf("%s: not a whole record: %+v", h.name, e)
		}
	}
}

func TestHostileValuesAreKept(t *testing.T) {
	find := func(name string) string {
		for _, h := range hostile() {
			if h.name == name {
				return h.body
			}
		}
		t.Fatalf("no entry %q", name)
		return ""
	}
	if e := normalizeText(find("keys twice")); e.EventType != "user.updated" || e.Targets[0].ID != "b" || string(e.Details) != `{"id":"b"}` {
		t.Errorf("keys twice: %+v", e)
	}
	if e := normalizeText(find("invalid UTF-8")); e.Targets[0].ID != "u\uFFFD" || e.Changes["\uFFFD"] != "\"\uFFFD\uFFFD\"" || !bytes.Contains(e.Raw, []byte("u\xff")) {
		t.Errorf("invalid UTF-8: %+v", e)
	}
	if e := normalizeText(find("numbers beyond int64")); e.Changes["n"] != "-9223372036854775809" || e.Changes["m"] != "1e400" {
		t.Errorf("numbers: %+v", e.Changes)
	}
	if e := normalizeText(find("id of the object a big number")); e.Targets[0].ID != "123456789012345678901234567890" {
		t.Errorf("big number: %+v", e.Targets)
	}
	if e := normalizeText(find("10,000 keys")); len(e.Changes) != 10_001 || e.Changes["k9999"] != "9999" {
		t.Errorf("%d changes", len(e.Changes))
	}
	if e := normalizeText(find("cut short")); e.Actor.Kind != "unknown" || e.KnownType || e.Stream != "organization" {
		t.Errorf("cut short: %+v", e)
	}
	if e := normalizeText(find("type is a number")); e.EventType != "17" || e.Details == nil {
		t.Errorf("type is a number: %+v", e)
	}
}
