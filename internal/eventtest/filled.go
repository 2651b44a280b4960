package eventtest

import (
	"strings"
	"time"

	"auditlog-connector/schemas"
)

// FilledTexts is how many texts a [Filled] record has, at least.
const FilledTexts = 44

// Filled is a record with s in every text: records that were decoded or redacted
// hold texts that no entry gives.
func Filled(s string) schemas.AuditEvent {
	return schemas.AuditEvent{
		EventID: "1" + s, EventType: s, EffectiveAt: time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC), Stream: s, Source: s, OrganizationID: s,
		Action: s, Outcome: "success", Severity: "low", SeverityReason: s,
		Actor: schemas.Actor{Kind: s, ID: s, Email: s, Name: s, APIKeyID: s, ServiceAccountID: s, IP: s, UserAgent: s, JA3: s, JA4: s,
			Geo: &schemas.Geo{Country: s, Region: s, RegionCode: s, City: s, Latitude: s, Longitude: s, ASN: s}},
		Targets: []schemas.Target{{Type: s, ID: s, Name: s}, {Type: "user", ID: s, Name: s}, {Type: "group", ID: s}, {Type: "role", Name: s}},
		Project: &schemas.Project{ID: s, Name: s}, Error: &schemas.EventError{Code: s, Message: s},
		Changes:  map[string]string{s: s, "role": s, "allowed_ips": s, "name": s},
		Problems: []string{s, "", s}, Details: []byte(s), Raw: []byte(s),
	}
}

// Texts returns what a record may be filled with, beside any type's name.
func Texts() []string {
	return []string{"", "x", "\"", "\\", "{", "[", "]", "\x00", "\xff", "null", `"a"`, `["a",{"b":[]}]`, `{"a":"b"}`, "[1,", "é\u2028", "-1", "127.0.0.1", "a@b", strings.Repeat("é", 5000), strings.Repeat("\xff0", 300)}
}
