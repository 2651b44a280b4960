package auditlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"auditlog-connector/schemas/rawjson"
)

var (
	eventStruct = reflect.TypeFor[Event]()
	rawMessage  = reflect.TypeFor[json.RawMessage]()
)

// isObject reports whether a JSON text is an object's.
func isObject(raw []byte) bool {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	return len(raw) > 0 && raw[0] == '{'
}

// decodeStruct reads a JSON object into the fields of the struct that dst points
// to, and returns the members that none of them holds.
func decodeStruct(b []byte, dst any) (Extra, error) {
	if !isObject(b) {
		if !json.Valid(b) {
			return nil, errors.New("not JSON")
		}
		return nil, errors.New("not an object")
	}
	var members Extra
	if err := json.Unmarshal(b, &members); err != nil {
		return nil, err
	}
	v := reflect.ValueOf(dst).Elem()
	p := planOf(v.Type())
	for name, raw := range members {
		if f := p.field(name); f != nil && set(v.Field(f.index), raw) {
			delete(members, name)
		}
	}
	return members, nil
}

// setStruct reads a JSON object into a struct of the model, and reports whether it
// was one.
func setStruct(v reflect.Value, raw []byte) bool {
	extra, err := decodeStruct(raw, v.Addr().Interface())
	if err != nil {
		return false
	}
	if len(extra) > 0 {
		v.FieldByName("Extra").Set(reflect.ValueOf(extra))
	}
	return true
}

// set reads a value into a field, and reports whether the field holds it: encoded
// again it is the same, and the field is not empty.
func set(v reflect.Value, raw []byte) bool {
	return setAny(v, raw) && !v.IsZero()
}

// setAny is set for where a zero value cannot be mistaken for a missing one.
func setAny(v reflect.Value, raw []byte) bool {
	if v.Type() == rawMessage {
		v.SetBytes(bytes.Clone(raw))
		return true
	}
	if string(raw) == "null" {
		return false
	}
	switch v.Kind() {
	case reflect.Pointer:
		to := reflect.New(v.Type().Elem())
		if !setAny(to.Elem(), raw) {
			return false
		}
		v.Set(to)
		return true
	case reflect.Struct:
		return isObject(raw) && setStruct(v, raw)
	case reflect.Slice:
		return setSlice(v, raw)
	case reflect.String:
		var s string
		// Halves of surrogate pairs and bytes that are not UTF-8 become U+FFFD.
		if json.Unmarshal(raw, &s) != nil || strings.ContainsRune(s, utf8.RuneError) {
			return false
		}
		v.SetString(s)
	case reflect.Int64:
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != string(raw) {
			return false
		}
		v.SetInt(n)
	case reflect.Bool:
		if string(raw) != "true" && string(raw) != "false" {
			return false
		}
		v.SetBool(raw[0] == 't')
	}
	return true
}

func setSlice(v reflect.Value, raw []byte) bool {
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) != nil {
		return false
	}
	s := reflect.MakeSlice(v.Type(), len(elements), len(elements))
	for i, e := range elements {
		if !setAny(s.Index(i), e) {
			return false
		}
	}
	v.Set(s)
	return true
}

// Append appends the JSON text of v, on one line: a pointer to an [Event] or to any
// other struct of this package. The fields come in the order of the struct, then
// Extra by name; a field that is set wins over a member of its name in Extra.
//
// It fails if v is something else, or if the Details of an event are neither nil, a
// [json.RawMessage], nor what [NewDetails] returns for its type. Raw parts have to
// be valid JSON: they are copied.
func Append(dst []byte, v any) ([]byte, error) {
	e, isEvent := v.(*Event)
	r := reflect.ValueOf(v)
	if r.Kind() != reflect.Pointer || r.IsNil() || !isModel(r.Type().Elem()) {
		return nil, fmt.Errorf("encode %T: not a struct of the audit-log model", v)
	}
	if !isEvent || e.Details == nil {
		return appendValue(dst, r.Elem()), nil
	}
	dst = append(dst, '{')
	open := len(dst)
	dst, err := e.appendDetails(appendFields(dst, r.Elem(), open), open)
	if err != nil {
		return nil, fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	return append(appendExtra(dst, r.Elem(), open, e.Type), '}'), nil
}

// appendDetails appends the payload under its name.
func (e *Event) appendDetails(dst []byte, open int) ([]byte, error) {
	if isEnvelope(e.Type) {
		return nil, fmt.Errorf("no details can stand under the type %q", e.Type)
	}
	dst = appendName(dst, e.Type, open)
	if raw, ok := e.Details.(json.RawMessage); ok {
		return append(dst, raw...), nil
	}
	if payloadOf(e.Type) == nil || reflect.TypeOf(e.Details) != reflect.PointerTo(payloadOf(e.Type)) {
		return nil, fmt.Errorf("details of a %s are a %T", e.Type, e.Details)
	}
	return Append(dst, e.Details)
}

// isModel reports whether t is a struct of this package.
func isModel(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.PkgPath() == eventStruct.PkgPath()
}

// appendName appends a member's name; open is where its object's first one stands.
func appendName(dst []byte, name string, open int) []byte {
	if len(dst) > open {
		dst = append(dst, ',')
	}
	return append(rawjson.AppendString(dst, name), ':')
}

func appendFields(dst []byte, v reflect.Value, open int) []byte {
	for _, f := range planOf(v.Type()).fields {
		if fv := v.Field(f.index); !fv.IsZero() {
			dst = appendValue(appendName(dst, f.name, open), fv)
		}
	}
	return dst
}

// appendExtra appends what no field holds, and what is not there already: without
// the fields that are set, and those named.
func appendExtra(dst []byte, v reflect.Value, open int, but ...string) []byte {
	extra := v.FieldByName("Extra").Interface().(Extra)
	if len(extra) == 0 {
		return dst
	}
	p := planOf(v.Type())
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		if f := p.field(name); f != nil && !v.Field(f.index).IsZero() || slices.Contains(but, name) {
			continue
		}
		dst = append(appendName(dst, name, open), extra[name]...)
	}
	return dst
}

func appendValue(dst []byte, v reflect.Value) []byte {
	if v.Type() == rawMessage {
		return append(dst, v.Bytes()...)
	}
	switch v.Kind() {
	case reflect.Pointer:
		return appendValue(dst, v.Elem())
	case reflect.Struct:
		dst = append(dst, '{')
		open := len(dst)
		return append(appendExtra(appendFields(dst, v, open), v, open), '}')
	case reflect.Slice:
		dst = append(dst, '[')
		for i := range v.Len() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, v.Index(i))
		}
		return append(dst, ']')
	case reflect.Int64:
		return strconv.AppendInt(dst, v.Int(), 10)
	case reflect.Bool:
		return strconv.AppendBool(dst, v.Bool())
	default: // a string; a test admits no other kind of field
		return rawjson.AppendString(dst, v.String())
	}
}
