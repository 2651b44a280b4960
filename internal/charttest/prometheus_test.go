package charttest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/testserver"
)

// emptyWhenWell are expressions that have no result here, and why. Those of alerts
// are all so, but for some.
var (
	emptyWhenWell = map[string]string{"annotation Starts": "the connector is not started again"}
	maySpeak      = map[string]string{
		"alert ConnectorCheckpointSlow":      "it tells the speed of this machine's disk",
		"alert ConnectorDeepWalkEatsBudget":  "deep walks follow one another here, so that the test does not have to wait for them",
		"alert ConnectorRequestBudgetUsedUp": "the same",
	}
)

// prometheus is a real one that scrapes a connector twice a second.
type prometheus struct{ addr string }

func startPrometheus(t *testing.T, target string) prometheus {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf(`
global: { scrape_interval: 500ms, scrape_timeout: 500ms }
scrape_configs: [{ job_name: connector, static_configs: [{ targets: [%q] }] }]
`, target)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := prometheus{addr: fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t))}
	testserver.Start(t, testserver.Command{
		Path: testserver.Program(t, "prometheus", "prometheus"), Dir: dir,
		Args: []string{"--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + p.addr},
		Ready: func(ctx context.Context) error {
			if got, err := p.query(ctx, `up{job="connector"} == 1`); err != nil || len(got) == 0 {
				return fmt.Errorf("not scraped yet: %w", err)
			}
			return nil
		},
	})
	return p
}

// query evaluates an expression now and returns its values by series.
func (p prometheus) query(ctx context.Context, expr string) (map[string]float64, error) {
	text, err := fetch(ctx, "http://"+p.addr+"/api/v1/query?query="+url.QueryEscape(expr))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return nil, fmt.Errorf("read Prometheus' answer: %w: %s", err, text)
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("evaluate %s: %s", expr, answer.Error)
	}
	all := make(map[string]float64)
	for _, r := range answer.Data.Result {
		number, _ := r.Value[1].(string)
		value, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return nil, err
		}
		all[fmt.Sprint(r.Metric)] = value
	}
	return all, nil
}

// TestEveryPanelShowsSomething lets a real Prometheus scrape the real program, and
// evaluates what is delivered: panels show data, alerts are silent.
func TestEveryPanelShowsSomething(t *testing.T) {
	testserver.Require(t)
	p := startPrometheus(t, export(t))
	all := expressions(t)
	waiting := maps.Clone(all)
	maps.DeleteFunc(waiting, func(where, _ string) bool { return strings.HasPrefix(where, "alert ") || emptyWhenWell[where] != "" })
	shown := len(waiting)
	// A rate takes two scrapes, and a median of the last minutes an event in them.
	for deadline := time.Now().Add(2 * time.Minute); len(waiting) > 0 && time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		maps.DeleteFunc(waiting, func(where, expr string) bool {
			got, err := p.query(t.Context(), expr)
			if err != nil {
				t.Errorf("%s: %v", where, err)
				return true
			}
			return len(got) > 0 && !slices.ContainsFunc(slices.Collect(maps.Values(got)), math.IsNaN)
		})
	}
	for where, expr := range waiting {
		got, err := p.query(t.Context(), expr)
		t.Errorf("%s shows %v, %v: %s", where, got, err, expr)
	}
	if shown < 30 {
		t.Errorf("%d expressions: some were not found", shown)
	}
	alerts := 0
	for where, expr := range all {
		if !strings.HasPrefix(where, "alert ") {
			continue
		}
		alerts++
		if got, err := p.query(t.Context(), expr); err != nil || len(got) > 0 && maySpeak[where] == "" {
			t.Errorf("%s is not silent while nothing is wrong: %v, %v", where, got, err)
		}
	}
	if alerts < 13 {
		t.Errorf("%d alerts: some were not found", alerts)
	}
	for where, expr := range map[string]string{"conservation": all["panel Not accounted for, 1"], "halted": all["panel Halted lanes, 1"], "late": all["panel Late and lost, 24 h, 1"]} {
		got, err := p.query(t.Context(), expr)
		if err != nil || len(got) == 0 {
			t.Errorf("%s: %v, %v", where, got, err)
		}
		for series, v := range got {
			if v != 0 {
				t.Errorf("%s: %s is %v, want 0", where, series, v)
			}
		}
	}
	if _, err := p.query(t.Context(), "sum(connector_lane_lag_seconds"); err == nil {
		t.Error("a broken expression is evaluated: the test shows nothing")
	}
}
