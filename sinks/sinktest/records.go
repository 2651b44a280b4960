package sinktest

import (
	"encoding/json"
	"fmt"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
)

var epochStart = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

// Record returns a record of source with every kind of field set, for tests. The
// same arguments give the same record.
func Record(source, id string, at time.Time) pipeline.Record {
	at = at.UTC().Truncate(time.Second)
	quoted, _ := json.Marshal(id)
	details := `{"id":"key_1","data":{"scopes":["api.model.read","api.model.request"]}}`
	body := fmt.Sprintf(`{"object":"organization.audit_log","id":%s,"type":"api_key.created","effective_at":%d,`+
		`"project":{"id":"proj_1","name":"Forschung & Größe"},`+
		`"actor":{"type":"session","session":{"user":{"id":"user-1","email":"ana@example.com"},"ip_address":"203.0.113.24"}},`+
		`"api_key.created":%s}`, quoted, at.Unix(), details)
	return Encoded(pipeline.Event{
		Raw: pipeline.Raw{Position: pipeline.Position{Time: at, ID: id}, Stream: "organization", Body: []byte(body)},
		Audit: schemas.AuditEvent{
			EventID: id, EventType: "api_key.created", EffectiveAt: at, Stream: "organization", Source: source,
			OrganizationID: "org-1", Action: "create", Outcome: "success", Severity: "medium", SeverityReason: "a credential",
			Actor: schemas.Actor{Kind: "user", ID: "user-1", Email: "ana@example.com", IP: "203.0.113.24",
				Geo: &schemas.Geo{Country: "US", Latitude: "45.52345"}},
			Targets:   []schemas.Target{{Type: "api_key", ID: "key_1"}, {Type: "project", ID: "proj_1", Name: "Forschung & Größe"}},
			Project:   &schemas.Project{ID: "proj_1", Name: "Forschung & Größe"},
			Changes:   map[string]string{"scopes": `["api.model.read"]`, "name": `"x"`},
			KnownType: true,
			Problems:  []string{"actor.session.user: no name"},
			Details:   []byte(details),
			Raw:       []byte(body),
		},
	})
}

// Encoded makes an event a record.
func Encoded(e pipeline.Event) pipeline.Record {
	return pipeline.Record{Event: e, Avro: schemas.Encode(nil, &e.Audit)}
}

// Batch returns the batch of records, without a place.
func Batch(id pipeline.BatchID, records []pipeline.Record) pipeline.Batch {
	m := pipeline.Manifest{ID: id, Watermarks: map[string]time.Time{}, Floors: map[string]time.Time{"organization": pipeline.Earliest}}
	for _, r := range records {
		m.Members = append(m.Members, r.Position)
		if r.Time.After(m.Watermarks[r.Stream]) {
			m.Watermarks[r.Stream] = r.Time
		}
	}
	return pipeline.Batch{Manifest: m, Records: records}
}

// hostile returns records whose content breaks what is careless about it.
func hostile(source string) []pipeline.Record {
	ids := []string{
		source + ` "quoted" \back\slash`, source + " '; DROP TABLE audit_events; --", source + " a/b?c=d&e#f%20",
		source + " nul\x00inside", source + " line\nbreak\ttab\u2028separator\u2029", source + " \U0001F511 clé Größe",
	}
	var records []pipeline.Record
	for i, id := range ids {
		records = append(records, Record(source, id, epochStart.Add(time.Duration(i)*time.Second)))
	}
	add := func(name string, change func(e *pipeline.Event)) {
		r := Record(source, source+" "+name, epochStart.Add(time.Hour))
		change(&r.Event)
		r.Body = r.Audit.Raw
		records = append(records, Encoded(r.Event))
	}
	add("empty strings", func(e *pipeline.Event) {
		a := schemas.AuditEvent{EventID: e.ID, EffectiveAt: e.Time, Source: source, Actor: schemas.Actor{Geo: &schemas.Geo{}},
			Targets: []schemas.Target{{}}, Project: &schemas.Project{}, Error: &schemas.EventError{}, Changes: map[string]string{"": "null"}}
		a.Raw = fmt.Appendf(nil, `{"id":%q,"type":""}`, e.ID)
		e.Audit = a
	})
	add("one mebibyte", func(e *pipeline.Event) {
		big := make([]byte, 1<<20)
		for i := range big {
			big[i] = 'a' + byte(i%26)
		}
		e.Audit.Actor.Name = string(big)
		e.Audit.Raw = fmt.Appendf(nil, `{"id":%q,"big":"%s"}`, e.ID, big)
	})
	add("invalid utf-8", func(e *pipeline.Event) {
		e.Audit.Raw = fmt.Appendf(nil, "{\"id\":%q,\"bad\":\"\xff\xfe\xc3\x28\"}", e.ID)
		e.Audit.Actor.UserAgent = "agent \xff\xfe"
		e.Audit.Details = []byte("{\"bad\":\"\xc3\x28\"}")
	})
	add("nul and separators", func(e *pipeline.Event) {
		e.Audit.Actor.Name = "a\x00b\u2028c\u2029d\r\ne"
		e.Audit.Raw = fmt.Appendf(nil, `{ "id" : %q,`+"\r\n\t"+`"n":1.00e2, "s":"\u0000\u2028`+"\u2028"+`"}`, e.ID)
		e.Audit.Details = []byte("{ \"s\" : \"\u2028\" }")
	})
	add("not an object", func(e *pipeline.Event) {
		e.Audit.Raw = []byte(" [1,\n2] ")
		e.Audit.Details = nil
	})
	add("not json", func(e *pipeline.Event) {
		e.Audit.Raw = []byte("\x7b\x00garbage\n")
		e.Audit.Details = nil
	})
	return records
}
