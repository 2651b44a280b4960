// Package splunk tests the app in openai_audit, which has no code: what its files say
// is applied to the samples as Splunk would.
package splunk

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"auditlog-connector/internal/eventtest"
	"auditlog-connector/schemas"
	"auditlog-connector/schemas/cim"
)

const app = "openai_audit"

// conf is a .conf file: stanzas of settings.
type conf map[string]map[string]string

func readConf(t *testing.T, name string) conf {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(app, "default", name))
	if err != nil {
		t.Fatal(err)
	}
	c := make(conf)
	stanza := ""
	for n, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		key, value, ok := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			stanza = strings.Trim(line, "[]")
			if c[stanza] != nil {
				t.Errorf("%s:%d: [%s] is there twice", name, n+1, stanza)
			}
			c[stanza] = make(map[string]string)
		case !ok || stanza == "":
			t.Errorf("%s:%d: %q", name, n+1, line)
		default:
			c[stanza][strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return c
}

// sample is an event of the source's test data, as Splunk has it.
type sample struct {
	name  string
	audit schemas.AuditEvent
	event event
}

func samples(t *testing.T) []sample {
	t.Helper()
	enrich := enricher(t)
	var all []sample
	for _, s := range eventtest.Samples(t) {
		all = append(all, sample{s.Name, s.Event, enrich(fields(t, cim.Append(nil, &s.Event)))})
	}
	return all
}

// fields is what KV_MODE = json makes of a flat document, and what the collector adds.
func fields(t *testing.T, document []byte) event {
	t.Helper()
	var flat map[string]any
	if err := json.Unmarshal(document, &flat); err != nil {
		t.Fatal(err)
	}
	e := event{"sourcetype": {"openai:audit"}, "index": {"main"}}
	for name, v := range flat {
		switch v.(type) {
		case string, float64, bool:
			e[name] = []string{fmt.Sprint(v)}
		default:
			t.Errorf("%s is %T: not flat", name, v)
		}
	}
	return e
}

var splitEval = regexp.MustCompile(`^split\((\w+), "(.)"\)$`)

// enricher does what props.conf says is done when an event is searched. What it does
// not know fails the test.
func enricher(t *testing.T) func(event) event {
	t.Helper()
	props, transforms := readConf(t, "props.conf"), readConf(t, "transforms.conf")
	if len(props) != 1 || props["openai:audit"]["KV_MODE"] != "json" {
		t.Fatalf("props.conf: %v", props)
	}
	known := []string{"category", "description", "pulldown_type", "SHOULD_LINEMERGE", "LINE_BREAKER", "TRUNCATE", "KV_MODE"}
	var steps []func(event)
	for _, key := range slices.Sorted(maps.Keys(props["openai:audit"])) {
		value := props["openai:audit"][key]
		switch {
		case slices.Contains(known, key):
		case strings.HasPrefix(key, "LOOKUP-"):
			words := strings.Fields(value)
			if len(words) != 4 || words[2] != "OUTPUT" || transforms[words[0]] == nil {
				t.Fatalf("%s = %s", key, value)
			}
			table := readLookup(t, transforms[words[0]]["filename"], words[1], words[3])
			steps = append(steps, func(e event) {
				for _, v := range e[words[1]] {
					if out := table[v]; out != "" {
						e[words[3]] = []string{out}
					}
				}
			})
		case strings.HasPrefix(key, "EVAL-"):
			m := splitEval.FindStringSubmatch(value)
			if m == nil || "EVAL-"+m[1] != key {
				t.Fatalf("%s = %s", key, value)
			}
			steps = append(steps, func(e event) {
				if len(e[m[1]]) == 1 {
					e[m[1]] = strings.Split(e[m[1]][0], m[2])
				}
			})
		default:
			t.Fatalf("props.conf: %s is not applied by this test", key)
		}
	}
	return func(e event) event {
		for _, step := range steps {
			step(e)
		}
		return e
	}
}

func readLookup(t *testing.T, file, key, out string) map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join(app, "lookups", file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) < 2 || !slices.Equal(rows[0], []string{key, out}) {
		t.Fatalf("%s: %d rows, %v", file, len(rows), err)
	}
	table := make(map[string]string)
	for _, r := range rows[1:] {
		table[r[0]] = r[1]
	}
	return table
}

func TestLookupIsTheCatalogue(t *testing.T) {
	table := readLookup(t, "openai_audit_event_types.csv", "event_type", "mitre_technique_id")
	f, err := os.Open(filepath.Join("..", "..", "schemas", "catalogue", "event-types.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	typ, mitre := slices.Index(rows[0], "type"), slices.Index(rows[0], "mitre_attack")
	want := make(map[string]string)
	for _, r := range rows[1:] {
		if r[mitre] != "" {
			want[r[typ]] = r[mitre]
		}
	}
	if !maps.Equal(table, want) {
		t.Errorf("the lookup has %d types and the catalogue %d; write it again from the columns type and mitre_attack", len(table), len(want))
	}
}

func TestEventTypesTagWhatTheModelsExpect(t *testing.T) {
	eventtypes, tags := readConf(t, "eventtypes.conf"), readConf(t, "tags.conf")
	conditions := make(map[string]condition)
	for name, settings := range eventtypes {
		c, err := parseCondition(settings["search"])
		if err != nil {
			t.Fatal(err)
		}
		conditions[name] = c
	}
	for stanza := range tags {
		if eventtypes[strings.TrimPrefix(stanza, "eventtype=")] == nil {
			t.Errorf("tags.conf: [%s] has no event type", stanza)
		}
	}
	seen := make(map[string]int)
	for _, s := range samples(t) {
		var got []string
		for name, c := range conditions {
			if !c(s.event) {
				continue
			}
			seen[name]++
			for tag := range tags["eventtype="+name] {
				got = append(got, tag)
			}
		}
		slices.Sort(got)
		want := slices.Sorted(slices.Values(cim.Tags(&s.audit)))
		if !slices.Equal(got, want) {
			t.Errorf("%s: tags %v, want %v", s.name, got, want)
		}
	}
	for name := range conditions {
		if seen[name] == 0 {
			t.Errorf("event type %s fits no sample", name)
		}
	}
}

var macroUse = regexp.MustCompile("`([a-z_]+)`")

// expand puts macros into a search.
func expand(t *testing.T, search string) string {
	t.Helper()
	macros := readConf(t, "macros.conf")
	return macroUse.ReplaceAllStringFunc(search, func(use string) string {
		name := strings.Trim(use, "`")
		if macros[name] == nil {
			t.Errorf("there is no macro %s", name)
		}
		return macros[name]["definition"]
	})
}

// matching returns the samples that a search finds before its first pipe.
func matching(t *testing.T, all []sample, search string) []string {
	t.Helper()
	base, _, _ := strings.Cut(search, "|")
	c, err := parseCondition(base)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range all {
		if c(s.event) {
			names = append(names, s.name)
		}
	}
	return names
}

// Whoever makes the searches' fields up as they go along finds nothing.
func TestFieldsOfSearchesAreThere(t *testing.T) {
	known := map[string]bool{"_time": true, "batch_id": true, "actor": true, "user_failures": true, "src_failures": true}
	for _, s := range samples(t) {
		for name := range s.event {
			known[name] = true
		}
	}
	for name, settings := range readConf(t, "savedsearches.conf") {
		_, table, _ := strings.Cut(settings["search"], "| table ")
		for _, field := range strings.Split(table, ",") {
			if !known[strings.TrimSpace(field)] {
				t.Errorf("%s shows %q, which no sample has", name, strings.TrimSpace(field))
			}
		}
	}
}
