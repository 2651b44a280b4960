package charttest

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "rewrite what is generated")

const chart = "../../helm/connector"

// value is one key of values.yaml, with what its comment says.
type value struct {
	path   string
	text   string
	schema map[string]any // what "@schema" adds
	node   *yaml.Node
	keys   []*value // of a map
}

// readValues reads values.yaml with its comments.
func readValues(t *testing.T) *value {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chart, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	root := &value{node: doc.Content[0]}
	readKeys(t, root)
	return root
}

func readKeys(t *testing.T, v *value) {
	t.Helper()
	if v.node.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i < len(v.node.Content); i += 2 {
		key := &value{path: strings.TrimPrefix(v.path+"."+v.node.Content[i].Value, "."), node: v.node.Content[i+1]}
		comment := v.node.Content[i].HeadComment
		for line := range strings.Lines(comment) {
			line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "#"))
			if hint, ok := strings.CutPrefix(line, "@schema "); ok {
				if err := yaml.Unmarshal([]byte(hint), &key.schema); err != nil {
					t.Fatalf("values.yaml: %s: @schema: %v", key.path, err)
				}
				continue
			}
			key.text = strings.TrimSpace(key.text + " " + line)
		}
		readKeys(t, key)
		v.keys = append(v.keys, key)
	}
}

// leaf reports whether the key stands in the table of values: its parts do not.
func (v *value) leaf() bool { return len(v.keys) == 0 }

// schemaOf returns the JSON schema of v: the type of its default, closed maps, and
// what its comment adds.
func (v *value) schemaOf() map[string]any {
	s := make(map[string]any)
	switch v.node.Kind {
	case yaml.MappingNode:
		s["type"] = "object"
		if len(v.keys) == 0 {
			break
		}
		properties := make(map[string]any)
		for _, k := range v.keys {
			properties[k.path[strings.LastIndexByte(k.path, '.')+1:]] = k.schemaOf()
		}
		s["properties"], s["additionalProperties"] = properties, false
	case yaml.SequenceNode:
		s["type"] = "array"
	default:
		s["type"] = map[string]string{"!!str": "string", "!!int": "integer", "!!bool": "boolean"}[v.node.ShortTag()]
	}
	for k, hint := range v.schema {
		s[k] = hint
	}
	if v.text != "" && v.path != "" {
		s["description"] = v.text
	}
	return s
}

func TestValuesSchema(t *testing.T) {
	s := readValues(t).schemaOf()
	s["$schema"] = "http://json-schema.org/draft-07/schema#"
	s["properties"].(map[string]any)["global"] = map[string]any{"type": "object", "description": "Of a parent chart; not used."}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		t.Fatal(err)
	}
	compare(t, filepath.Join(chart, "values.schema.json"), b.String())
}

const (
	valuesBegin = "<!-- values: begin, made from values.yaml -->\n"
	valuesEnd   = "<!-- values: end -->\n"
)

func TestValuesReference(t *testing.T) {
	var b strings.Builder
	b.WriteString("\n| value | default | what it is |\n| --- | --- | --- |\n")
	var write func(v *value)
	write = func(v *value) {
		if v.path != "" && (v.leaf() || v.text != "") {
			shown := ""
			if v.leaf() {
				shown = "`" + flow(t, v.node) + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.path, shown, strings.ReplaceAll(v.text, "|", "\\|"))
		}
		for _, k := range v.keys {
			write(k)
		}
	}
	write(readValues(t))
	b.WriteString("\n")
	file := filepath.Join(chart, "README.md")
	readme, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(readme), valuesBegin)
	_, after, ok2 := strings.Cut(rest, valuesEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the lines between which its values stand", file)
	}
	compare(t, file, before+valuesBegin+b.String()+valuesEnd+after)
}

// flow writes a default on one line.
func flow(t *testing.T, n *yaml.Node) string {
	t.Helper()
	var v any
	if err := n.Decode(&v); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

func TestEveryValueIsExplained(t *testing.T) {
	var look func(v *value)
	look = func(v *value) {
		if v.leaf() && v.text == "" && !strings.HasPrefix(v.path, "resources.") {
			t.Errorf("values.yaml: %s has no comment", v.path)
		}
		for _, k := range v.keys {
			look(k)
		}
	}
	look(readValues(t))
}

// compare compares a generated file with what it should be, or writes it with -update.
func compare(t *testing.T, file, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what values.yaml says (%v); rewrite it: go test ./internal/charttest -run TestValues -update", file, err)
	}
}
