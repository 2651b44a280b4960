package schemas

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
)

// native is e as goavro takes and returns it.
func native(e *AuditEvent) map[string]any {
	opt := func(s string) any {
		if s == "" {
			return nil
		}
		return goavro.Union("string", s)
	}
	actor := map[string]any{
		"kind": e.Actor.Kind, "id": opt(e.Actor.ID), "email": opt(e.Actor.Email), "name": opt(e.Actor.Name),
		"api_key_id": opt(e.Actor.APIKeyID), "service_account_id": opt(e.Actor.ServiceAccountID), "ip": opt(e.Actor.IP),
		"user_agent": opt(e.Actor.UserAgent), "ja3": opt(e.Actor.JA3), "ja4": opt(e.Actor.JA4), "geo": nil,
	}
	if g := e.Actor.Geo; g != nil {
		actor["geo"] = goavro.Union("auditlog.v1.Geo", map[string]any{
			"country": opt(g.Country), "region": opt(g.Region), "region_code": opt(g.RegionCode), "city": opt(g.City),
			"latitude": opt(g.Latitude), "longitude": opt(g.Longitude), "asn": opt(g.ASN),
		})
	}
	n := map[string]any{
		"event_id": e.EventID, "event_type": e.EventType, "effective_at": e.EffectiveAt, "stream": e.Stream,
		"source": e.Source, "organization_id": opt(e.OrganizationID), "action": e.Action, "outcome": e.Outcome,
		"severity": e.Severity, "severity_reason": opt(e.SeverityReason), "actor": actor, "project": nil, "error": nil,
		"changes": nil, "known_type": e.KnownType, "details": nil, "raw": e.Raw,
	}
	targets := []any{}
	for _, t := range e.Targets {
		targets = append(targets, map[string]any{"type": t.Type, "id": opt(t.ID), "name": opt(t.Name)})
	}
	n["targets"] = targets
	problems := []any{}
	for _, p := range e.Problems {
		problems = append(problems, p)
	}
	n["problems"] = problems
	if p := e.Project; p != nil {
		n["project"] = goavro.Union("auditlog.v1.Project", map[string]any{"id": p.ID, "name": opt(p.Name)})
	}
	if f := e.Error; f != nil {
		n["error"] = goavro.Union("auditlog.v1.EventError", map[string]any{"code": opt(f.Code), "message": opt(f.Message)})
	}
	if len(e.Changes) > 0 {
		m := map[string]any{}
		for k, v := range e.Changes {
			m[k] = v
		}
		n["changes"] = goavro.Union("map", m)
	}
	if len(e.Details) > 0 {
		n["details"] = goavro.Union("string", string(e.Details))
	}
	return n
}

func TestEncodeIsGoavrosEncoding(t *testing.T) {
	r := newRand(t)
	for range 1000 {
		e := randomEvent(r)
		got := Encode(nil, &e)
		back, rest, err := Codec().NativeFromBinary(got)
		if err != nil || len(rest) > 0 {
			t.Fatalf("goavro cannot read %+v: %v, %d bytes left", e, err, len(rest))
		}
		if want := native(&e); !reflect.DeepEqual(back, any(want)) {
			t.Fatalf("goavro reads\n got %v\nwant %v", back, want)
		}
		if len(e.Changes) > 1 {
			continue // goavro writes maps in any order
		}
		want, err := Codec().BinaryFromNative(nil, native(&e))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("bytes differ for %+v:\n got %x\nwant %x", e, got, want)
		}
	}
}

func TestDecodeIsGoavrosDecoding(t *testing.T) {
	r := newRand(t)
	for range 1000 {
		e := randomEvent(r)
		b, err := Codec().BinaryFromNative(nil, native(&e))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(b)
		if err != nil {
			t.Fatalf("%v\n%+v", err, e)
		}
		if !reflect.DeepEqual(got, e) {
			t.Fatalf("decoded:\n got %+v\nwant %+v", got, e)
		}
	}
}

func TestEncodeIsStable(t *testing.T) {
	r := newRand(t)
	for range 200 {
		e := randomEvent(r)
		first := Encode(nil, &e)
		again := e
		again.Changes = map[string]string{}
		for k, v := range e.Changes {
			again.Changes[k] = v
		}
		if !bytes.Equal(first, Encode(nil, &again)) {
			t.Fatalf("two encodings of %+v", e)
		}
	}
	prefix := []byte("before")
	e := randomEvent(r)
	if got := Encode(prefix, &e); !bytes.Equal(got, append([]byte("before"), Encode(nil, &e)...)) {
		t.Error("Encode does not append")
	}
}

// The memory is allocated once, and little of it in vain.
func TestSizeBound(t *testing.T) {
	r := newRand(t)
	for range 1000 {
		e := randomEvent(r)
		size := len(Encode(nil, &e))
		if bound := sizeBound(&e); bound < size || bound > size+150+20*len(e.Changes) {
			t.Fatalf("size bound %d of %d bytes: %+v", bound, size, e)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	event := AuditEvent{
		EventID: "id", EffectiveAt: time.Unix(1, 0).UTC(), Targets: []Target{{Type: "t"}},
		Changes: map[string]string{"a": "1", "b": "2"}, Details: []byte("{}"), Raw: []byte("raw"),
	}
	good := Encode(nil, &event)
	if _, err := Decode(good); err != nil {
		t.Fatal(err)
	}
	for n := range good {
		if _, err := Decode(good[:n]); err == nil {
			t.Errorf("cut after %d bytes: no error", n)
		}
	}
	replace := func(old, new string) []byte {
		if bytes.Count(good, []byte(old)) != 1 {
			t.Fatalf("%q is not there once", old)
		}
		return bytes.Replace(good, []byte(old), []byte(new), 1)
	}
	huge := string(binary.AppendVarint(nil, math.MaxInt64))
	least := string(binary.AppendVarint(nil, math.MinInt64))
	tests := map[string]struct {
		b    []byte
		want string
	}{
		"bytes after the record":     {append(bytes.Clone(good), 0), "after the record"},
		"a length beyond the end":    {replace("\x04id", huge+"id"), "event_id: offset"},
		"a negative length":          {replace("\x04id", "\x03id"), "event_id"},
		"a length over 64 bits":      {replace("\x04id", strings.Repeat("\xff", 11)), "64 bits"},
		"more items than bytes":      {replace("\x02\x02t", huge+"\x02t"), "targets"},
		"the least number of items":  {replace("\x02\x02t", least+"\x00\x02t"), "targets"},
		"a third branch":             {replace("\x02\x04\x02a", "\x04\x04\x02a"), "branch 2"},
		"a key twice":                {replace("\x02b", "\x02a"), "twice"},
		"a boolean of two":           {replace("\x00\x00\x00\x02\x04{}", "\x00\x02\x00\x02\x04{}"), "boolean"},
		"a time past the year 9999":  {replace("\xd0\x0f", huge), "years 1 to 9999"},
		"a time before the year one": {replace("\xd0\x0f", least), "years 1 to 9999"},
	}
	for name, test := range tests {
		_, err := Decode(test.b)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

func TestDecodeReadsBlocksWithSizes(t *testing.T) {
	event := AuditEvent{Targets: []Target{{Type: "t"}, {Type: "u"}}}
	one := Encode(nil, &event)
	items := "\x02t\x00\x00\x02u\x00\x00"
	sized := bytes.Replace(one, []byte("\x04"+items), []byte("\x03\x10"+items), 1)
	split := bytes.Replace(one, []byte("\x04"+items), []byte("\x02"+items[:4]+"\x02"+items[4:]), 1)
	for name, b := range map[string][]byte{"sized": sized, "split": split} {
		got, err := Decode(b)
		if err != nil || !reflect.DeepEqual(got.Targets, event.Targets) {
			t.Errorf("%s: %+v, %v", name, got.Targets, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2)) // the same in every worker
	for range 20 {
		e := randomEvent(r)
		f.Add(Encode(nil, &e))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := Decode(b)
		if err != nil {
			return
		}
		if _, _, err := Codec().NativeFromBinary(b); err != nil {
			t.Fatalf("goavro refuses what Decode reads: %v", err)
		}
		again, err := Decode(Encode(nil, &e))
		if err != nil {
			t.Fatalf("encoding of a decoded event: %v", err)
		}
		if len(e.Changes) == 0 {
			e.Changes = nil
		}
		if len(e.Details) == 0 {
			e.Details = nil
		}
		if !reflect.DeepEqual(again, e) {
			t.Fatalf("round trip:\n got %+v\nwant %+v", again, e)
		}
		checkNormalized(t, &e)
	})
}
