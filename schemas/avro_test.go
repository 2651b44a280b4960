package schemas

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/linkedin/goavro/v2"
)

// The Parsing Canonical Form drops logical types and writes {"type":"long"} as
// "long". goavro does only the first, so its fingerprint of our schema is not the
// one that other readers compute; of a schema that has plain "long" it is.
func TestFingerprintIsThatOfTheParsingCanonicalForm(t *testing.T) {
	const logical = `{"type": "long", "logicalType": "timestamp-millis"}`
	if strings.Count(schema, logical) != 1 || strings.Count(schema, "logicalType") != 1 {
		t.Fatalf("the schema has other logical types than one timestamp-millis")
	}
	plain, err := goavro.NewCodec(strings.Replace(schema, logical, `"long"`, 1))
	if err != nil {
		t.Fatal(err)
	}
	canonical := plain.CanonicalSchema()
	if strings.ContainsAny(canonical, " \n") || strings.Contains(canonical, "doc") || strings.Contains(canonical, "default") {
		t.Errorf("canonical form %s", canonical)
	}
	if got := rabin([]byte(canonical)); got != plain.Rabin || got != Fingerprint() {
		t.Errorf("fingerprint: got %#x, goavro of the plain schema %#x, pinned %#x", got, plain.Rabin, Fingerprint())
	}
}

// rabin is CRC-64-AVRO, from the Avro specification.
func rabin(b []byte) uint64 {
	const empty = 0xc15d213aa4d7a795
	fp := uint64(empty)
	for _, c := range b {
		fp ^= uint64(c)
		for range 8 {
			fp = fp>>1 ^ empty&-(fp&1)
		}
	}
	return fp
}

func TestRabinOfTheSpecificationsExamples(t *testing.T) {
	for text, want := range map[string]uint64{`"null"`: 0x63dd24e7cc258f8a, `"int"`: 0x7275d51a3f395c8f} {
		if got := rabin([]byte(text)); got != want {
			t.Errorf("%s: got %#x, want %#x", text, got, want)
		}
	}
}

func TestSchemaIsEvolvable(t *testing.T) {
	type field struct {
		Name    string          `json:"name"`
		Type    json.RawMessage `json:"type"`
		Default json.RawMessage `json:"default"`
	}
	var record struct {
		Name, Namespace string
		Fields          []field
	}
	if err := json.Unmarshal([]byte(Schema()), &record); err != nil {
		t.Fatal(err)
	}
	if record.Namespace != "auditlog.v1" || record.Name != "AuditEvent" {
		t.Errorf("record is %s.%s", record.Namespace, record.Name)
	}
	var names []string
	for _, f := range record.Fields {
		names = append(names, f.Name)
		if bytes.HasPrefix(f.Type, []byte(`["null"`)) && string(f.Default) != "null" {
			t.Errorf("field %s is nullable without default null", f.Name)
		}
	}
	const want = "event_id event_type effective_at stream source organization_id action outcome severity severity_reason " +
		"actor targets project error changes known_type problems details raw"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("fields:\n got %s\nwant %s", got, want)
	}
}

func TestSingleObject(t *testing.T) {
	avro := Encode(nil, &AuditEvent{EventID: "a"})
	single := AppendSingle(nil, avro)
	if !bytes.Equal(single[:2], []byte{0xC3, 0x01}) || len(single) != len(avro)+10 {
		t.Errorf("header % x", single[:10])
	}
	got, err := CutSingle(single)
	if err != nil || !bytes.Equal(got, avro) {
		t.Errorf("cut: % x, %v", got, err)
	}
	other := bytes.Clone(single)
	other[5]++
	for name, b := range map[string][]byte{"no header": avro, "another schema": other, "short": single[:9], "empty": nil} {
		if _, err := CutSingle(b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
