package ocsf_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// tables are the classes, objects and types of the schema, as published.
type tables struct {
	version string
	types   map[string]*dataType
	classes map[string]*object
	objects map[string]*object
	opaque  []string // objects that the tables do not resolve
}

type dataType struct {
	Regex  string
	MaxLen int `json:"max_len"`
	Range  []int64
	re     *regexp.Regexp
}

// object is a class or an object.
type object struct {
	Caption      string
	CategoryUID  int      `json:"category_uid"`
	CategoryName string   `json:"category_name"`
	Profiles     []string // of a class: those it may be combined with
	Constraints  map[string][]string
	Attributes   map[string]*attribute
}

type attribute struct {
	Type        string
	BaseType    string `json:"base_type"`
	ObjectType  string `json:"object_type"`
	Requirement string
	IsArray     bool `json:"is_array"`
	Profile     string
	Enum        map[string]string
	Sibling     string
	Observable  int
	Deprecated  string `json:"deprecated_since"`
}

var loadTables = sync.OnceValues(func() (*tables, error) {
	var classes struct {
		Meta    struct{ Version string } `json:"_meta"`
		Types   map[string]*dataType
		Classes map[string]*object
	}
	var objects struct {
		Meta struct {
			Opaque []string `json:"opaque_objects"`
		} `json:"_meta"`
		Objects map[string]*object
	}
	for name, into := range map[string]any{"testdata/ocsf-classes.json": &classes, "testdata/ocsf-objects.json": &objects} {
		text, err := os.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	for _, t := range classes.Types {
		if t.Regex != "" {
			re, err := regexp.Compile(t.Regex)
			if err != nil {
				return nil, err
			}
			t.re = re
		}
	}
	return &tables{classes.Meta.Version, classes.Types, classes.Classes, objects.Objects, objects.Meta.Opaque}, nil
})

// validate returns what is wrong with a document, by the tables alone.
func validate(t testing.TB, doc map[string]any) []string {
	t.Helper()
	tables, err := loadTables()
	if err != nil {
		t.Fatal(err)
	}
	v := validator{tables: tables}
	v.document(doc)
	return v.problems
}

type validator struct {
	*tables
	profiles []string
	problems []string
	observed map[string][]seenValue // every scalar, by the path that an observable has for it
}

// seenValue is a scalar of the document and the observable that its attribute is.
type seenValue struct {
	text string
	kind int // 0: the tables do not say
}

func (v *validator) fail(path, format string, args ...any) {
	v.problems = append(v.problems, strings.TrimPrefix(path, ".")+": "+fmt.Sprintf(format, args...))
}

func (v *validator) document(doc map[string]any) {
	v.observed = make(map[string][]seenValue)
	class := v.classes[fmt.Sprint(doc["class_uid"])]
	if class == nil {
		v.fail("class_uid", "there is no class %v", doc["class_uid"])
		return
	}
	if version := at(doc, "metadata.version"); version != v.version {
		v.fail("metadata.version", "%v, want %s", version, v.version)
	}
	profiles, _ := at(doc, "metadata.profiles").([]any)
	for _, p := range profiles {
		name, _ := p.(string)
		if !slices.Contains(class.Profiles, name) {
			v.fail("metadata.profiles", "the class has no profile %q", name)
		}
		v.profiles = append(v.profiles, name)
	}
	v.object("", class, doc)

	activity, _ := strconv.Atoi(fmt.Sprint(doc["activity_id"]))
	uid, _ := strconv.Atoi(fmt.Sprint(doc["class_uid"]))
	if want := strconv.Itoa(uid*100 + activity); fmt.Sprint(doc["type_uid"]) != want {
		v.fail("type_uid", "%v, want %s", doc["type_uid"], want)
	}
	if fmt.Sprint(doc["category_uid"]) != strconv.Itoa(class.CategoryUID) {
		v.fail("category_uid", "%v, want %d", doc["category_uid"], class.CategoryUID)
	}
	v.observables(doc)
}

func (v *validator) object(path string, o *object, value map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(value)) {
		a := o.Attributes[name]
		switch {
		case a == nil:
			v.fail(path+"."+name, "no such attribute")
			continue
		case a.Profile != "" && !slices.Contains(v.profiles, a.Profile):
			v.fail(path+"."+name, "belongs to the profile %s, which is not declared", a.Profile)
		case a.Deprecated != "":
			v.fail(path+"."+name, "deprecated since %s", a.Deprecated)
		}
		v.attribute(path+"."+name, a, value[name])
		v.sibling(path, name, a, value)
	}
	for name, a := range o.Attributes {
		active := a.Profile == "" || slices.Contains(v.profiles, a.Profile)
		if _, ok := value[name]; !ok && active && a.Requirement == "required" {
			v.fail(path+"."+name, "missing")
		}
	}
	for rule, names := range o.Constraints {
		n := 0
		for _, name := range names {
			if _, ok := value[name]; ok {
				n++
			}
		}
		switch {
		case rule == "at_least_one" && n > 0, rule == "just_one" && n == 1:
		default:
			v.fail(path, "%s of %v: %d", rule, names, n)
		}
	}
}

// sibling compares an enum with the caption beside it.
func (v *validator) sibling(path, name string, a *attribute, value map[string]any) {
	if a.Enum == nil || a.Sibling == "" {
		return
	}
	id := fmt.Sprint(value[name])
	text, ok := value[a.Sibling].(string)
	switch {
	case id == "99" && text == "":
		v.fail(path+"."+a.Sibling, "missing, and %s is 99", name)
	case id == "99":
	case ok && text != a.Enum[id]:
		v.fail(path+"."+a.Sibling, "%q, want %q", text, a.Enum[id])
	}
}

func (v *validator) attribute(path string, a *attribute, value any) {
	if !a.IsArray {
		v.value(path, a, value)
		return
	}
	list, ok := value.([]any)
	if !ok {
		v.fail(path, "not an array")
		return
	}
	if len(list) == 0 {
		v.fail(path, "empty")
	}
	for _, e := range list {
		v.value(path+"[]", a, e)
	}
}

func (v *validator) value(path string, a *attribute, value any) {
	if a.Enum != nil {
		if _, ok := a.Enum[fmt.Sprint(value)]; !ok {
			v.fail(path, "%v is none of the values", value)
		}
	}
	switch a.BaseType {
	case "", "object_t":
		v.nested(path, a, value)
	case "json_t":
		v.embedded(path, value)
	case "boolean_t":
		if _, ok := value.(bool); !ok {
			v.fail(path, "%v is no boolean", value)
		}
	case "string_t":
		v.text(path, a, value)
	default:
		v.number(path, a, value)
	}
}

func (v *validator) nested(path string, a *attribute, value any) {
	m, ok := value.(map[string]any)
	o := v.objects[a.ObjectType]
	switch {
	case !ok:
		v.fail(path, "%v is no object", value)
	case o == nil:
		v.fail(path, "an object %s, which the tables do not resolve", a.ObjectType)
	case len(o.Attributes) > 0:
		v.object(path, o, m)
	default:
		v.embedded(path, value)
	}
}

// embedded notes the scalars below a value of any form.
func (v *validator) embedded(path string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for name, m := range value {
			v.embedded(path+"."+name, m)
		}
	case []any:
		for _, e := range value {
			v.embedded(path+"[]", e)
		}
	case string:
		v.note(path, value, 0)
	}
}

func (v *validator) note(path, text string, kind int) {
	path = strings.TrimPrefix(path, ".")
	v.observed[path] = append(v.observed[path], seenValue{text, kind})
}

// observableTypes are the types whose values are observables, by the dictionary of
// the schema, which the tables do not have.
var observableTypes = map[string]int{"ip_t": 2, "username_t": 4, "email_t": 5, "file_hash_t": 8, "resource_uid_t": 10, "subnet_t": 12}

func (v *validator) text(path string, a *attribute, value any) {
	s, ok := value.(string)
	if !ok {
		v.fail(path, "%v is no string", value)
		return
	}
	if s == "" {
		v.fail(path, "empty")
	}
	t := v.types[a.Type]
	if t.re != nil && !t.re.MatchString(s) {
		v.fail(path, "%q is no %s", s, a.Type)
	}
	if t.MaxLen > 0 && len(s) > t.MaxLen {
		v.fail(path, "%q is longer than %d", s, t.MaxLen)
	}
	kind := a.Observable
	if kind == 0 {
		kind = observableTypes[a.Type]
	}
	v.note(path, s, kind)
}

func (v *validator) number(path string, a *attribute, value any) {
	text, ok := value.(json.Number)
	if !ok {
		v.fail(path, "%v is no number", value)
		return
	}
	if a.BaseType == "float_t" {
		if _, err := text.Float64(); err != nil {
			v.fail(path, "%s is no float", text)
		}
		return
	}
	n, err := text.Int64()
	if err != nil || a.BaseType == "integer_t" && (n > math.MaxInt32 || n < math.MinInt32) {
		v.fail(path, "%s is no %s", text, a.BaseType)
	}
	if r := v.types[a.Type].Range; r != nil && (n < r[0] || n > r[1]) {
		v.fail(path, "%d is not in %v", n, r)
	}
}

// observables checks that each names a value of the document, and what it is.
func (v *validator) observables(doc map[string]any) {
	list, _ := doc["observables"].([]any)
	for _, o := range list {
		name, _ := at(o, "name").(string)
		value, _ := at(o, "value").(string)
		values := v.observed[name]
		i := slices.IndexFunc(values, func(s seenValue) bool { return s.text == value })
		if i < 0 {
			v.fail("observables", "%s has no value %q", name, value)
			continue
		}
		if id := fmt.Sprint(at(o, "type_id")); values[i].kind != 0 && id != strconv.Itoa(values[i].kind) {
			v.fail("observables", "%s is of type %s, want %d", name, id, values[i].kind)
		}
	}
}
