package schemas

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// checkNormalized fails unless the normalized form is one line of valid JSON that
// says what e says.
func checkNormalized(t testing.TB, e *AuditEvent) map[string]json.RawMessage {
	t.Helper()
	b := AppendNormalized(nil, e)
	if !json.Valid(b) || !utf8.Valid(b) || bytes.ContainsAny(b, "\n\r") {
		t.Fatalf("not one line of JSON: %q", b)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		t.Fatal(err)
	}
	var raw []byte
	if string(fields["raw_base64"]) == "true" {
		if err := json.Unmarshal(fields["raw"], &raw); err != nil || !bytes.Equal(raw, e.Raw) {
			t.Fatalf("raw comes back as %q, %v", raw, err)
		}
		return fields
	}
	if len(e.Raw) == 0 {
		if string(fields["raw"]) != "null" {
			t.Fatalf("no raw comes back as %s", fields["raw"])
		}
		return fields
	}
	var want bytes.Buffer
	if err := json.Compact(&want, e.Raw); err != nil || want.String() != string(fields["raw"]) {
		t.Fatalf("raw comes back as\n got %s\nwant %s", fields["raw"], want.Bytes())
	}
	return fields
}

func TestNormalizedSaysWhatTheEventSays(t *testing.T) {
	r := newRand(t)
	for range 500 {
		e := randomEvent(r)
		fields := checkNormalized(t, &e)
		var got struct {
			EventID        string    `json:"event_id"`
			EventType      string    `json:"event_type"`
			EffectiveAt    time.Time `json:"effective_at"`
			Stream         string    `json:"stream"`
			Source         string    `json:"source"`
			OrganizationID string    `json:"organization_id"`
			Actor          wireActor `json:"actor"`
			Targets        []Target  `json:"targets"`
			Project        *Project  `json:"project"`
			Error          *EventError
			Changes        map[string]string `json:"changes"`
			KnownType      bool              `json:"known_type"`
			Problems       []string          `json:"problems"`
		}
		if err := json.Unmarshal(AppendNormalized(nil, &e), &got); err != nil {
			t.Fatal(err)
		}
		want := AppendNormalized(nil, &AuditEvent{
			EventID: got.EventID, EventType: got.EventType, EffectiveAt: got.EffectiveAt, Stream: got.Stream, Source: got.Source,
			OrganizationID: got.OrganizationID, Action: e.Action, Outcome: e.Outcome, Severity: e.Severity, SeverityReason: e.SeverityReason,
			Actor: got.Actor.actor(), Targets: got.Targets, Project: got.Project, Error: got.Error,
			Changes: got.Changes, KnownType: got.KnownType, Problems: got.Problems, Details: e.Details, Raw: e.Raw,
		})
		if again := AppendNormalized(nil, &e); !bytes.Equal(again, want) {
			t.Fatalf("read back and written again:\n got %s\nwant %s", want, again)
		}
		for name, want := range map[string]string{"action": e.Action, "outcome": e.Outcome, "severity": e.Severity} {
			var s string
			if err := json.Unmarshal(fields[name], &s); err != nil || s != want {
				t.Fatalf("%s: got %s, want %q", name, fields[name], want)
			}
		}
	}
}

// wireActor has the names of the schema.
type wireActor struct {
	Kind             string `json:"kind"`
	ID               string `json:"id"`
	Email            string `json:"email"`
	Name             string `json:"name"`
	APIKeyID         string `json:"api_key_id"`
	ServiceAccountID string `json:"service_account_id"`
	IP               string `json:"ip"`
	UserAgent        string `json:"user_agent"`
	JA3              string `json:"ja3"`
	JA4              string `json:"ja4"`
	Geo              *struct {
		Country    string `json:"country"`
		Region     string `json:"region"`
		RegionCode string `json:"region_code"`
		City       string `json:"city"`
		Latitude   string `json:"latitude"`
		Longitude  string `json:"longitude"`
		ASN        string `json:"asn"`
	} `json:"geo"`
}

func (w wireActor) actor() Actor {
	a := Actor{w.Kind, w.ID, w.Email, w.Name, w.APIKeyID, w.ServiceAccountID, w.IP, w.UserAgent, w.JA3, w.JA4, nil}
	if w.Geo != nil {
		g := Geo(*w.Geo)
		a.Geo = &g
	}
	return a
}

func TestNormalizedHasEveryFieldInOrder(t *testing.T) {
	const empty = `{"event_id":"","event_type":"","effective_at":"0001-01-01T00:00:00Z","stream":"","source":"",` +
		`"organization_id":null,"action":"","outcome":"","severity":"","severity_reason":null,"actor":{"kind":"","id":null,` +
		`"email":null,"name":null,"api_key_id":null,"service_account_id":null,"ip":null,"user_agent":null,"ja3":null,"ja4":null,` +
		`"geo":null},"targets":[],"project":null,"error":null,"changes":null,"known_type":false,"problems":[],"details":null,` +
		`"raw":{}}`
	if got := string(AppendNormalized(nil, &AuditEvent{Raw: []byte(" {}\n")})); got != empty {
		t.Errorf("empty event:\n got %s\nwant %s", got, empty)
	}
	// The order is that of the schema, at every level.
	full := AuditEvent{
		Actor: Actor{Geo: &Geo{}}, Targets: []Target{{}}, Project: &Project{}, Error: &EventError{}, Raw: []byte("{}"),
	}
	var names []string
	dec := json.NewDecoder(bytes.NewReader(AppendNormalized(nil, &full)))
	for {
		tok, err := dec.Token()
		if err != nil {
			break
		}
		if s, ok := tok.(string); ok && s != "" && s[0] >= 'a' {
			names = append(names, s)
		}
	}
	var want []string
	for _, part := range strings.Split(Codec().CanonicalSchema(), `{"name":"`)[1:] {
		if name, _, _ := strings.Cut(part, `"`); !strings.Contains(name, ".") {
			want = append(want, name)
		}
	}
	if strings.Join(names, " ") != strings.Join(want, " ") {
		t.Errorf("names:\n got %v\nwant %v", names, want)
	}
}

func TestNormalizedSpelling(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	tests := map[string]struct {
		event AuditEvent
		want  string
	}{
		"milliseconds":               {AuditEvent{EffectiveAt: time.UnixMilli(1500).UTC()}, `"effective_at":"1970-01-01T00:00:01.500Z"`},
		"another zone":               {AuditEvent{EffectiveAt: time.Unix(0, 0).In(time.FixedZone("", 3600))}, `"effective_at":"1970-01-01T00:00:00Z"`},
		"numbers as served":          {AuditEvent{Raw: []byte(`{"n": 1.0e3, "big": 123456789012345678901234567890}`)}, `"raw":{"n":1.0e3,"big":123456789012345678901234567890}}`},
		"keys twice":                 {AuditEvent{Raw: []byte(`{"a":1,"a":2}`)}, `"raw":{"a":1,"a":2}}`},
		"space in strings stays":     {AuditEvent{Raw: []byte("{\"a b\" :\t\"\\\" , \" }")}, `"raw":{"a b":"\" , "}}`},
		"raw is not UTF-8":           {AuditEvent{Raw: []byte("{\"a\":\"\xff\"}")}, `"raw":"` + base64.StdEncoding.EncodeToString([]byte("{\"a\":\"\xff\"}")) + `","raw_base64":true}`},
		"raw is not JSON":            {AuditEvent{Raw: []byte("{")}, `"raw":"ew==","raw_base64":true}`},
		"no raw":                     {AuditEvent{}, `"raw":null}`},
		"raw is deep":                {AuditEvent{Raw: []byte(deep(1000))}, deep(1000)},
		"raw is too deep":            {AuditEvent{Raw: []byte(deep(10000))}, `"raw_base64":true}`},
		"details are text":           {AuditEvent{Details: []byte(`{"a`)}, `"details":"{\"a",`},
		"flat fields are not UTF-8":  {AuditEvent{EventID: "a\xffb"}, `"event_id":"a�b"`},
		"changes are JSON text":      {AuditEvent{Changes: map[string]string{"b": `"x"`, "a": `[1]`}}, `"changes":{"a":"[1]","b":"\"x\""},`},
		"control characters":         {AuditEvent{EventID: "\x00\n\x1f"}, `"event_id":"\u0000\n\u001f"`},
		"an error without a message": {AuditEvent{Error: &EventError{Code: "c"}}, `"error":{"code":"c","message":null}`},
	}
	for name, test := range tests {
		got := string(AppendNormalized(nil, &test.event))
		if !json.Valid([]byte(got)) || !strings.Contains(got, test.want) {
			t.Errorf("%s:\n got %.2000s\nwant %.200s", name, got, test.want)
		}
	}
}
