package ocsf_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"auditlog-connector/internal/eventtest"
	"auditlog-connector/schemas"
	"auditlog-connector/schemas/ocsf"
)

// hostile are entries that break the documentation, JSON or good manners.
func hostile() map[string]string {
	of := func(eventType, details string) string {
		return `{"id":"audit_log-1","type":"` + eventType + `","actor":{"type":"session","session":{"ip_address":"999.1.2.3","ip_address_details":{"latitude":"north","asn":"-1"}}},"` +
			eventType + `":` + details + `}`
	}
	user := func(details string) string { return of("user.updated", details) }
	var keys strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&keys, `"k%d":%d,`, i, i)
	}
	deep := func(n int) string { return strings.Repeat(`{"a":[`, n/2) + "1" + strings.Repeat("]}", n/2) }
	certificates := strings.Repeat(`{"id":"c","name":"n"},`, 9_999) + `{"id":"last"}`
	return map[string]string{
		"nothing":                     ``,
		"a list":                      `[{}]`,
		"a number":                    `1e999`,
		"cut short":                   `{"id":"audit_log-1","type":"user.upd`,
		"no type":                     `{"id":"audit_log-1"}`,
		"type is a list":              `{"type":["x"]}`,
		"type is long":                `{"type":"` + strings.Repeat("x.", 1<<15) + `created"}`,
		"type has quotes":             of(`a\"b.created`, `{"id":"x"}`),
		"details missing":             `{"id":"audit_log-1","type":"user.updated"}`,
		"details null":                user(`null`),
		"details a list":              user(`[1,2]`),
		"details a number":            user(`17`),
		"details a string":            user(`"x"`),
		"details empty":               user(`{}`),
		"details of a login a list":   of("login.failed", `[]`),
		"id a list":                   user(`{"id":[1]}`),
		"role a list":                 user(`{"id":"u","changes_requested":{"role":["owner",null]}}`),
		"role empty":                  user(`{"id":"u","changes_requested":{"role":""}}`),
		"role an object":              user(`{"id":"u","changes_requested":{"role":{"x":1}}}`),
		"scopes odd":                  of("api_key.created", `{"id":"k","data":{"scopes":[1,null,{},[],"",true,"s"]}}`),
		"allowed_ips odd":             of("ip_allowlist.created", `{"id":"a","allowed_ips":["1.2.3.4/99","x",1,null,"::1","::/0","0.0.0.0/0"]}`),
		"allowed_ips a string":        of("ip_allowlist.created", `{"id":"a","allowed_ips":"0.0.0.0/0"}`),
		"certificates odd":            of("certificates.activated", `{"certificates":[1,null,{"id":"c"},{"id":[]}]}`),
		"10,000 certificates":         of("certificates.activated", `{"certificates":[`+certificates+`]}`),
		"1 MiB string":                user(`{"id":"u","changes_requested":{"x":"` + strings.Repeat("y", 1<<20) + `"}}`),
		"1 MiB undocumented":          of("tunnel.created", `{"id":"u","note":"`+strings.Repeat("\\u00fc", 1<<18)+`"}`),
		"10,000 keys":                 user(`{` + keys.String() + `"id":"u","changes_requested":{` + keys.String() + `"z":0}}`),
		"1,000 deep":                  user(`{"id":"u","changes_requested":{"x":` + deep(1000) + `}}`),
		"9,000 deep":                  user(`{"id":"u","x":` + deep(9000) + `}`),
		"9,990 deep":                  user(`{"id":"u","x":` + deep(9990) + `,"data":` + deep(9990) + `}`),
		"20,000 deep":                 user(`{"id":"u","data":` + deep(20000) + `}`),
		"keys twice":                  `{"type":"login.failed","type":"user.updated","user.updated":{"id":"a"},"user.updated":{"id":"b","id":"c","x":1,"x":2}}`,
		"invalid UTF-8":               user("{\"id\":\"u\xff\",\"changes_requested\":{\"\xc3\":\"\xe2\x80\"},\"\xfe\":\"\xfe\"}"),
		"neither UTF-8 nor JSON":      "\xff",
		"half of a pair":              user(`{"id":"\ud83d","changes_requested":{"\ud83d":"\ud83d"}}`),
		"zero bytes":                  user(`{"id":"a\u0000b"}`),
		"line separators":             user("{\"id\":\"a\u2028b\",\n\"x\": [ 1,\r\n\t2 ]}"),
		"numbers beyond int64":        user(`{"id":99999999999999999999,"changes_requested":{"n":-9223372036854775809,"m":1e400}}`),
		"keys of our own":             user(`{"id":"u","problems":["x"],"raw_base64":true,"data":{"data":1,"ids":[2]}}`),
		"an assignment of odd things": of("role.assignment.created", `{"id":"role_assignment____","principal_id":7,"principal_type":"role","resource_type":"user"}`),
	}
}

// sound fails unless the document of e is one JSON object that the validator
// accepts, twice the same, with the entry in it.
func sound(t testing.TB, e *schemas.AuditEvent) {
	t.Helper()
	line := ocsf.Append(nil, e)
	if !utf8.Valid(line) {
		t.Fatalf("not valid UTF-8: %.500q", line)
	}
	doc := parseLine(t, line)
	for _, p := range validate(t, doc) {
		t.Errorf("%.500s\n%.300q", p, e.Raw)
	}
	if again := ocsf.Append(nil, e); !bytes.Equal(again, line) {
		t.Errorf("another time:\n%.500s\n%.500s", line, again)
	}
	raw := []byte(fmt.Sprint(doc["raw_data"]))
	if at(doc, "unmapped.raw_base64") == true {
		var err error
		if raw, err = base64.StdEncoding.AppendDecode(nil, raw); err != nil {
			t.Fatal(err)
		}
	}
	if len(e.Raw) > 0 && !bytes.Equal(raw, e.Raw) || len(e.Raw) == 0 && doc["raw_data"] != nil {
		t.Errorf("the entry came back as %.300q, want %.300q", raw, e.Raw)
	}
}

func TestHostileEntriesBecomeValidDocuments(t *testing.T) {
	for name, body := range hostile() {
		t.Run(name, func(t *testing.T) {
			e := normalizeText(t, body)
			sound(t, e)
			problems, _ := at(parse(t, e), "unmapped.problems").([]any)
			if len(problems) != len(e.Problems) {
				t.Errorf("%d problems, want %q", len(problems), e.Problems)
			}
		})
	}
}

func TestTheEntryCanBeTakenBackOut(t *testing.T) {
	for _, e := range samples(t) {
		sound(t, e)
	}
	generated(t, 1000, func(e *schemas.AuditEvent) { sound(t, e) })
	e := normalizeText(t, "{\"id\":\"audit_log-1\",\"type\":\"user.added\", \"user.added\":{\"id\":\"\xff\"}}\n")
	if doc := parse(t, e); at(doc, "unmapped.raw_base64") != true || doc["raw_base64"] != nil {
		t.Errorf("raw_base64 is not in unmapped: %v", doc["unmapped"])
	}
}

// Values that cannot stand in a document as JSON are text.
func TestWhatIsNoJSONIsText(t *testing.T) {
	e := normalizeText(t, `{"id":"audit_log-1","type":"api_key.created"}`)
	deep := strings.Repeat("[", 9_950) + strings.Repeat("]", 9_950)
	e.Changes = map[string]string{"a": `{"x":`, "b": "", "c": "\"\xff\"", "d": deep, "e": " [ 1 ,\n2 ] "}
	e.Details = []byte("{nonsense\xff")
	doc := parse(t, e)
	for path, want := range map[string]any{
		"entity.data.a": `{"x":`, "entity.data.b": "", "entity.data.c": "\"\uFFFD\"", "entity.data.d": deep, "unmapped.details.value": "{nonsense\uFFFD",
	} {
		if got := at(doc, path); got != want {
			t.Errorf("%s is %.100v, want %.100v", path, got, want)
		}
	}
	if got, _ := at(doc, "entity.data.e").([]any); !slices.Equal(got, []any{json.Number("1"), json.Number("2")}) {
		t.Errorf("entity.data.e is %v", got)
	}
}

// FuzzAppend maps any entry: the document is valid and holds it.
func FuzzAppend(f *testing.F) {
	for _, body := range hostile() {
		if len(body) < 10_000 {
			f.Add([]byte(body))
		}
	}
	for _, e := range samples(f) {
		f.Add(e.Raw)
	}
	normalize := eventtest.Normalizer(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		e := normalize("audit_log-1", time.Unix(1_700_000_000, 0).UTC(), body)
		sound(t, &e)
	})
}
