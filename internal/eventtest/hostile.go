package eventtest

import (
	"fmt"
	"strings"
)

// Hostile returns entries that break the documentation, JSON or good manners.
func Hostile() map[string]string {
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
