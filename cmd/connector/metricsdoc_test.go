package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/openaisim"
)

// family is a metric as a scrape has it.
type family struct {
	name, kind, help string
	labels           []string
	series           map[string]int // by the value of the first of lane, stream, source that there is
}

var (
	commentLine = regexp.MustCompile(`^# (HELP|TYPE) (\S+) (.*)$`)
	sampleLine  = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? \S+$`)
	labelPair   = regexp.MustCompile(`([a-zA-Z_]+)="((?:[^"\\]|\\.)*)"`)
)

// families reads a scrape.
func families(t *testing.T, scrape string) []*family {
	t.Helper()
	var list []*family
	for line := range strings.Lines(scrape) {
		line = strings.TrimSuffix(line, "\n")
		if m := commentLine.FindStringSubmatch(line); m != nil {
			if m[1] == "HELP" {
				list = append(list, &family{name: m[2], help: m[3], series: make(map[string]int)})
			} else if last := list[len(list)-1]; last.name == m[2] {
				last.kind = m[3]
			}
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("not a line of a scrape: %q", line)
		}
		last := list[len(list)-1]
		values := make(map[string]string)
		for _, l := range labelPair.FindAllStringSubmatch(m[2], -1) {
			values[l[1]] = l[2]
			if l[1] != "le" && !slices.Contains(last.labels, l[1]) {
				last.labels = append(last.labels, l[1])
			}
		}
		for _, owner := range []string{"lane", "stream", "source"} {
			if v, ok := values[owner]; ok {
				last.series[owner+" "+v]++
				break
			}
		}
	}
	return list
}

// scrapeOfEverything runs an exporter until every metric has been there.
func scrapeOfEverything(t *testing.T) string {
	t.Helper()
	inFolder(t, map[string]string{"connector.yaml": scrapedConfig})
	_, env := simulator(t, openaisim.Config{Seed: 5, Events: 200, Rate: 20})
	a := &app{
		stdin: strings.NewReader(""), now: time.Now, sources: sourceTypes(), sinks: sinkTypes(),
		lookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	}
	e := startRun(t, a)
	url := e.url(t)
	var scrape string
	swept := regexp.MustCompile(`connector_source_walks_total\{kind="deep",result="ok",source="acme",stream="tenant"\} [1-9]`)
	eventually(t, "a deep walk of every stream", e.log.String, func() bool {
		_, scrape = fetchText(t, url+"/metrics")
		return swept.MatchString(scrape)
	})
	return scrape
}

const metricsIntro = `# Metrics

For whoever watches a connector with Prometheus. ` + "`/metrics`" + ` of the HTTP endpoint has what stands here, and the Go runtime's and the process's usual
metrics (` + "`go_*`, `process_*`" + `). A sink may add its own, labelled with its lane; its README says which. The alerts made of these are in
` + "`helm/connector/rules`" + `, what to do about them in [operations](operations.md#alerts).

This page is made from a running connector: ` + "`go test ./cmd/connector -run TestMetricsReference -update`" + `.

Times are event times and the source's clock where the text does not say otherwise. A lane is ` + "`source/sink`" + `.

## Nothing disappears

At every scrape, for every lane, what was read is what became of it and what is on its way. This is always 0:

` + "```promql" + `
connector_lane_events_total{result="read"}
  - ignoring (result) sum without (result) (connector_lane_events_total{result!="read"})
  - ignoring (result) connector_lane_events_in_flight
` + "```" + `

## All of them
`

func TestMetricsReference(t *testing.T) {
	file, err := filepath.Abs("../../docs/metrics.md") // before the folder is another
	if err != nil {
		t.Fatal(err)
	}
	scrape := scrapeOfEverything(t)
	var b bytes.Buffer
	b.WriteString(metricsIntro)
	series := make(map[string]int)
	fmt.Fprint(&b, "\n| metric | type | labels | what it says |\n| --- | --- | --- | --- |\n")
	for _, f := range families(t, scrape) {
		if !strings.HasPrefix(f.name, "connector_") {
			continue
		}
		slices.Sort(f.labels)
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, f.kind, strings.Join(f.labels, ", "), f.help)
		if f.name == "connector_source_unknown_types_total" {
			continue // as many as there are types, up to its bound
		}
		for owner, n := range f.series {
			series[owner] += n
		}
	}
	fmt.Fprintf(&b, `
## How many series

%d for each source, %d for each of its streams and %d for each lane, buckets of histograms included, and at most 21 for a source's unknown types. Nothing
else that comes from outside is a label.
`, series["source acme"], series["stream tenant"], series["lane acme/db"])
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(want, b.Bytes()) {
		t.Errorf("docs/metrics.md is not what the program exports (%v); rewrite it: go test ./cmd/connector -run TestMetricsReference -update\n%s", err, &b)
	}
}
