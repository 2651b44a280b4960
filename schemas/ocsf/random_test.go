package ocsf_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"auditlog-connector/schemas"
	"auditlog-connector/schemas/ocsf"
)

// Records that no normalizer makes become valid documents too: parts may have been
// dropped or hashed, and nobody promises that strings are UTF-8.
func TestAnyRecordBecomesAValidDocument(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	types := schemas.Catalogue().Types()
	for made := 0; made < 2000 && !t.Failed(); made++ {
		e := randomRecord(r, types[r.IntN(len(types))].Type)
		line := ocsf.Append(nil, e)
		for _, p := range validate(t, parseLine(t, line)) {
			t.Errorf("%s\n%.2000q", p, fmt.Sprintf("%+v", e))
		}
		if again := ocsf.Append(nil, e); !bytes.Equal(again, line) {
			t.Errorf("another time:\n%.2000q\n%.2000q", line, again)
		}
	}
}

func randomRecord(r *rand.Rand, eventType string) *schemas.AuditEvent {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	text := func() string {
		return pick("", "", "x", "\xff", "a\"b\\c\n\u2028", "user@example.com", "10.0.0.1", "1", "-91.5", "é", "user-1", "owner", "AS64500", "\x00")
	}
	e := &schemas.AuditEvent{
		EventID: text(), EventType: pick(eventType, eventType, eventType, text(), "x.y.z.created"), EffectiveAt: time.Unix(r.Int64N(253_402_300_800), 0).UTC(),
		Stream: text(), Source: text(), OrganizationID: text(), Action: text(), Outcome: pick("success", "failure", "unknown", text()),
		Severity: pick("info", "low", "medium", "high", text()), SeverityReason: text(), KnownType: r.IntN(2) == 0,
		Actor: schemas.Actor{Kind: pick("user", "service_account", "api_key", "none", "unknown", text()), ID: text(), Email: text(), Name: text(), APIKeyID: text(),
			ServiceAccountID: text(), IP: text(), UserAgent: text(), JA3: text(), JA4: text()},
		Raw: []byte(text()),
	}
	if r.IntN(2) == 0 {
		e.Actor.Geo = &schemas.Geo{Country: text(), Region: text(), RegionCode: text(), City: text(), Latitude: text(), Longitude: text(), ASN: text()}
	}
	if r.IntN(2) == 0 {
		e.Project = &schemas.Project{ID: text(), Name: text()}
	}
	if r.IntN(2) == 0 {
		e.Error = &schemas.EventError{Code: text(), Message: text()}
	}
	for range r.IntN(5) {
		kind := pick("user", "service_account", "group", "role", "project", text(), schemas.Catalogue().Lookup(eventType).ObjectType)
		e.Targets = append(e.Targets, schemas.Target{Type: kind, ID: text(), Name: text()})
	}
	if n := r.IntN(4); n > 0 {
		e.Changes = make(map[string]string)
		for range n {
			e.Changes[pick("role", "scopes", "permissions", "allowed_ips", "email", text())] =
				pick(`"owner"`, `""`, `["a","",null,{"b":1}]`, `["10.0.0.1","::/0"]`, `"a@b.c"`, "{ \"a\" : 1 }", "17", text(), `"`)
		}
	}
	for range r.IntN(3) {
		e.Problems = append(e.Problems, "p"+text())
	}
	e.Details = []byte(pick("", "{}", `{"id":"x","principal_type":"group"}`, `{"changes_requested":{"role":"owner"},"x":"user-1"}`, "[1]", `{"a":1,"a":2,"":null}`, text()))
	return e
}
