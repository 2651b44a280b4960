package auditlog

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// plan is what the codec knows of a struct: its fields in order, without Extra and
// Details.
type plan struct {
	fields []planField
	byName map[string]int
}

type planField struct {
	name       string
	index      int
	documented bool
}

// field returns the field of a member; nil: none.
func (p *plan) field(name string) *planField {
	if i, ok := p.byName[name]; ok {
		return &p.fields[i]
	}
	return nil
}

var plans sync.Map // reflect.Type to *plan

func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	p := &plan{byName: make(map[string]int)}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		p.byName[name] = len(p.fields)
		p.fields = append(p.fields, planField{name: name, index: i, documented: f.Tag.Get("audit") != "undocumented"})
	}
	plans.Store(t, p)
	return p
}

// Field is one value of a payload, or of what all entries have.
type Field struct {
	// Path leads to it: names joined by dots, with [] after a list of objects.
	Path string
	// Type is "string", "integer", "boolean", "list of strings" or "any".
	Type string
	// Documented: a specification has it. Others were seen.
	Documented bool
}

// Fields returns the fields of a type's payload, those within objects and lists in
// place of them. It is empty if the payload is not documented, or has no fields.
func Fields(eventType string) []Field {
	t := payloadOf(eventType)
	if t == nil {
		return nil
	}
	return appendFieldsOf(nil, t, "", true)
}

// EnvelopeFields returns the fields of every entry, the payload left out.
func EnvelopeFields() []Field { return appendFieldsOf(nil, eventStruct, "", true) }

func appendFieldsOf(all []Field, t reflect.Type, prefix string, documented bool) []Field {
	for _, f := range planOf(t).fields {
		ft, path := t.Field(f.index).Type, prefix+f.name
		known := documented && f.documented
		list := ft.Kind() == reflect.Slice && ft != rawMessage
		if list {
			ft = ft.Elem()
		}
		if ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		switch {
		case ft.Kind() == reflect.Struct && list:
			all = appendFieldsOf(all, ft, path+"[].", known)
		case ft.Kind() == reflect.Struct:
			all = appendFieldsOf(all, ft, path+".", known)
		default:
			all = append(all, Field{Path: path, Type: nameOf(ft, list), Documented: known})
		}
	}
	return all
}

func nameOf(t reflect.Type, list bool) string {
	if t == rawMessage {
		return "any"
	}
	name := map[reflect.Kind]string{reflect.String: "string", reflect.Int64: "integer", reflect.Bool: "boolean"}[t.Kind()]
	if list {
		return fmt.Sprintf("list of %ss", name)
	}
	return name
}
