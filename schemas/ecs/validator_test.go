package ecs_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// validator checks documents against the published schema: testdata has the tables
// of ECS 9.4.0. It knows nothing of the mapping.
type validator struct {
	fields   map[string]field
	allowed  map[string][]string // closed lists of values
	expected map[string][]string // event.type by event.category
	own      map[string]string   // openai.audit: the type that was seen first
	seen     map[string]bool     // every field so far
}

type field struct {
	kind        string
	array, beta bool
}

func newValidator(t testing.TB) *validator {
	t.Helper()
	v := &validator{
		fields: map[string]field{}, allowed: map[string][]string{}, expected: map[string][]string{},
		own: map[string]string{}, seen: map[string]bool{},
	}
	f, err := os.Open("testdata/ecs-fields.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := func(name string) int { return slices.Index(rows[0], name) }
	for _, r := range rows[1:] {
		v.fields[r[column("field")]] = field{r[column("type")], r[column("is_array")] == "yes", r[column("beta")] == "yes"}
	}
	b, err := os.ReadFile("testdata/ecs-allowed.json")
	if err != nil {
		t.Fatal(err)
	}
	var lists map[string]json.RawMessage
	if err := json.Unmarshal(b, &lists); err != nil {
		t.Fatal(err)
	}
	for name, text := range lists {
		var values []struct {
			Value    string
			Expected []string `json:"expected_event_types"`
		}
		if name == "_meta" {
			continue
		}
		if err := json.Unmarshal(text, &values); err != nil {
			t.Fatal(err)
		}
		for _, value := range values {
			v.allowed[name] = append(v.allowed[name], value.Value)
			if name == "event.category" {
				v.expected[value.Value] = value.Expected
			}
		}
	}
	if len(v.fields) != 370 || len(v.expected) < 15 {
		t.Fatalf("%d fields, %d categories", len(v.fields), len(v.expected))
	}
	return v
}

// check returns what is wrong with a document.
func (v *validator) check(document []byte) []string {
	d := json.NewDecoder(strings.NewReader(string(document)))
	d.UseNumber()
	var root map[string]any
	if err := d.Decode(&root); err != nil {
		return []string{err.Error()}
	}
	c := checker{v: v, values: map[string][]string{}, problems: repeated(document)}
	c.object("", root)
	for _, name := range []string{"@timestamp", "ecs.version", "event.id", "event.kind", "event.category", "event.type", "event.outcome",
		"event.module", "event.dataset", "event.severity"} {
		if c.values[name] == nil {
			c.wrong("%s is missing", name)
		}
	}
	for _, category := range c.values["event.category"] {
		for _, kind := range c.values["event.type"] {
			if !slices.Contains(v.expected[category], kind) {
				c.wrong("event.type %s does not go with event.category %s", kind, category)
			}
		}
	}
	return c.problems
}

type checker struct {
	v        *validator
	values   map[string][]string
	problems []string
}

func (c *checker) wrong(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *checker) object(prefix string, o map[string]any) {
	if prefix != "" && len(o) == 0 {
		c.wrong("%s is empty", prefix)
	}
	for name, value := range o {
		if name == "" || strings.Contains(name, ".") {
			c.wrong("%s has the member %q", prefix, name)
		}
		path := strings.TrimPrefix(prefix+"."+name, ".")
		switch {
		case strings.HasPrefix(path, "openai.audit."):
			c.ours(path, value)
		case strings.HasPrefix(path, "labels."):
			c.scalar(path, "keyword", value)
		case c.v.fields[path].kind != "" && path != "labels":
			c.field(path, value)
		default:
			if inner, ok := value.(map[string]any); ok {
				c.object(path, inner)
			} else {
				c.wrong("%s is no field of ECS", path)
			}
		}
	}
}

func (c *checker) field(path string, value any) {
	f := c.v.fields[path]
	if f.beta {
		c.wrong("%s is beta", path)
	}
	list, ok := value.([]any)
	if ok != f.array {
		c.wrong("%s: a list %v, want %v", path, ok, f.array)
	}
	if !ok {
		list = []any{value}
	}
	if len(list) == 0 {
		c.wrong("%s is empty", path)
	}
	for _, one := range list {
		c.scalar(path, f.kind, one)
	}
}

func (c *checker) scalar(path, kind string, value any) {
	c.v.seen[path] = true
	text, isText := value.(string)
	number, isNumber := value.(json.Number)
	_, isBool := value.(bool)
	ok := false
	switch kind {
	case "keyword", "match_only_text", "wildcard":
		ok = isText && text != ""
	case "long":
		_, err := strconv.ParseInt(number.String(), 10, 64)
		ok = isNumber && err == nil
	case "boolean":
		ok = isBool
	case "date":
		_, err := time.Parse(time.RFC3339, text)
		ok = err == nil && strings.HasSuffix(text, "Z")
	case "ip":
		addr, err := netip.ParseAddr(text)
		ok = err == nil && addr.Zone() == ""
	case "geo_point":
		ok = isPoint(value)
	}
	if !ok {
		c.wrong("%s: %v is no %s", path, value, kind)
	}
	if list := c.v.allowed[path]; list != nil && !slices.Contains(list, text) {
		c.wrong("%s: %q is not allowed", path, text)
	}
	c.values[path] = append(c.values[path], text)
}

func isPoint(value any) bool {
	o, ok := value.(map[string]any)
	if !ok || len(o) != 2 {
		return false
	}
	within := func(v any, limit float64) bool {
		n, ok := v.(json.Number)
		f, err := n.Float64()
		return ok && err == nil && f >= -limit && f <= limit
	}
	return within(o["lat"], 90) && within(o["lon"], 180)
}

// ours checks what is not of ECS: a key has values of one type for ever.
func (c *checker) ours(path string, value any) {
	kind := ""
	switch x := value.(type) {
	case map[string]any:
		c.objectOfOurs(path, x)
		return
	case []any:
		if len(x) == 0 {
			c.wrong("%s is empty", path)
		}
		for _, one := range x {
			if _, nested := one.([]any); nested {
				c.wrong("%s: a list in a list", path)
			}
			c.ours(path, one)
		}
		return
	case string:
		kind = "text"
	case bool:
		kind = "boolean"
	case json.Number:
		kind = "number"
	default:
		kind = "null"
	}
	c.v.seen[path] = true
	if first, ok := c.v.own[path]; ok && first != kind {
		c.wrong("%s: a %s, was a %s", path, kind, first)
	}
	c.v.own[path] = kind
	if kind == "null" || value == "" {
		c.wrong("%s: %v", path, value)
	}
}

func (c *checker) objectOfOurs(path string, o map[string]any) {
	if len(o) == 0 {
		c.wrong("%s is empty", path)
	}
	for name, value := range o {
		c.ours(path+"."+name, value)
	}
}

// repeated finds members that an object has twice: encoding/json takes the last,
// Elasticsearch refuses the document.
func repeated(document []byte) (problems []string) {
	d := json.NewDecoder(bytes.NewReader(document))
	var open []map[string]bool // nil: a list
	isName := false
	for {
		token, err := d.Token()
		if err != nil {
			return problems
		}
		inObject := len(open) > 0 && open[len(open)-1] != nil
		switch name, isText := token.(string); {
		case inObject && isName && isText:
			if open[len(open)-1][name] {
				problems = append(problems, name+" is there twice")
			}
			open[len(open)-1][name] = true
			isName = false
			continue
		case token == json.Delim('{'):
			open, isName = append(open, map[string]bool{}), true
			continue
		case token == json.Delim('['):
			open = append(open, nil)
			continue
		case token == json.Delim('}') || token == json.Delim(']'):
			open = open[:len(open)-1]
		}
		isName = len(open) > 0 && open[len(open)-1] != nil
	}
}
