package testserver

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// fastavroVersion is the release of the Python library.
const fastavroVersion = "1.12.1"

// readValues decodes values in Confluent's framing, given in hexadecimal, one a line.
const readValues = `
import fastavro, io, json, struct, sys, urllib.request
schemas = {}
for line in sys.stdin:
    value = bytes.fromhex(line)
    magic, id = struct.unpack(">bI", value[:5])
    assert magic == 0, magic
    if id not in schemas:
        with urllib.request.urlopen(sys.argv[1] + "/schemas/ids/%d" % id) as answer:
            schemas[id] = fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
    body = io.BytesIO(value[5:])
    record = fastavro.schemaless_reader(body, schemas[id])
    assert body.read() == b"", "more than a record"
    print(json.dumps({"id": id, "event_id": record["event_id"], "seconds": int(record["effective_at"].timestamp()),
        "email": record["actor"]["email"], "raw": record["raw"].hex()}))
`

// DecodedValue is what a consumer in Python makes of a value.
type DecodedValue struct {
	ID      int    // of the schema in the registry
	EventID string `json:"event_id"`
	Seconds int64
	Email   string
	Raw     string // in hexadecimal
}

// Decode reads values as a consumer in Python does: schema id, schema from the
// registry, fastavro.
func (r *Registry) Decode(t testing.TB, values [][]byte) []DecodedValue {
	t.Helper()
	python := Python(t, "fastavro=="+fastavroVersion)
	var in strings.Builder
	for _, v := range values {
		in.WriteString(hex.EncodeToString(v) + "\n")
	}
	cmd := exec.Command(python, "-c", readValues, r.URL)
	cmd.Stdin = strings.NewReader(in.String())
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python: %v\n%s", err, problems.String())
	}
	var decoded []DecodedValue
	for line := range bytes.Lines(out) {
		var d DecodedValue
		if err := json.Unmarshal(line, &d); err != nil {
			t.Fatal(err)
		}
		decoded = append(decoded, d)
	}
	return decoded
}
