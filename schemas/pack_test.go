package schemas

import (
	"bytes"
	"runtime"
	"testing"
	"weak"
)

// packedLengths are lengths of entries and details around the steps of a length's own length.
var packedLengths = []int{0, 1, 63, 64, 8191, 8192, packed - 1000, packed, 1 << 20}

func TestPackIsEncode(t *testing.T) {
	var p Packer
	type pair struct{ want, got []byte }
	var pairs []pair
	for _, raw := range packedLengths {
		for _, details := range packedLengths {
			text, part := bytes.Repeat([]byte("r"), raw), bytes.Repeat([]byte("d"), details)
			e := AuditEvent{EventID: "audit_log-1", EventType: "x", Raw: text, Details: part}
			want := Encode(nil, &e)
			avro := p.Pack(&e)
			pairs = append(pairs, pair{want, avro})
			if !bytes.Equal(e.Raw, text) || !bytes.Equal(e.Details, part) {
				t.Fatalf("%d, %d bytes: the event has %d and %d now", raw, details, len(e.Raw), len(e.Details))
			}
			if cap(avro) != len(avro) || cap(e.Raw) != len(e.Raw) || cap(e.Details) != len(e.Details) {
				t.Fatalf("%d, %d bytes: there is room to write over what lies behind", raw, details)
			}
			if again := Encode(nil, &e); !bytes.Equal(again, want) {
				t.Fatalf("%d, %d bytes: the event is another one now", raw, details)
			}
		}
	}
	for i, p := range pairs { // later ones have not touched earlier ones
		if !bytes.Equal(p.got, p.want) {
			t.Fatalf("encoding %d is not that of Encode", i)
		}
	}
}

func TestPackedEventsDoNotKeepTheirText(t *testing.T) {
	var p Packer
	page := bytes.Repeat([]byte(`{"x":1}`), 100)
	e := AuditEvent{EventID: "audit_log-1", Raw: page[7:14], Details: page[8:12]}
	text := weak.Make(&page[0])
	p.Pack(&e)
	page = nil
	runtime.GC()
	if text.Value() != nil {
		t.Error("the page is kept in memory")
	}
	if string(e.Raw) != `{"x":1}` || string(e.Details) != `"x":` {
		t.Errorf("the event has %s and %s", e.Raw, e.Details)
	}
}
