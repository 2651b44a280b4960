package clustertest

import (
	"debug/buildinfo"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"auditlog-connector/internal/testserver"
)

// TestSBOM compares what "make sbom" writes with what the binary says of itself.
func TestSBOM(t *testing.T) {
	testserver.Require(t)
	cmd := exec.Command("make", "sbom", "VERSION=1.2.3")
	cmd.Dir = repository
	if err := testserver.Run(cmd); err != nil {
		t.Fatal(err)
	}
	var document struct {
		SpdxVersion string
		Name        string
		Packages    []struct{ Name, VersionInfo string }
	}
	if err := json.Unmarshal(readFile(t, filepath.Join(repository, "bin", "connector.spdx.json")), &document); err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]string)
	for _, p := range document.Packages {
		listed[p.Name] = p.VersionInfo
	}
	info, err := buildinfo.ReadFile(filepath.Join(repository, "bin", "connector"))
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) < 20 {
		t.Fatalf("the binary is made of %d modules", len(info.Deps))
	}
	for _, m := range info.Deps {
		if listed[m.Path] != m.Version {
			t.Errorf("%s is %q in the document, want %s", m.Path, listed[m.Path], m.Version)
		}
	}
	if document.SpdxVersion == "" || document.Name != "auditlog-connector" || listed["auditlog-connector"] != "1.2.3" || listed["stdlib"] == "" {
		t.Errorf("%s document of %s, %q, with Go %q", document.SpdxVersion, document.Name, listed["auditlog-connector"], listed["stdlib"])
	}
}
