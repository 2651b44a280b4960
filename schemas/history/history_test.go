package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"

	"auditlog-connector/schemas"
)

func TestTheLastVersionIsTheSchema(t *testing.T) {
	if got, want := undocumented(t, Current().Schema), undocumented(t, schemas.Schema()); got != want {
		t.Errorf("the last version is not the schema; was a field added without a version?\n%s\n%s", got, want)
	}
	if got := Current().Fingerprint; got != schemas.Fingerprint() {
		t.Errorf("fingerprint %#x, the schema's %#x", got, schemas.Fingerprint())
	}
	entries, err := files.ReadDir(".")
	if err != nil || len(entries) != len(Versions()) {
		t.Errorf("%d files, %d versions, %v", len(entries), len(Versions()), err)
	}
}

// The fingerprints are published: in the headers of single objects, and in
// registries.
func TestFingerprintsDoNotChange(t *testing.T) {
	for i, want := range []uint64{0xa77060ae86eaace1} {
		v := Versions()[i]
		if v.Fingerprint != want || v.Number != i+1 {
			t.Errorf("version %d has fingerprint %#x, want %#x", v.Number, v.Fingerprint, want)
		}
		if got := rabin(canonical(t, v.Schema)); got != want {
			t.Errorf("version %d: computed %#x, want %#x", v.Number, got, want)
		}
	}
}

// canonical is the Parsing Canonical Form: goavro's, but for the object that it
// keeps around a logical type.
func canonical(t *testing.T, schema string) string {
	t.Helper()
	const logical = `{"type": "long", "logicalType": "timestamp-millis"}`
	codec, err := goavro.NewCodec(strings.ReplaceAll(schema, logical, `"long"`))
	if err != nil {
		t.Fatal(err)
	}
	return codec.CanonicalSchema()
}

// rabin is CRC-64-AVRO, from the Avro specification.
func rabin(text string) uint64 {
	const empty = 0xc15d213aa4d7a795
	fp := uint64(empty)
	for _, c := range []byte(text) {
		fp ^= uint64(c)
		for range 8 {
			fp = fp>>1 ^ empty&-(fp&1)
		}
	}
	return fp
}

// undocumented returns a schema without its documentation and white space.
func undocumented(t *testing.T, schema string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(schema), &v); err != nil {
		t.Fatal(err)
	}
	var strip func(v any)
	strip = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			delete(v, "doc")
			for _, e := range v {
				strip(e)
			}
		case []any:
			for _, e := range v {
				strip(e)
			}
		}
	}
	strip(v)
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// later is a version that has not been: a field more at the top, in a record within,
// and in the records of a list.
func later(t *testing.T) *goavro.Codec {
	t.Helper()
	text := schemas.Schema()
	for _, add := range []struct{ after, field string }{
		{`{"name": "raw", "type": "bytes", "doc": "The entry as served, byte for byte."}`,
			`{"name": "labels", "type": {"type": "array", "items": "string"}, "default": []}, {"name": "note", "type": ["null", "string"], "default": null}`},
		{`{"name": "asn", "type": ["null", "string"], "default": null}`, `{"name": "isp", "type": ["null", "string"], "default": null}`},
	} {
		if strings.Count(text, add.after) != 1 {
			t.Fatalf("the schema has no single %s", add.after)
		}
		text = strings.Replace(text, add.after, add.after+", "+add.field, 1)
	}
	targets := strings.Index(text, `"name": "Target"`)
	end := targets + strings.Index(text[targets:], "]}}}")
	text = text[:end] + `, {"name": "scope", "type": "string", "default": "none"}` + text[end:]
	codec, err := goavro.NewCodec(text)
	if err != nil {
		t.Fatal(err)
	}
	return codec
}

// A program that has the schema of today reads what a later one writes, and the
// other way round.
func TestAddedFieldsAreReadBothWays(t *testing.T) {
	next := later(t)
	random := newRandom(t)
	for range 500 {
		e := random.event()
		native, _, err := schemas.Codec().NativeFromBinary(schemas.Encode(nil, &e))
		if err != nil {
			t.Fatal(err)
		}
		// Today's record, read by the later program: the defaults.
		avro, err := next.BinaryFromNative(nil, native)
		if err != nil {
			t.Fatalf("a later program cannot read today's record: %v", err)
		}
		read, _, err := next.NativeFromBinary(avro)
		if err != nil {
			t.Fatal(err)
		}
		record := read.(map[string]any)
		if len(record["labels"].([]any)) != 0 || record["note"] != nil {
			t.Fatalf("added fields are %v and %v", record["labels"], record["note"])
		}
		for _, target := range record["targets"].([]any) {
			if target.(map[string]any)["scope"] != "none" {
				t.Fatalf("an added field in a list is %v", target)
			}
		}
		// The later program's record, with values in the added fields, read today.
		record["labels"], record["note"] = []any{"a", "b"}, goavro.Union("string", "n")
		for _, target := range record["targets"].([]any) {
			target.(map[string]any)["scope"] = "some"
		}
		if avro, err = next.BinaryFromNative(nil, record); err != nil {
			t.Fatal(err)
		}
		if read, _, err = next.NativeFromBinary(avro); err != nil {
			t.Fatal(err)
		}
		back, err := FromNative(read)
		if err != nil {
			t.Fatalf("today's program cannot read a later record: %v", err)
		}
		if !reflect.DeepEqual(back, e) {
			t.Fatalf("read back\n%+v, want\n%+v", back, e)
		}
	}
}

// The current program reads every version that was.
func TestEveryVersionIsRead(t *testing.T) {
	random := newRandom(t)
	for range 200 {
		e := random.event()
		native, _, err := schemas.Codec().NativeFromBinary(schemas.Encode(nil, &e))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range Versions() {
			avro, err := v.Codec().BinaryFromNative(nil, native)
			if err != nil {
				t.Fatalf("version %d: %v", v.Number, err)
			}
			back, err := Decode(avro, v.Fingerprint)
			if err != nil || back.EventID != e.EventID || !bytes.Equal(back.Raw, e.Raw) {
				t.Fatalf("version %d: %+v, %v", v.Number, back, err)
			}
			if v.Number == Current().Number && !reflect.DeepEqual(back, e) {
				t.Fatalf("version %d: read back\n%+v, want\n%+v", v.Number, back, e)
			}
			read, _, err := v.Codec().NativeFromBinary(avro)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := FromNative(read); err != nil || !reflect.DeepEqual(again, back) {
				t.Fatalf("version %d through goavro: %+v, %v", v.Number, again, err)
			}
		}
	}
}

// A version from before some fields were there, as if they had been added since.
func TestARecordOfAnOlderVersionHasTheDefaults(t *testing.T) {
	text := schemas.Schema()
	for _, name := range []string{"organization_id", "problems", "ja4"} {
		from := strings.Index(text, `{"name": "`+name+`"`)
		to := from + strings.Index(text[from:], "\n")
		if from < 0 || text[to-1] != ',' {
			t.Fatalf("no field %s with one after it", name)
		}
		text = text[:from] + text[to:]
	}
	codec, err := goavro.NewCodec(text)
	if err != nil {
		t.Fatal(err)
	}
	older := Version{Number: 0, Schema: text, codec: func() *goavro.Codec { return codec }}
	random := newRandom(t)
	for range 100 {
		e := random.event()
		native, _, err := schemas.Codec().NativeFromBinary(schemas.Encode(nil, &e))
		if err != nil {
			t.Fatal(err)
		}
		avro, err := codec.BinaryFromNative(nil, native)
		if err != nil {
			t.Fatal(err)
		}
		e.OrganizationID, e.Problems, e.Actor.JA4 = "", nil, ""
		if back, err := older.decode(avro); err != nil || !reflect.DeepEqual(back, e) {
			t.Fatalf("read back\n%+v, %v, want\n%+v", back, err, e)
		}
		if _, err := older.decode(append(avro, 0)); err == nil {
			t.Fatal("a byte more, and no error")
		}
		if _, err := older.decode(avro[:len(avro)-1]); err == nil {
			t.Fatal("a byte less, and no error")
		}
	}
}

func TestSingleObjects(t *testing.T) {
	random := newRandom(t)
	e := random.event()
	single := schemas.AppendSingle(nil, schemas.Encode(nil, &e))
	if back, err := DecodeSingle(single); err != nil || !reflect.DeepEqual(back, e) {
		t.Errorf("read back %+v, %v", back, err)
	}
	foreign := bytes.Clone(single)
	foreign[4]++
	for name, b := range map[string][]byte{
		"no header": schemas.Encode(nil, &e), "empty": nil, "header only": single[:9], "cut": single[:len(single)-1],
		"another schema": foreign, "more": append(bytes.Clone(single), 0),
	} {
		if _, err := DecodeSingle(b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := FromNative(map[string]any{"event_id": 5}); err == nil {
		t.Error("a record of nothing")
	}
}

// Container files have the writer's schema: any Avro reader reads them, and so does
// this one, without knowing the version.
func TestContainerFiles(t *testing.T) {
	random := newRandom(t)
	var events []schemas.AuditEvent
	var natives []any
	for range 50 {
		e := random.event()
		native, _, err := schemas.Codec().NativeFromBinary(schemas.Encode(nil, &e))
		if err != nil {
			t.Fatal(err)
		}
		events, natives = append(events, e), append(natives, native)
	}
	for _, compression := range []string{goavro.CompressionNullLabel, goavro.CompressionDeflateLabel, goavro.CompressionSnappyLabel} {
		var file bytes.Buffer
		w, err := goavro.NewOCFWriter(goavro.OCFConfig{W: &file, Schema: schemas.Schema(), CompressionName: compression})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(natives); err != nil {
			t.Fatal(err)
		}
		r, err := goavro.NewOCFReader(&file)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for r.Scan() {
			native, err := r.Read()
			if err != nil {
				t.Fatal(err)
			}
			back, err := FromNative(native)
			if err != nil || !reflect.DeepEqual(back, events[n]) {
				t.Fatalf("%s: event %d: %+v, %v", compression, n, back, err)
			}
			n++
		}
		if r.Err() != nil || n != len(events) {
			t.Errorf("%s: %d events, %v", compression, n, r.Err())
		}
	}
}

// An archive keeps the schema of its time, documentation and all.
func TestAVersionIsFoundWhateverItsDocumentation(t *testing.T) {
	for name, test := range map[string]struct {
		schema string
		known  bool
	}{
		"as released":           {Current().Schema, true},
		"as it is":              {schemas.Schema(), true},
		"without documentation": {undocumented(t, schemas.Schema()), true},
		"other documentation":   {strings.Replace(schemas.Schema(), "As served.", "What happened.", 1), true},
		"a later one":           {later(t).Schema(), false},
		"another name":          {strings.Replace(schemas.Schema(), "region_code", "region_number", 1), false},
		"not a time":            {strings.Replace(schemas.Schema(), `{"type": "long", "logicalType": "timestamp-millis"}`, `"long"`, 1), false},
		"not a schema":          {"{", false},
	} {
		v, ok := Find(test.schema)
		if ok != test.known || ok && v.Number != Current().Number {
			t.Errorf("%s: version %d, %v", name, v.Number, ok)
		}
	}
}

type random struct{ *rand.Rand }

func newRandom(t *testing.T) random {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return random{rand.New(rand.NewPCG(seed, 0))}
}

func (r random) text() string {
	return []string{"", "a", "é🔎", strings.Repeat("x", r.IntN(300)), fmt.Sprint(r.Uint64())}[r.IntN(5)]
}

// event returns an event in which anything optional may be missing.
func (r random) event() schemas.AuditEvent {
	e := schemas.AuditEvent{
		EventID: r.text(), EventType: r.text(), EffectiveAt: time.UnixMilli(r.Int64N(4e12)).UTC(), Stream: r.text(), Source: r.text(),
		OrganizationID: r.text(), Action: r.text(), Outcome: r.text(), Severity: r.text(), SeverityReason: r.text(),
		Actor:     schemas.Actor{Kind: r.text(), ID: r.text(), Email: r.text(), IP: r.text(), JA4: r.text()},
		KnownType: r.IntN(2) == 0, Raw: []byte{0xff, byte(r.IntN(256))},
	}
	for range r.IntN(3) {
		e.Targets = append(e.Targets, schemas.Target{Type: r.text(), ID: r.text(), Name: r.text()})
		e.Problems = append(e.Problems, r.text())
	}
	if r.IntN(2) == 0 {
		e.Actor.Geo = &schemas.Geo{Country: r.text(), ASN: r.text()}
		e.Project = &schemas.Project{ID: r.text(), Name: r.text()}
		e.Details = []byte(`{"id":1.0}`)
	}
	if r.IntN(2) == 0 {
		e.Error = &schemas.EventError{Code: r.text(), Message: r.text()}
		e.Changes = map[string]string{r.text(): r.text(), "k": r.text()}
	}
	return e
}
