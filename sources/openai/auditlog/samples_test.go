package auditlog_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"auditlog-connector/sources/openai/auditlog"
)

// samples returns one entry per listed type and variants of some, by file.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	const dir = "../testdata/samples"
	all := make(map[string][]byte)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), "_page") {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		all[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 149+30 {
		t.Fatalf("%d samples", len(all))
	}
	return all
}

// value is what a JSON text says; numbers stay as they are spelled.
func value(t testing.TB, text []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%.200q: %v", text, err)
	}
	return v
}

// odd are the samples with something that the model does not have.
var odd = map[string]string{
	"variants/ip-invalid.json":                             "actor.session.ip_address_details.latitude", // empty
	"variants/extra-keys.json":                             "details.data.x_new details.x_new project.x_new source x_new_top",
	"variants/organization.updated.project-ids-array.json": "details.changes_requested.api_call_logging_project_ids",
	"variants/unknown-actor-type.json":                     "actor.workload",
}

func TestSamplesAreInTheModelAndComeBack(t *testing.T) {
	for name, body := range samples(t) {
		e, err := auditlog.Decode(body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		outside := extras(reflect.ValueOf(e), "")
		if string(e.Extra["actor"]) == "null" { // documented, and the same as none
			outside = slices.DeleteFunc(outside, func(path string) bool { return path == "actor" })
		}
		if got := strings.Join(outside, " "); got != odd[name] {
			t.Errorf("%s: members outside the model: %q, want %q", name, got, odd[name])
		}
		text, err := auditlog.Append(nil, e)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(value(t, text), value(t, body)) {
			t.Errorf("%s: came back as %s", name, text)
		}
		again, err := auditlog.Decode(text)
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%s: decoded again %+v, %v", name, again, err)
		}
	}
}

// extras returns where in v there are members that no field holds, sorted.
func extras(v reflect.Value, path string) []string {
	var all []string
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			all = extras(v.Elem(), path)
		}
	case reflect.Slice:
		for i := range v.Len() {
			all = append(all, extras(v.Index(i), path)...)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch f.Name {
			case "Extra":
				for _, k := range v.Field(i).MapKeys() {
					all = append(all, path+k.String())
				}
				continue
			case "Details":
				name = "details"
			}
			all = append(all, extras(v.Field(i), path+name+".")...)
		}
	}
	slices.Sort(all)
	return all
}
