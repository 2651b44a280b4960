package eventtest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"auditlog-connector/schemas"
)

// Golden holds the document that add makes of each event against
// testdata/golden/<name>.json, laid out to be read, or rewrites the file.
func Golden(t *testing.T, update bool, all []Sample, add func(dst []byte, e *schemas.AuditEvent) []byte) {
	t.Helper()
	for _, s := range all {
		var got bytes.Buffer
		if err := json.Indent(&got, add(nil, &s.Event), "", "  "); err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		got.WriteByte('\n')
		path := filepath.Join("testdata", "golden", filepath.FromSlash(s.Name)+".json")
		if update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v (go test -update makes it)", err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s:\n got %s\nwant %s", path, got.Bytes(), want)
		}
	}
}
