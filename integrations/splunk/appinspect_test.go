package splunk

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"auditlog-connector/internal/testserver"
)

// inspector is the program that Splunk judges apps by.
const inspector = "splunk-appinspect==4.3.1"

func TestAppInspect(t *testing.T) {
	testserver.Require(t)
	for _, program := range []string{"python3", "tar"} {
		if _, err := exec.LookPath(program); err != nil {
			testserver.Unavailable(t, "%v", err)
		}
	}
	dir := testserver.Install(t, "splunk-appinspect-4.3.1", func(dir string) error {
		return testserver.Run(exec.Command("python3", "-m", "pip", "install", "--quiet", "--target", dir, inspector))
	})
	work := t.TempDir()
	archive, report := filepath.Join(work, app+".tgz"), filepath.Join(work, "report.json")
	if err := testserver.Run(exec.Command("tar", "--owner=0", "--group=0", "--mode=u+rwX,go+rX,go-w", "-czf", archive, app)); err != nil {
		t.Fatal(err)
	}
	inspect := exec.Command("python3", "-c", "import sys; from splunk_appinspect.main import execute; sys.exit(execute())",
		"inspect", archive, "--mode", "precert", "--data-format", "json", "--output-file", report)
	runErr := testserver.Run(inspect, "PYTHONPATH="+dir, "PYTHONDONTWRITEBYTECODE=1")
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatalf("no report: %v", runErr)
	}
	var r struct {
		Summary map[string]int
		Reports []struct {
			Groups []struct {
				Checks []struct {
					Name, Result string
					Messages     []struct{ Message string }
				}
			}
		}
	}
	if err := json.Unmarshal(text, &r); err != nil || r.Summary["success"] < 50 {
		t.Fatalf("%v, %v", r.Summary, err)
	}
	t.Logf("%v", r.Summary)
	for _, report := range r.Reports {
		for _, g := range report.Groups {
			for _, c := range g.Checks {
				switch c.Result {
				case "failure", "error", "future_failure":
					t.Errorf("%s: %s: %v", c.Result, c.Name, c.Messages)
				case "warning":
					t.Logf("%s: %s: %v", c.Result, c.Name, c.Messages)
				}
			}
		}
	}
}
