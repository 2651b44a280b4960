package charttest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"auditlog-connector/internal/testserver"
)

const (
	rulesFile     = "../../helm/connector/rules/connector.yaml"
	dashboardFile = "../../helm/connector/dashboards/connector.json"
	alertTests    = "testdata/alerts.yaml"
)

// rules is a Prometheus rules file.
type rules struct {
	Groups []struct {
		Rules []struct {
			Alert       string
			Expr        string
			Labels      map[string]string
			Annotations map[string]string
		}
	}
}

func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// expressions returns every PromQL expression that is delivered, by where it is.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	var r rules
	readYAML(t, rulesFile, &r)
	for _, g := range r.Groups {
		for _, rule := range g.Rules {
			all["alert "+rule.Alert] = rule.Expr
		}
	}
	var board struct {
		Panels []struct {
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
		Annotations struct{ List []struct{ Name, Expr string } }
		Templating  struct {
			List []struct{ Name, Definition string }
		}
	}
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatalf("%s: %v", dashboardFile, err)
	}
	for _, p := range board.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %s shows nothing", p.Title)
		}
		for i, target := range p.Targets {
			all[fmt.Sprintf("panel %s, %d", p.Title, i+1)] = expand(target.Expr)
		}
	}
	for _, a := range board.Annotations.List {
		all["annotation "+a.Name] = expand(a.Expr)
	}
	labelValues := regexp.MustCompile(`^label_values\((.*), \w+\)$`)
	for _, v := range board.Templating.List {
		if m := labelValues.FindStringSubmatch(v.Definition); m != nil {
			all["variable "+v.Name] = expand(m[1])
		}
	}
	if len(all) < 50 {
		t.Fatalf("%d expressions: some were not found", len(all))
	}
	return all
}

// expand puts in what Grafana does for variables that are left as they are.
func expand(expr string) string {
	return strings.NewReplacer("$__rate_interval", "5m", `"$job"`, `".*"`, `"$lane"`, `".*"`).Replace(expr)
}

// selector is a series that an expression asks for.
type selector struct {
	name     string
	matchers []matcher
}

type matcher struct{ label, op, value string }

var (
	selectors = regexp.MustCompile(`\b((?:connector|process|go)_[a-z0-9_]+)(\{[^}]*\})?`)
	matchers  = regexp.MustCompile(`(\w+)(=~|!~|!=|=)"([^"]*)"`)
)

func selectorsOf(expr string) []selector {
	var all []selector
	for _, m := range selectors.FindAllStringSubmatch(expr, -1) {
		s := selector{name: m[1]}
		for _, l := range matchers.FindAllStringSubmatch(m[2], -1) {
			s.matchers = append(s.matchers, matcher{l[1], l[2], l[3]})
		}
		all = append(all, s)
	}
	return all
}

// matches reports whether a scraped series is one of s. What Prometheus adds to a
// series (job, instance, …) is not in a scrape.
func (s selector) matches(name string, labels map[string]string) bool {
	if s.name != name {
		return false
	}
	for _, m := range s.matchers {
		value, there := labels[m.label]
		if m.label == "job" {
			continue
		}
		pattern, err := regexp.Compile("^(?:" + m.value + ")$")
		if err != nil || !there {
			return false
		}
		ok := value == m.value
		if strings.HasSuffix(m.op, "~") {
			ok = pattern.MatchString(value)
		}
		if ok == strings.HasPrefix(m.op, "!") {
			return false
		}
	}
	return true
}

var metricSuffix = regexp.MustCompile(`_(bucket|count|sum)$`)

func TestEverySeriesIsInTheReference(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for where, expr := range expressions(t) {
		found := selectorsOf(expr)
		if len(found) == 0 && !strings.Contains(expr, "up == 0") {
			t.Errorf("%s: no series found in %s", where, expr)
		}
		for _, s := range found {
			plain := metricSuffix.ReplaceAllString(s.name, "")
			if strings.HasPrefix(s.name, "connector_") && !strings.Contains(string(text), "| `"+s.name+"` |") && !strings.Contains(string(text), "| `"+plain+"` | histogram |") {
				t.Errorf("%s: %s is not in docs/metrics.md", where, s.name)
			}
		}
	}
}

func TestEveryAlertHasARunbookAndATest(t *testing.T) {
	var r rules
	readYAML(t, rulesFile, &r)
	var tests struct {
		Tests []struct {
			AlertRuleTest []struct {
				Alertname string `yaml:"alertname"`
				ExpAlerts []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	readYAML(t, alertTests, &tests)
	fires, resolves := map[string]bool{}, map[string]bool{}
	for _, test := range tests.Tests {
		for _, at := range test.AlertRuleTest {
			if len(at.ExpAlerts) > 0 {
				fires[at.Alertname] = true
			} else if fires[at.Alertname] {
				resolves[at.Alertname] = true
			}
		}
	}
	operations, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	anchors := anchorsOf(string(operations))
	n := 0
	for _, g := range r.Groups {
		for _, rule := range g.Rules {
			n++
			section, ok := strings.CutPrefix(rule.Annotations["runbook_url"], "docs/operations.md#")
			if !ok || !slices.Contains(anchors, section) {
				t.Errorf("%s: there is no runbook %q", rule.Alert, rule.Annotations["runbook_url"])
			}
			if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" || !slices.Contains([]string{"warning", "critical"}, rule.Labels["severity"]) {
				t.Errorf("%s: summary, description or severity is missing", rule.Alert)
			}
			if !fires[rule.Alert] || !resolves[rule.Alert] {
				t.Errorf("%s: %s does not show that it fires and then resolves", rule.Alert, alertTests)
			}
		}
	}
	if n < 13 {
		t.Errorf("%d alerts", n)
	}
}

// anchorsOf returns the anchors of a document's headings.
func anchorsOf(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			anchor := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
			all = append(all, strings.ReplaceAll(anchor, " ", "-"))
		}
	}
	return all
}

func TestAlertsFireAndResolve(t *testing.T) {
	testserver.Require(t)
	promtool := testserver.Program(t, "promtool", "prometheus")
	for _, args := range [][]string{{"check", "rules", rulesFile}, {"test", "rules", alertTests}} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

func TestEveryExpressionParses(t *testing.T) {
	testserver.Require(t)
	promtool := testserver.Program(t, "promtool", "prometheus")
	type rule struct {
		Record string            `yaml:"record"`
		Expr   string            `yaml:"expr"`
		Labels map[string]string `yaml:"labels"`
	}
	var list []rule
	for where, expr := range expressions(t) {
		list = append(list, rule{Record: "job:parsed", Expr: expr, Labels: map[string]string{"where": where}})
	}
	check := func(list []rule) ([]byte, error) {
		text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "all", "rules": list}}})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "rules.yaml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return exec.Command(promtool, "check", "rules", file).CombinedOutput()
	}
	if out, err := check(list); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := check(append(list, rule{Record: "job:broken", Expr: "sum(connector_lane_lag_seconds"})); err == nil {
		t.Error("a broken expression passes: the test shows nothing")
	}
}
