package auditlog_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/respjson"

	"auditlog-connector/sources/openai/auditlog"
)

type sdkEvent = openai.AdminOrganizationAuditLogListResponse

// The model has the fields of OpenAI's client, and says of every other that it is
// not documented.
func TestTheModelHasTheFieldsOfTheSDK(t *testing.T) {
	want := map[string]string{}
	for name, f := range sdkMembers(reflect.TypeFor[sdkEvent]()) {
		sdkFields(want, f, name)
	}
	got := map[string]string{}
	for _, f := range auditlog.EnvelopeFields() {
		if f.Documented {
			got[f.Path] = f.Type
		}
	}
	for _, name := range auditlog.Types() {
		fields := auditlog.Fields(name)
		if len(fields) == 0 {
			got[name] = "any"
		}
		for _, f := range fields {
			if f.Documented {
				got[name+"."+f.Path] = f.Type
			}
		}
	}
	for path, typ := range want {
		if got[path] != typ {
			t.Errorf("%s: got %q, the SDK has %q", path, got[path], typ)
		}
	}
	for path := range got {
		if want[path] == "" {
			t.Errorf("%s: the SDK does not have it; is it documented?", path)
		}
	}
	if len(want) < 170 {
		t.Errorf("the SDK has only %d fields", len(want))
	}
}

// sdkMembers returns the members of one of the SDK's structs by name.
func sdkMembers(t reflect.Type) map[string]reflect.Type {
	members := map[string]reflect.Type{}
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
			members[name] = t.Field(i).Type
		}
	}
	return members
}

func sdkFields(all map[string]string, t reflect.Type, path string) {
	switch {
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		sdkFields(all, t.Elem(), path+"[]")
	case t.Kind() == reflect.Struct:
		for name, f := range sdkMembers(t) {
			sdkFields(all, f, path+"."+name)
		}
	default:
		all[path] = map[reflect.Kind]string{
			reflect.String: "string", reflect.Int64: "integer", reflect.Bool: "boolean",
			reflect.Slice: "list of strings", reflect.Interface: "any",
		}[t.Kind()]
	}
}

func TestSamplesDecodeToTheValuesOfTheSDK(t *testing.T) {
	compared := 0
	for name, body := range samples(t) {
		e, err := auditlog.Decode(body)
		if err != nil {
			t.Fatal(err)
		}
		var sdk sdkEvent
		if err := json.Unmarshal(body, &sdk); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		sdkValues(t, want, reflect.ValueOf(sdk), "")
		got := map[string]string{}
		ourValues(t, got, reflect.ValueOf(*e), "")
		details := reflect.ValueOf(e.Details)
		if details.Kind() == reflect.Pointer && details.Elem().NumField() > 1 {
			ourValues(t, got, details.Elem(), e.Type+".")
		} else if details.Kind() == reflect.Pointer { // nothing but Extra
			got[e.Type] = "map[]"
		}
		// The SDK knows nothing of the older name and puts it with the unknown.
		if strings.HasPrefix(e.Type, "checkpoint_permission.") {
			maps.DeleteFunc(got, func(path, _ string) bool { return strings.HasPrefix(path, e.Type+".") })
		}
		if !maps.Equal(got, want) {
			for _, path := range slices.Sorted(maps.Keys(want)) {
				if got[path] != want[path] {
					t.Errorf("%s: %s: got %q, the SDK %q", name, path, got[path], want[path])
				}
				delete(got, path)
			}
			for path, v := range got {
				t.Errorf("%s: %s: got %q, the SDK nothing", name, path, v)
			}
		}
		compared += len(want)
	}
	if compared < 1400 {
		t.Errorf("only %d values compared", compared)
	}
}

// sdkValues adds what the SDK found in an entry, by path.
func sdkValues(t *testing.T, all map[string]string, v reflect.Value, path string) {
	meta := v.FieldByName("JSON")
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" || !meta.FieldByName(f.Name).Interface().(respjson.Field).Valid() {
			continue
		}
		switch fv := v.Field(i); {
		case fv.Kind() == reflect.Struct:
			sdkValues(t, all, fv, path+name+".")
		case fv.Kind() == reflect.Slice && fv.Type().Elem().Kind() == reflect.Struct:
			for j := range fv.Len() {
				sdkValues(t, all, fv.Index(j), path+name+"."+strconv.Itoa(j)+".")
			}
		default:
			all[path+name] = jsonText(t, fv.Interface())
		}
	}
}

// ourValues adds what the documented fields hold, by path.
func ourValues(t *testing.T, all map[string]string, v reflect.Value, path string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		fv := v.Field(i)
		if name == "-" || fv.IsZero() || f.Tag.Get("audit") == "undocumented" {
			continue
		}
		if fv.Kind() == reflect.Pointer {
			fv = fv.Elem()
		}
		switch {
		case fv.Kind() == reflect.Struct:
			ourValues(t, all, fv, path+name+".")
		case fv.Kind() == reflect.Slice && fv.Type().Elem().Kind() == reflect.Struct:
			for j := range fv.Len() {
				ourValues(t, all, fv.Index(j), path+name+"."+strconv.Itoa(j)+".")
			}
		default:
			all[path+name] = jsonText(t, fv.Interface())
		}
	}
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var any any
	if err := json.Unmarshal(text, &any); err != nil { // so that keys are sorted in both
		t.Fatal(err)
	}
	return fmt.Sprint(any)
}
