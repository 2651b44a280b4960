package charttest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/testserver"
)

const scrapedConfig = `
sources:
  - name: acme
    type: openai
    config: { admin_key: sk-admin-simulator, base_url: "http://%[1]s/v1", requests_per_second: 200 }
pipeline: { poll_interval: 1s, sweep_interval: 2s }
http: { listen: "%[2]s" }
sinks:
  - { name: db, type: sqlite, config: { path: audit.db }, batch: { max_age: 100ms } }
  - { name: lines, type: file, config: { path: audit.jsonl }, batch: { max_age: 100ms } }
`

// build builds the program.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "connector")
	if err := testserver.Run(exec.Command("go", "build", "-o", program, "auditlog-connector/cmd/connector")); err != nil {
		t.Fatal(err)
	}
	return program
}

// scrape builds the program, lets it export from its own simulator, and returns
// what /metrics said once deep walks were complete.
func scrape(t *testing.T) string {
	t.Helper()
	text, err := fetch(t.Context(), "http://"+export(t)+"/metrics")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// export builds the program, lets it export from its own simulator, waits for
// complete deep walks, and returns its HTTP endpoint's address.
func export(t *testing.T) (web string) {
	t.Helper()
	dir := t.TempDir()
	program := build(t)
	api, web := fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t)), fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t))
	if err := os.WriteFile(filepath.Join(dir, "connector.yaml"), fmt.Appendf(nil, scrapedConfig, api, web), 0o600); err != nil {
		t.Fatal(err)
	}
	testserver.Start(t, testserver.Command{
		Path: program, Args: []string{"simulate", "--listen", api, "--events", "500", "--rate", "20"}, Dir: dir,
		Ready: func(ctx context.Context) error { _, err := fetch(ctx, "http://"+api+"/"); return err },
	})
	swept := regexp.MustCompile(`connector_source_walks_total\{kind="deep",result="ok",source="acme",stream="tenant"\} [1-9]`)
	testserver.Start(t, testserver.Command{
		Path: program, Args: []string{"run", "--config", "connector.yaml"}, Dir: dir, Timeout: 2 * time.Minute,
		Ready: func(ctx context.Context) error {
			text, err := fetch(ctx, "http://"+web+"/metrics")
			if err == nil && !swept.MatchString(text) {
				err = fmt.Errorf("no deep walk of stream tenant yet")
			}
			return err
		},
	})
	return web
}

func fetch(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

var (
	sample = regexp.MustCompile(`(?m)^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? \S+$`)
	pair   = regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)
)

func TestEverySeriesIsInAScrape(t *testing.T) {
	testserver.Require(t)
	text := scrape(t)
	type series struct {
		name   string
		labels map[string]string
	}
	var all []series
	for _, m := range sample.FindAllStringSubmatch(text, -1) {
		s := series{m[1], make(map[string]string)}
		for _, l := range pair.FindAllStringSubmatch(m[2], -1) {
			s.labels[l[1]] = l[2]
		}
		all = append(all, s)
	}
	used := make(map[string]bool)
	for where, expr := range expressions(t) {
		for _, s := range selectorsOf(expr) {
			used[s.name] = true
			there := false
			for _, have := range all {
				there = there || s.matches(have.name, have.labels)
			}
			if !there {
				t.Errorf("%s: nothing in the scrape matches %s%v", where, s.name, s.matchers)
			}
		}
	}
	if len(used) < 20 {
		t.Errorf("%d series are used: some were not found", len(used))
	}

	promtool := testserver.Program(t, "promtool", "prometheus")
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(text)
	// The names of the runtime's and the process's metrics are not ours.
	out, err := check.CombinedOutput()
	for line := range bytes.Lines(out) {
		if bytes.HasPrefix(line, []byte("connector_")) {
			t.Errorf("promtool: %s", line)
		}
	}
	if err != nil && len(out) == 0 {
		t.Error(err)
	}
}
