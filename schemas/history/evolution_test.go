package history

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"auditlog-connector/schemas"
)

// avroType is a part of a schema: a name, a union, or an object.
type avroType struct {
	name    string // "string", or that of a record
	record  []avroField
	items   *avroType // of an array or map
	union   []avroType
	aliases []string
}

type avroField struct {
	name       string
	typ        avroType
	hasDefault bool
	aliases    []string
}

// parse reads a schema.
func parse(v any) (avroType, error) {
	switch v := v.(type) {
	case string:
		return avroType{name: v}, nil
	case []any:
		var u avroType
		for _, branch := range v {
			b, err := parse(branch)
			if err != nil {
				return u, err
			}
			u.union = append(u.union, b)
		}
		return u, nil
	case map[string]any:
		return parseObject(v)
	}
	return avroType{}, fmt.Errorf("no schema: %v", v)
}

func parseObject(v map[string]any) (avroType, error) {
	typ := avroType{aliases: texts(v["aliases"])}
	switch kind := v["type"]; kind {
	case "record":
		typ.name, _ = v["name"].(string)
		fields, _ := v["fields"].([]any)
		for _, f := range fields {
			field, ok := f.(map[string]any)
			if !ok {
				return typ, fmt.Errorf("%s: no field: %v", typ.name, f)
			}
			of, err := parse(field["type"])
			if err != nil {
				return typ, err
			}
			_, hasDefault := field["default"]
			typ.record = append(typ.record, avroField{name: field["name"].(string), typ: of, hasDefault: hasDefault, aliases: texts(field["aliases"])})
		}
		return typ, nil
	case "array", "map":
		inner := v["items"]
		if kind == "map" {
			inner = v["values"]
		}
		of, err := parse(inner)
		typ.name, typ.items = kind.(string), &of
		return typ, err
	default:
		of, err := parse(kind)
		if logical, ok := v["logicalType"].(string); ok {
			of.name += " " + logical
		}
		return of, err
	}
}

func texts(v any) []string {
	list, _ := v.([]any)
	var all []string
	for _, e := range list {
		all = append(all, fmt.Sprint(e))
	}
	return all
}

// follows says what is wrong with a version after another one.
func follows(before, after avroType, at string) []string {
	var wrong []string
	fail := func(format string, args ...any) { wrong = append(wrong, at+": "+fmt.Sprintf(format, args...)) }
	if len(after.aliases) > 0 {
		fail("has aliases")
	}
	switch {
	case before.name != after.name:
		fail("was %s, is %s", before.name, after.name)
		return wrong
	case len(before.union) != len(after.union):
		fail("had %d branches, has %d", len(before.union), len(after.union))
		return wrong
	case before.items != nil:
		wrong = append(wrong, follows(*before.items, *after.items, at+"[]")...)
	}
	for i := range before.union {
		wrong = append(wrong, follows(before.union[i], after.union[i], at)...)
	}
	for i, f := range after.record {
		path := strings.TrimPrefix(at+"."+f.name, ".")
		if len(f.aliases) > 0 {
			wrong = append(wrong, path+": has aliases")
		}
		switch {
		case i >= len(before.record):
			if !f.hasDefault {
				wrong = append(wrong, path+": added without a default")
			}
			wrong = append(wrong, follows(f.typ, f.typ, path)...) // aliases within
		case before.record[i].name != f.name:
			wrong = append(wrong, fmt.Sprintf("%s: in the place of %s", path, before.record[i].name))
		default:
			if before.record[i].hasDefault && !f.hasDefault {
				wrong = append(wrong, path+": lost its default")
			}
			wrong = append(wrong, follows(before.record[i].typ, f.typ, path)...)
		}
	}
	if len(after.record) < len(before.record) {
		fail("%d fields are gone", len(before.record)-len(after.record))
	}
	return wrong
}

// names counts the names of types, and of fields by record.
func names(typ avroType, seen map[string]int) {
	for i := range typ.union {
		names(typ.union[i], seen)
	}
	if typ.items != nil {
		names(*typ.items, seen)
	}
	if typ.record != nil {
		seen[typ.name]++
	}
	for _, f := range typ.record {
		seen[typ.name+"."+f.name]++
		names(f.typ, seen)
	}
}

func parseText(t *testing.T, schema string) avroType {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(schema), &v); err != nil {
		t.Fatal(err)
	}
	typ, err := parse(v)
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

// Of two versions that follow one another, readers of each read writers of the
// other; as nothing is ever removed or renamed, no name is used again.
func TestEachVersionFollowsFromTheOneBefore(t *testing.T) {
	before := parseText(t, Versions()[0].Schema)
	for _, v := range Versions() {
		after := parseText(t, v.Schema)
		for _, wrong := range follows(before, after, "") {
			t.Errorf("version %d: %s", v.Number, wrong)
		}
		seen := map[string]int{}
		names(after, seen)
		for name, n := range seen {
			if n > 1 {
				t.Errorf("version %d: %s is used %d times", v.Number, name, n)
			}
		}
		before = after
	}
}

// The test above has to find what breaks readers.
func TestWhatBreaksReadersIsFound(t *testing.T) {
	const asn = `{"name": "asn", "type": ["null", "string"], "default": null}`
	tests := []struct{ name, old, new, want string }{
		{"added with a default", asn, asn + `, {"name": "isp", "type": "string", "default": ""}`, ""},
		{"documentation", `"doc": "As served."`, `"doc": "What happened."`, ""},
		{"added without a default", asn, asn + `, {"name": "isp", "type": "string"}`, "actor.geo.isp: added without a default"},
		{"added in the middle", asn, `{"name": "isp", "type": "string", "default": ""}, ` + asn, "actor.geo.isp: in the place of asn"},
		{"removed", "", "", "fields are gone"},
		{"renamed", `"name": "asn"`, `"name": "as_number"`, "actor.geo.as_number: in the place of asn"},
		{"another type", `{"name": "known_type", "type": "boolean"`, `{"name": "known_type", "type": "string"`, "known_type: was boolean, is string"},
		{"no longer a time", `{"type": "long", "logicalType": "timestamp-millis"}`, `"long"`, "effective_at: was long timestamp-millis, is long"},
		{"now nullable", `{"name": "action", "type": "string"`, `{"name": "action", "type": ["null", "string"]`, "action: was string, is "},
		{"another branch", asn, `{"name": "asn", "type": ["null", "string", "long"], "default": null}`, "actor.geo.asn: had 2 branches, has 3"},
		{"a record renamed", `"name": "Geo"`, `"name": "Place"`, "actor.geo: was Geo, is Place"},
		{"an alias of a field", `"name": "asn"`, `"name": "asn", "aliases": ["as"]`, "actor.geo.asn: has aliases"},
		{"an alias of a record", `"name": "Geo"`, `"name": "Geo", "aliases": ["Place"]`, "actor.geo: has aliases"},
		{"items of another type", `"items": "string"`, `"items": "bytes"`, "problems[]: was string, is bytes"},
		{"a default lost", asn, `{"name": "asn", "type": ["null", "string"]}`, "actor.geo.asn: lost its default"},
	}
	before := parseText(t, schemas.Schema())
	for _, test := range tests {
		text := schemas.Schema()
		if test.name == "removed" {
			i := strings.Index(text, asn)
			text = strings.TrimRight(text[:i], " \n,") + text[i+len(asn):]
		} else if text = strings.Replace(text, test.old, test.new, 1); text == schemas.Schema() {
			t.Fatalf("%s: nothing was changed", test.name)
		}
		wrong := follows(before, parseText(t, text), "")
		if ok := test.want == "" && wrong == nil || test.want != "" && slices.ContainsFunc(wrong, func(w string) bool { return strings.Contains(w, test.want) }); !ok {
			t.Errorf("%s: got %q, want %q", test.name, wrong, test.want)
		}
	}
}
