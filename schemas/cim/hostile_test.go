package cim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"auditlog-connector/schemas"
	"auditlog-connector/schemas/cim"
)

// hostile returns entries that break the documentation, JSON or good manners.
func hostile() map[string]string {
	user := func(details string) string {
		return `{"id":"audit_log-1","type":"user.updated","actor":null,"user.updated":` + details + `}`
	}
	free := func(details string) string {
		return `{"id":"audit_log-1","type":"external_key.registered","external_key.registered":{"id":"k","data":` + details + `}}`
	}
	session := func(members string) string {
		return `{"id":"audit_log-1","type":"login.failed","actor":{"type":"session","session":{` + members + `}}}`
	}
	var keys, items strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&keys, `"k%d":%d,`, i, i)
		fmt.Fprintf(&items, `"10.0.%d.%d",`, i/256, i%256)
	}
	long := strings.Repeat("y", 1<<20)
	deep := func(n int) string { return strings.Repeat(`{"a":[`, n/2) + "1" + strings.Repeat("]}", n/2) }
	return map[string]string{
		"nothing":               ``,
		"null":                  `null`,
		"a list":                `[{}]`,
		"cut short":             `{"id":"audit_log-1","type":"user.upd`,
		"empty":                 `{}`,
		"type is a list":        `{"type":["x"]}`,
		"type is long":          `{"type":"` + strings.Repeat("x.", 1<<15) + `created"}`,
		"details missing":       `{"type":"user.updated"}`,
		"details null":          user(`null`),
		"details a list":        user(`[1,2]`),
		"details a number":      user(`17`),
		"details a string":      user(`"x"`),
		"details empty":         user(`{}`),
		"ids of odd kinds":      user(`{"id":[1],"changes_requested":{"role":{"a":1},"email":[],"name":7}}`),
		"changes a list":        user(`{"id":"u","changes_requested":["role",{"role":"owner"},null,[[1]],1.5,true]}`),
		"a name that is empty":  user(`{"id":"u","changes_requested":{"":"x","a.b":{"c":1},"é\"\\":" "}}`),
		"1 MiB string":          user(`{"id":"u","changes_requested":{"x":"` + long + `"}}`),
		"1 MiB id":              user(`{"id":"` + long + `"}`),
		"1 MiB role":            user(`{"id":"u","changes_requested":{"role":"` + long + `"}}`),
		"1 MiB name":            user(`{"id":"u","changes_requested":{"` + long + `":1}}`),
		"1 MiB in the actor":    session(`"user":{"id":"` + long + `","email":"a@` + long + `"},"user_agent":"` + long + `","ja3":"` + long + `","ip_address":"` + long + `"`),
		"10,000 keys":           user(`{` + keys.String() + `"id":"u","changes_requested":{` + keys.String() + `"z":0}}`),
		"10,000 addresses":      `{"type":"ip_allowlist.created","ip_allowlist.created":{"id":"l","allowed_ips":[` + items.String() + `"::1"]}}`,
		"10,000 certificates":   `{"type":"certificates.activated","certificates.activated":{"certificates":[` + strings.Repeat(`{"id":"c","name":"n"},`, 10_000) + `{}]}}`,
		"nested 1,000 deep":     user(`{"id":"u","changes_requested":{"x":` + deep(1000) + `}}`),
		"nested 9,990 deep":     free(deep(9980)),
		"nested 20,000 deep":    free(deep(20000)),
		"keys twice":            `{"type":"login.failed","type":"user.updated","user.updated":{"id":"a"},"user.updated":{"id":"b","id":"c","changes_requested":{"x":1,"x":"2"}}}`,
		"invalid UTF-8":         user("{\"id\":\"u\xff\",\"changes_requested\":{\"\xc3\":\"\xe2\x80\",\"y\":[\"\xff\"]}}"),
		"not UTF-8, nor JSON":   "\xff\x00",
		"half of a pair":        user(`{"id":"\ud83d","changes_requested":{"\ud83d":"\ud83d","x":["\ud83d"]}}`),
		"zero bytes":            user(`{"id":"a\u0000b","changes_requested":{"\u0000":"\u0000"}}`),
		"line separators":       user(`{"id":"a\u2028b\u2029"}`),
		"numbers beyond int64":  `{"effective_at":99999999999999999999,"type":"user.updated","user.updated":{"id":123456789012345678901234567890,"changes_requested":{"n":-9223372036854775809,"m":1e400}}}`,
		"addresses that are no": session(`"ip_address":"999.1.1.1","ip_address_details":{"asn":"99999999999","latitude":"1e999","longitude":"NaN","country":"usa","region_code":"é"}`),
		"coordinates of words":  session(`"ip_address_details":{"asn":"-1","latitude":"91","longitude":"0x10","country":"  ","region_code":"A-B"}`),
		"a zone":                session(`"ip_address":"fe80::1%eth0"`),
		"numbers for texts":     session(`"ip_address":1,"ip_address_details":{"asn":64500,"latitude":1.5,"longitude":-0.0}`),
	}
}

// whole fails unless e becomes a document of a data model, of a bounded length, from
// which the entry can be taken back out.
func whole(t testing.TB, v *validator, name string, e *schemas.AuditEvent) {
	t.Helper()
	document := cim.Append(nil, e)
	if !json.Valid(document) || !utf8.Valid(document) {
		t.Fatalf("%s: not JSON: %.1000q", name, document)
	}
	if problems := v.check(document, cim.Tags(e)); problems != nil {
		t.Errorf("%s: %s", name, strings.Join(problems, "; "))
	}
	if got := original(t, document); !bytes.Equal(got, e.Raw) {
		t.Errorf("%s: raw is %.200q, want %.200q", name, got, e.Raw)
	}
	// The original, escaped, and what is repeated: each text of at most 8 KiB a
	// few times, a type three times.
	quoted, err := json.Marshal(string(e.Raw))
	if err != nil {
		t.Fatal(err)
	}
	if most := len(quoted) + 3*min(len(quoted), 40_000) + len(e.EventType) + 4096; len(document) > most {
		t.Errorf("%s: %d bytes of %d, want at most %d", name, len(document), len(e.Raw), most)
	}
	if again := cim.Append(nil, e); !bytes.Equal(document, again) {
		t.Errorf("%s: two documents", name)
	}
}

func TestHostileEntriesAreCIM(t *testing.T) {
	v := newValidator(t)
	normalize := normalizer(t)
	for name, body := range hostile() {
		e := normalize("audit_log-1", time.Unix(1_700_000_000, 0).UTC(), []byte(body))
		whole(t, v, name, &e)
	}
}

func TestWhatIsLongIsLeftOut(t *testing.T) {
	for name, want := range map[string]map[string]string{
		"1 MiB id":           {"object": "", "object_id": "", "user": "", "object_category": "user"},
		"1 MiB in the actor": {"user": "", "user_agent": "", "src": ""},
		"1 MiB name":         {"object_attrs": ""},
	} {
		e := text(t, hostile()[name])
		t.Run(name, func(t *testing.T) { holds(t, cim.Append(nil, &e), want) })
	}
	for name, field := range map[string]string{"10,000 addresses": "src_ip_range", "10,000 certificates": "object_id", "10,000 keys": "object_attrs"} {
		e := text(t, hostile()[name])
		if list, _ := fields(t, cim.Append(nil, &e))[field].(string); len(list) < 8000 || len(list) > 8200 || strings.HasSuffix(list, ",") {
			t.Errorf("%s: %s has %d bytes", name, field, len(list))
		}
	}
}

// filled is a record with s in every text: records that were decoded or redacted
// hold texts that no entry gives.
func filled(s string) schemas.AuditEvent {
	return schemas.AuditEvent{
		EventID: "1" + s, EventType: s, EffectiveAt: time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC), Stream: s, Source: s, OrganizationID: "org-1",
		Action: s, Outcome: "success", Severity: "low", SeverityReason: s,
		Actor: schemas.Actor{Kind: s, ID: s, Email: s, Name: s, APIKeyID: s, ServiceAccountID: s, IP: s, UserAgent: s, JA3: s, JA4: s,
			Geo: &schemas.Geo{Country: s, Region: s, RegionCode: s, City: s, Latitude: s, Longitude: s, ASN: s}},
		Targets: []schemas.Target{{Type: s, ID: s, Name: s}, {Type: "user", ID: s, Name: s}, {Type: "group", ID: s}, {Type: "role", Name: s}},
		Project: &schemas.Project{ID: s, Name: s}, Error: &schemas.EventError{Code: s, Message: s},
		Changes:  map[string]string{s: s, "role": s, "allowed_ips": s, "name": s},
		Problems: []string{s, "", s}, Details: []byte(s), Raw: []byte(s),
	}
}

// texts are what a record may be filled with, beside any type's name.
var texts = []string{"", "x", "\"", "\\", "{", "[", "]", "\x00", "\xff", "null", `"a"`, `["a",{"b":[]}]`, `{"a":"b"}`, "[1,", "é\u2028", "-1", "127.0.0.1", "a@b", strings.Repeat("é", 5000)}

func TestRecordsOfAnyTextsAreCIM(t *testing.T) {
	v := newValidator(t)
	for _, s := range texts {
		e := filled(s)
		whole(t, v, fmt.Sprintf("%.10q", s), &e)
	}
	for i, kind := range schemas.Catalogue().Types() {
		s := texts[i%len(texts)]
		e := filled(s)
		e.EventType = kind.Type
		whole(t, v, fmt.Sprintf("%s of %.10q", kind.Type, s), &e)
	}
}

func FuzzRecord(f *testing.F) {
	types := schemas.Catalogue().Types()
	for i, s := range texts {
		f.Add(s, uint8(i))
	}
	v := newValidator(f)
	f.Fuzz(func(t *testing.T, s string, kind uint8) {
		e := filled(s)
		if int(kind) < len(types) {
			e.EventType = types[kind].Type
		}
		whole(t, v, "fuzzed", &e)
	})
}

func FuzzAppend(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.event.Raw)
	}
	for _, body := range hostile() {
		if len(body) < 4096 {
			f.Add([]byte(body))
		}
	}
	normalize, v := normalizer(f), newValidator(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		e := normalize("audit_log-1", time.Unix(1_700_000_000, 0).UTC(), body)
		whole(t, v, "fuzzed", &e)
	})
}
