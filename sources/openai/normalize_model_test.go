package openai

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
	"auditlog-connector/sources/openai/auditlog"
)

// filler gives every field of the model a value of its own.
type filler struct {
	n      int
	values map[string]string // by path
}

func (f *filler) fill(v reflect.Value, path string) {
	f.n++
	switch {
	case v.Type() == reflect.TypeFor[json.RawMessage]():
		f.values[path] = fmt.Sprintf("value-%d-", f.n)
		v.SetBytes(fmt.Appendf(nil, `{"k":{"k":[%q]}}`, f.values[path]))
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), path)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ","); name != "-" {
				f.fill(v.Field(i), strings.TrimPrefix(path+"."+name, "."))
			}
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			f.fill(v.Index(i), fmt.Sprintf("%s.%d", path, i))
		}
	case v.Kind() == reflect.Int64:
		v.SetInt(int64(8_000_000 + f.n))
		f.values[path] = fmt.Sprint(v.Int())
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
		f.values[path] = `"` + path[strings.LastIndex(path, ".")+1:] + `":"true"`
	default:
		v.SetString(fmt.Sprintf("value-%d-", f.n))
		if strings.HasSuffix(path, "ip_address") {
			v.SetString("203.0.113.77")
		}
		f.values[path] = v.String()
	}
}

// flat is the record without the places that hold whatever is served.
func flat(e schemas.AuditEvent) string {
	e.Details, e.Raw = nil, []byte("{}")
	return string(schemas.AppendNormalized(nil, &e))
}

// onlyVerbatim are fields whose values are in details and raw alone, with the reason.
var onlyVerbatim = map[string]string{
	"certificate.deleted certificate": "kilobytes of PEM",
	"api_key.updated data.scopes.0":   "changes_requested has them too, and wins",
	"api_key.updated data.scopes.1":   "changes_requested has them too, and wins",
	"role.bound_to_resource id":       "the same as resource_id",
	"role.unbound_from_resource id":   "the same as resource_id",
}

// The names that normalization reads are those of the model: each field that the
// model has of a payload ends up in a field of the record.
func TestEveryDocumentedFieldHasAPlace(t *testing.T) {
	for _, name := range auditlog.Types() {
		f := filler{values: map[string]string{}}
		details := auditlog.NewDetails(name)
		f.fill(reflect.ValueOf(details).Elem(), "")
		e := normalizeModel(t, &auditlog.Event{ID: "audit_log-1", Type: name, EffectiveAt: 1, Details: details})
		text := flat(e)
		for path, value := range f.values {
			_, verbatim := onlyVerbatim[name+" "+path]
			if found := strings.Contains(text, value) || strings.Contains(text, strings.ReplaceAll(value, `"`, `\"`)); found == verbatim {
				t.Errorf("%s: %s: in the record %v, want %v\n%s", name, path, found, !verbatim, text)
			}
		}
		if e.Problems != nil || !e.KnownType {
			t.Errorf("%s: problems %q", name, e.Problems)
		}
	}
}

func TestEveryFieldOfTheEnvelopeHasAPlace(t *testing.T) {
	for kind, drop := range map[string]func(a *auditlog.Actor){
		"user": func(a *auditlog.Actor) { a.Type, a.APIKey = "session", nil },
		"key of a user": func(a *auditlog.Actor) {
			a.Type, a.Session, a.APIKey.Type, a.APIKey.ServiceAccount = "api_key", nil, "user", nil
		},
		"service_account": func(a *auditlog.Actor) {
			a.Type, a.Session, a.APIKey.Type, a.APIKey.User = "api_key", nil, "service_account", nil
		},
	} {
		f := filler{values: map[string]string{}}
		var event auditlog.Event
		f.fill(reflect.ValueOf(&event.Project).Elem(), "project")
		f.fill(reflect.ValueOf(&event.Actor).Elem(), "actor")
		drop(event.Actor)
		event.ID, event.Type, event.EffectiveAt = "audit_log-1", "login.succeeded", 1
		body, err := auditlog.Append(nil, &event)
		if err != nil {
			t.Fatal(err)
		}
		e := normalizeModel(t, &event)
		text, found := flat(e), 0
		for path, value := range f.values {
			if !strings.Contains(string(body), value) {
				continue // of another kind of actor
			}
			found++
			if !strings.Contains(text, value) {
				t.Errorf("%s: %s is not in the record\n%s", kind, path, text)
			}
		}
		if e.Problems != nil || found < 4 {
			t.Errorf("%s: %d values, problems %q", kind, found, e.Problems)
		}
	}
}

func normalizeModel(t *testing.T, event *auditlog.Event) schemas.AuditEvent {
	t.Helper()
	body, err := auditlog.Append(nil, event)
	if err != nil {
		t.Fatal(err)
	}
	e, err := Normalize("acme", body)
	if err != nil {
		t.Fatal(err)
	}
	return e.Audit
}

// Catalogue and model speak of the same payloads, in the same names.
func TestTheCatalogueIsOfTheModel(t *testing.T) {
	documented := 0
	for _, listed := range schemas.Catalogue().Types() {
		if got := auditlog.NewDetails(listed.Type) != nil; got != listed.Documented {
			t.Errorf("%s: documented in the catalogue %v, in the model %v", listed.Type, listed.Documented, got)
		}
		if !listed.Documented {
			continue
		}
		documented++
		fields := auditlog.Fields(listed.Type)
		for _, p := range append([]schemas.Path{listed.ObjectIDPath, listed.TargetUserPath}, listed.ObjectNamePath...) {
			in := fields
			if p.Root {
				in = auditlog.EnvelopeFields()
			}
			if !p.IsZero() && !slices.ContainsFunc(in, func(f auditlog.Field) bool {
				return f.Path == p.String() || f.Type == "any" && strings.HasPrefix(p.String(), f.Path+".")
			}) {
				t.Errorf("%s: the model has no %s", listed.Type, p)
			}
		}
		for _, name := range flatChanges[listed.Type] {
			if !slices.ContainsFunc(fields, func(f auditlog.Field) bool { return f.Path == name }) {
				t.Errorf("%s: the model has no %s", listed.Type, name)
			}
		}
		for _, r := range related[listed.Type] {
			if !slices.ContainsFunc(fields, func(f auditlog.Field) bool { return f.Path == r.path.String() }) {
				t.Errorf("%s: the model has no %s", listed.Type, r.path)
			}
		}
	}
	if documented != len(auditlog.Types()) {
		t.Errorf("%d documented types in the catalogue, %d in the model", documented, len(auditlog.Types()))
	}
}

// invented normalizes n events of the simulator, odd and unknown ones among them.
func invented(t *testing.T, n int, look func(e schemas.AuditEvent, body []byte)) {
	t.Helper()
	const seed = 11
	server, err := openaisim.New(openaisim.Config{Seed: seed, Events: n, Odd: 0.05, Unknown: 0.02})
	if err != nil {
		t.Fatal(err)
	}
	for e := range server.Events() {
		look(normalize("acme", pipeline.Raw{Position: pipeline.Position{ID: e.ID, Time: e.EffectiveAt}, Body: e.Body}).Audit, e.Body)
	}
	if t.Failed() {
		t.Logf("seed %d", seed)
	}
}

func TestTargetsAreNamedWhereThePayloadHasThem(t *testing.T) {
	unnamed := map[string]int{}
	look := func(e schemas.AuditEvent, body []byte) {
		listed := schemas.Catalogue().Lookup(e.EventType)
		if missing := missingTarget(listed, e); missing != "" {
			unnamed[e.EventType]++
			if listed.Documented && listed.TargetUnknown == "" && len(e.Problems) == 0 {
				t.Errorf("%s: no %s, no reason, and no problem: %s", e.EventType, missing, body)
			}
		}
		for _, target := range e.Targets {
			if target.Type == "" || target.ID == "" && target.Name == "" {
				t.Errorf("%s: target %+v", e.EventType, target)
			}
		}
	}
	for _, s := range samples(t) {
		look(normalize("acme", s.raw).Audit, s.raw.Body)
	}
	invented(t, 10_000, look)
	look(normalizeText(`{"id":"audit_log-1","type":"role.assignment.created","role.assignment.created":{"id":"x","principal_id":"user-1","principal_type":"user"}}`), nil)
	for _, listed := range schemas.Catalogue().Types() {
		if listed.TargetUnknown != "" && unnamed[listed.Type] == 0 && listed.Type != "role.assignment.deleted" {
			t.Errorf("%s: there is a reason for naming no target, and it always names one", listed.Type)
		}
	}
}

// missingTarget says what of the type's targets the record does not name.
func missingTarget(listed *schemas.EventType, e schemas.AuditEvent) string {
	switch {
	case len(e.Targets) == 0:
		return "target"
	case listed.Action == "assign" || listed.Action == "unassign":
		if !slices.ContainsFunc(e.Targets, func(t schemas.Target) bool { return t.Type == "role" }) {
			return "role"
		}
	}
	return ""
}
