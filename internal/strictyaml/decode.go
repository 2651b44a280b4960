package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Parse reads one YAML document. It returns nil without problems for an empty one.
func Parse(text []byte) (*yaml.Node, []Problem) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, []Problem{syntaxProblem(text, err)}
	}
	var more yaml.Node
	if err := d.Decode(&more); err == nil {
		return nil, []Problem{{Line: more.Line, Column: more.Column, Message: "a second document", Hint: "the file is one YAML document"}}
	} else if !errors.Is(err, io.EOF) {
		return nil, []Problem{syntaxProblem(text, err)}
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

var (
	yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)
	// What the YAML library's parser, unlike its scanner, complains of: there it
	// counts lines from 0.
	fromZero = regexp.MustCompile(`^did not find expected (<|node content|'-' indicator|key|',' or)`)
)

func syntaxProblem(text []byte, err error) Problem {
	p := Problem{Line: 1, Column: 1, Message: err.Error()}
	if m := yamlLine.FindStringSubmatch(p.Message); m != nil {
		p.Message = p.Message[len(m[0]):]
		if line, err := strconv.Atoi(m[1]); err == nil {
			p.Line = line
			if fromZero.MatchString(p.Message) {
				p.Line++
			}
			// Where the end is what is wrong, the library may be one line past it.
			p.Line = min(p.Line, 1+max(bytes.Count(text, []byte("\n")), bytes.Count(text, []byte("\r"))))
		}
	}
	p.Message = "not valid YAML: " + p.Message
	return p
}

// Decode fills the struct that into points to from n, which lies at path in its
// document, and returns everything that is wrong. A nil or null n changes
// nothing. What is not in n keeps the value it had; lists and maps are replaced.
//
// Fields are named by their yaml tags; fields without one are left alone. They
// may be strings, booleans, numbers, [time.Duration], [Size], lists, maps by
// string, structs, pointers to these, [yaml.Node] (kept as it is), and types that
// implement [ScalarUnmarshaler] or [DeferredUnmarshaler]. Another type panics.
func Decode(n *yaml.Node, path string, into any, x *Expander) []Problem {
	d := decoder{x: x}
	if d.x == nil {
		d.x = &Expander{}
	}
	if n != nil {
		d.value(n, path, reflect.ValueOf(into).Elem())
	}
	return d.problems
}

// DecodeConfig decodes the struct of one source or sink: defaults (may be nil),
// then n, then validate (may be nil), whose errors may be [FieldError]s. About one
// path it reports what decoding found, or else what validate found.
func DecodeConfig[C any](n *yaml.Node, path string, x *Expander, defaults func() C, validate func(*C) []error) (*C, []Problem) {
	c := new(C)
	if defaults != nil {
		*c = defaults()
	}
	problems := Decode(n, path, c, x)
	if validate == nil {
		return c, problems
	}
	decoded := problems
	for _, p := range Problems(n, path, validate(c)...) {
		said := slices.ContainsFunc(decoded, func(q Problem) bool { return !q.Warning && q.Path == p.Path })
		if !said {
			problems = append(problems, p)
		}
	}
	return c, problems
}

// Defaults returns a function that makes the configuration of [DecodeConfig] where
// nothing is configured.
func Defaults[C any](defaults func() C) func() any {
	return func() any {
		if defaults == nil {
			return *new(C)
		}
		return defaults()
	}
}

type decoder struct {
	x        *Expander
	problems []Problem
}

func (d *decoder) add(n *yaml.Node, path, message, hint string) {
	d.problems = append(d.problems, Problem{Line: n.Line, Column: n.Column, Path: path, Message: message, Hint: hint})
}

var (
	nodeType     = reflect.TypeFor[yaml.Node]()
	durationType = reflect.TypeFor[time.Duration]()
)

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

func (d *decoder) value(n *yaml.Node, path string, v reflect.Value) {
	n = resolve(n)
	if v.Type() == nodeType {
		v.Set(reflect.ValueOf(*n))
		return
	}
	if isNull(n) {
		return
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(n, path, v.Elem())
		return
	}
	switch v.Addr().Interface().(type) {
	case ScalarUnmarshaler, DeferredUnmarshaler:
		d.scalar(n, path, v)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.mapping(n, path, v)
	case reflect.Map:
		d.dictionary(n, path, v)
	case reflect.Slice:
		d.list(n, path, v)
	default:
		d.scalar(n, path, v)
	}
}

func (d *decoder) list(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		hint := ""
		if n.Kind == yaml.ScalarNode {
			hint = "put it in brackets: [ … ]"
		}
		d.add(n, path, "want a list, got "+kindName(n), hint)
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, e := range n.Content {
		if isNull(resolve(e)) {
			d.add(e, Index(path, i), "empty element", "")
			continue
		}
		d.value(e, Index(path, i), list.Index(i))
	}
	v.Set(list)
}

func (d *decoder) dictionary(n *yaml.Node, path string, v reflect.Value) {
	m := reflect.MakeMap(v.Type())
	for _, p := range d.pairs(n, path) {
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(p.value, Join(path, p.name), e)
		m.SetMapIndex(reflect.ValueOf(p.name).Convert(v.Type().Key()), e)
	}
	v.Set(m)
}

func (d *decoder) mapping(n *yaml.Node, path string, v reflect.Value) {
	fields := make(map[string]int)
	var known []string
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			fields[name] = i
			known = append(known, name)
		}
	}
	for _, p := range d.pairs(n, path) {
		i, ok := fields[p.name]
		if !ok {
			d.add(p.key, Join(path, p.name), "unknown key", DidYouMean(p.name, known))
			continue
		}
		d.value(p.value, Join(path, p.name), v.Field(i))
	}
}

type pair struct {
	name       string
	key, value *yaml.Node
}

// pairs returns the entries of a mapping. The first of two alike counts, and
// both count before what is merged in by "<<".
func (d *decoder) pairs(n *yaml.Node, path string) []pair {
	if n.Kind != yaml.MappingNode {
		d.add(n, path, "want a mapping, got "+kindName(n), "")
		return nil
	}
	var pairs, merged []pair
	lines := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch first, twice := lines[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			d.add(key, path, "a key must be a word", "")
		case key.ShortTag() == "!!merge":
			merged = append(merged, d.merge(value, path)...)
		case twice:
			d.add(key, Join(path, key.Value), "key given twice", fmt.Sprintf("first on line %d", first))
		default:
			lines[key.Value] = key.Line
			pairs = append(pairs, pair{key.Value, key, value})
		}
	}
	for _, p := range merged {
		if _, ok := lines[p.name]; !ok {
			lines[p.name] = p.key.Line
			pairs = append(pairs, p)
		}
	}
	return pairs
}

// merge returns the entries of the mapping, or mappings, that "<<" names.
// Merged mappings are not merged into in turn: that could go round in circles.
func (d *decoder) merge(n *yaml.Node, path string) []pair {
	n = resolve(n)
	sources := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		sources = n.Content
	}
	var pairs []pair
	for _, s := range sources {
		s = resolve(s)
		if s.Kind != yaml.MappingNode {
			d.add(s, Join(path, "<<"), "want a mapping, got "+kindName(s), "")
			continue
		}
		for i := 0; i+1 < len(s.Content); i += 2 {
			if key := s.Content[i]; key.ShortTag() == "!!merge" {
				d.add(key, Join(path, "<<"), "a merge inside a merge", "name all mappings in one list: <<: [*a, *b]")
			} else {
				pairs = append(pairs, pair{key.Value, key, s.Content[i+1]})
			}
		}
	}
	return pairs
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	default:
		return "a single value"
	}
}
