package hectest_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"auditlog-connector/internal/testserver"
	"auditlog-connector/sinks/splunkhec/hectest"
)

// Clients that others wrote for the real thing get their events in, in the way that
// they think right.
const foreignEvents = 25

// program returns the path of an installed program.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		testserver.Unavailable(t, "%v", err)
	}
	return path
}

// arrived checks that the events n 0 to foreignEvents-1 are there once.
func arrived(t *testing.T, s *hectest.Server, number func(e *hectest.Event) int) {
	t.Helper()
	var got, want []int
	for i, e := range s.Events() {
		got, want = append(got, number(e)), append(want, i)
	}
	slices.Sort(got)
	if len(got) != foreignEvents || !slices.Equal(got, want) {
		t.Errorf("%d events: %v, want 0 to %d", len(got), got, foreignEvents-1)
	}
}

func TestSplunkLogging(t *testing.T) {
	testserver.Require(t)
	node, npm := program(t, "node"), program(t, "npm")
	dir := testserver.Install(t, "splunk-logging-0.11.1", func(dir string) error {
		return testserver.Run(exec.Command(npm, "install", "--prefix", dir, "--no-audit", "--no-fund", "--silent", "splunk-logging@0.11.1"))
	})
	for _, batch := range []int{1, 10} {
		t.Run(fmt.Sprintf("%d at a time", batch), func(t *testing.T) {
			server := hectest.New(hectest.Config{})
			h := httptest.NewServer(server)
			defer h.Close()
			script := fmt.Sprintf(`
const { Logger } = require("splunk-logging");
const logger = new Logger({ token: %q, url: %q, maxBatchCount: %d });
logger.error = (err) => { console.error(err); process.exit(1); };
for (let n = 0; n < %d; n++) {
  logger.send({ message: { n }, metadata: { source: "foreign", sourcetype: "httpevent", index: "main", host: "h" }, severity: "info" });
}
if (%d > 1) logger.flush(); // without a queue it would send nothing at all
`, hectest.DefaultToken, h.URL, batch, foreignEvents, batch)
			cmd := exec.Command(node, "-e", script)
			cmd.Dir = dir
			if err := testserver.Run(cmd); err != nil {
				t.Fatal(err)
			}
			arrived(t, server, func(e *hectest.Event) int {
				var event struct{ Message struct{ N int } }
				if err := json.Unmarshal(e.Event, &event); err != nil || e.Source != "foreign" || e.Index != "main" {
					t.Errorf("%s: %v", e.Event, err)
				}
				return event.Message.N
			})
		})
	}
}

func TestCamel(t *testing.T) {
	testserver.Require(t)
	java, mvn := program(t, "java"), program(t, "mvn")
	dir := testserver.Install(t, "camel-splunk-hec-4.8.0", func(dir string) error {
		pom, err := os.ReadFile(filepath.Join("testdata", "camel.xml"))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "pom.xml"), pom, 0o600); err != nil {
			return err
		}
		return testserver.Run(exec.Command(mvn, "--quiet", "--batch-mode", "--file", dir,
			"org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies", "-DoutputDirectory="+filepath.Join(dir, "lib")))
	})
	server := hectest.New(hectest.Config{})
	h := httptest.NewTLSServer(server) // without TLS this client falls over its own feet
	defer h.Close()
	endpoint := fmt.Sprintf("splunk-hec:%s?token=%s&skipTlsVerify=true&index=main&source=foreign", strings.TrimPrefix(h.URL, "https://"), hectest.DefaultToken)
	run := exec.Command(java, "-cp", filepath.Join(dir, "lib", "*"), filepath.Join("testdata", "Foreign.java"), endpoint, fmt.Sprint(foreignEvents))
	if err := testserver.Run(run); err != nil {
		t.Fatal(err)
	}
	arrived(t, server, func(e *hectest.Event) int {
		var event struct{ Body struct{ N int } }
		if err := json.Unmarshal(e.Event, &event); err != nil || e.Source != "foreign" || e.Index != "main" {
			t.Errorf("%s: %v", e.Event, err)
		}
		return event.Body.N
	})
}
