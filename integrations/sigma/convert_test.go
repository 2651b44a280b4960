// Package sigma tests the rules: that the queries beside them are what they convert
// to, and what those queries find.
package sigma

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"auditlog-connector/internal/testserver"
)

var update = flag.Bool("update", false, "rewrite the queries that follow from the rules")

// converter is sigma-cli.
type converter []string

func newConverter(t *testing.T) converter {
	t.Helper()
	testserver.Require(t)
	return testserver.Sigma(t)
}

func (c converter) run(args ...string) error {
	return testserver.Run(exec.Command(c[0], append(slices.Clone(c[1:]), args...)...))
}

// convert returns the queries that the files of folder convert to, by file name without
// its extension.
func (c converter) convert(t *testing.T, target, pipeline, folder string) map[string]string {
	t.Helper()
	out := t.TempDir()
	args := []string{"convert", "--target", target, "--pipeline", "pipelines/" + pipeline + ".yml"}
	if folder == "rules" { // each is one query
		if err := c.run(append(args, "--output-dir", out, "--output-filename-template", "{stem}", folder)...); err != nil {
			t.Fatal(err)
		}
	}
	queries := make(map[string]string)
	for _, file := range files(t, folder+"/*.yml") {
		name := strings.TrimSuffix(filepath.Base(file), ".yml")
		if folder != "rules" {
			if err := c.run(append(args, "--output", filepath.Join(out, name), file)...); err != nil {
				t.Fatal(err)
			}
		}
		queries[name] = strings.TrimSpace(read(t, out, name)) + "\n"
	}
	return queries
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(names), err)
	}
	return names
}

func read(t *testing.T, parts ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// compare compares the files of folder with what they have to hold.
func compare(t *testing.T, folder string, want map[string]string) {
	t.Helper()
	if *update {
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(folder, name+".txt"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, file := range files(t, folder+"/*.txt") {
		if _, ok := want[strings.TrimSuffix(filepath.Base(file), ".txt")]; !ok {
			t.Errorf("%s follows from no rule", file)
		}
	}
	for name, text := range want {
		got, err := os.ReadFile(filepath.Join(folder, name+".txt"))
		if err != nil || string(got) != text {
			t.Errorf("%s/%s.txt is not up to date (%v): CONNECTOR_TEST_SERVERS=1 go test ./integrations/sigma -run Queries -update", folder, name, err)
		}
	}
}

// TestRulesAreValid leaves out the two validators that fetch lists of tags from the
// network.
func TestRulesAreValid(t *testing.T) {
	c := newConverter(t)
	if err := c.run("check", "--fail-on-issues", "--exclude", "attacktag", "--exclude", "d3_fendtag", "rules", "correlations"); err != nil {
		t.Error(err)
	}
}

func TestQueriesFollowFromTheRules(t *testing.T) {
	c := newConverter(t)
	lucene := c.convert(t, "opensearch_lucene", "ecs", "rules")
	compare(t, "lucene", lucene)
	for name, query := range c.convert(t, "lucene", "ecs", "rules") {
		if query != lucene[name] {
			t.Errorf("%s is another query for Elasticsearch: %s", name, query)
		}
	}
	splunk := c.convert(t, "splunk", "splunk", "rules")
	for name, query := range c.convert(t, "splunk", "splunk", "correlations") {
		splunk[name] = query
	}
	compare(t, "splunk", splunk)
}

// Where this fails a backend has learnt something, and a query can be generated that
// is written by hand today.
func TestWhatNobodyConverts(t *testing.T) {
	c := newConverter(t)
	refused := func(target, pipeline, file string) {
		t.Helper()
		err := c.run("convert", "--target", target, "--pipeline", "pipelines/"+pipeline+".yml", file)
		if err == nil || !strings.Contains(err.Error(), "not supported") {
			t.Errorf("%s converts %s: %v", target, file, err)
		}
	}
	for _, file := range append(files(t, "correlations/*.yml"), ordered) {
		for _, target := range []string{"opensearch_lucene", "lucene"} {
			refused(target, "ecs", file)
		}
	}
	refused("splunk", "splunk", ordered)
}

// ordered is the correlation that says what is meant and what no backend converts.
const ordered = "correlations/ordered/openai_failed_logins_before_success.yml"

// Every aggregation looks at what the rule of its name finds.
func TestAggregationsBeginWithTheRulesQuery(t *testing.T) {
	for _, file := range files(t, "aggregations/*.json") {
		var body struct {
			Query struct {
				Bool struct {
					Filter []struct {
						QueryString struct{ Query string } `json:"query_string"`
					}
				}
			}
		}
		if err := json.Unmarshal([]byte(read(t, file)), &body); err != nil || len(body.Query.Bool.Filter) != 2 {
			t.Fatalf("%s: %d filters, %v", file, len(body.Query.Bool.Filter), err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if got, want := body.Query.Bool.Filter[1].QueryString.Query, strings.TrimSpace(read(t, "lucene", name+".txt")); got != want {
			t.Errorf("%s asks for %q, want %q", file, got, want)
		}
	}
}
