package strictyaml

import (
	"errors"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// longestQuoted is how much of a wrong value a message repeats. A key that was
// put in the wrong place is longer.
const longestQuoted = 40

// scalar decodes one value. Its messages quote the text as written, and only if
// it is short, holds no variable and its type is not read later (a secret).
func (d *decoder) scalar(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		d.add(n, path, "want "+wanted(v)+", got "+kindName(n), "")
		return
	}
	if du, ok := v.Addr().Interface().(DeferredUnmarshaler); ok {
		d.deferred(n, path, du)
		return
	}
	text, err := d.x.Expand(n.Value)
	if err != nil {
		d.add(n, path, err.Error(), "")
		return
	}
	if err := set(v, text); err != nil {
		message, hint := err.Error(), ""
		var fe FieldError
		if errors.As(err, &fe) {
			message, hint = fe.Err.Error(), fe.Hint
		}
		switch {
		case text != n.Value:
			// What a variable holds is nobody's business, hints included.
			message, hint = "the value of "+n.Value+" cannot be used as "+wanted(v), ""
		case len(text) > longestQuoted:
			message, hint = "the value cannot be used as "+wanted(v), ""
		case !strings.HasPrefix(message, strconv.Quote(text)):
			message = strconv.Quote(text) + ": " + message
		}
		d.add(n, path, message, hint)
		return
	}
	d.warn(n, path, v.Addr().Interface())
}

func (d *decoder) deferred(n *yaml.Node, path string, du DeferredUnmarshaler) {
	if err := du.UnmarshalDeferred(n.Value, d.x); err != nil {
		d.add(n, path, err.Error(), "")
		return
	}
	if d.x.Deferred {
		switch text, err := d.x.Expand(n.Value); {
		case err != nil:
			d.add(n, path, err.Error(), "")
			return
		case text == "" && n.Value != "":
			d.add(n, path, n.Value+" is empty", "")
			return
		}
	}
	d.warn(n, path, du)
}

func (d *decoder) warn(n *yaml.Node, path string, v any) {
	if w, ok := v.(Warner); ok {
		if message, hint := w.Warning(); message != "" {
			d.add(n, path, message, hint)
			d.problems[len(d.problems)-1].Warning = true
		}
	}
}

// wanted names the type of v to a user.
func wanted(v reflect.Value) string {
	switch {
	case v.Type() == durationType:
		return "a duration"
	case v.Type() == reflect.TypeFor[Size]():
		return "a size"
	}
	switch v.Kind() {
	case reflect.Bool:
		return "on or off"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "a single value"
	}
}

// set stores text in v, or leaves v as it is and says what is wrong with text.
func set(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(ScalarUnmarshaler); ok {
		return u.UnmarshalScalar(text)
	}
	if v.Type() == durationType {
		d, err := parseDuration(text)
		return store(err, func() { v.SetInt(int64(d)) })
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Bool:
		b, err := parseBool(text)
		return store(err, func() { v.SetBool(b) })
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, err := parseInt(text, v.Type().Bits())
		return store(err, func() { v.SetInt(i) })
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		u, err := parseUint(text, v.Type().Bits())
		return store(err, func() { v.SetUint(u) })
	case reflect.Float32, reflect.Float64:
		f, err := parseFloat(text, v.Type().Bits())
		return store(err, func() { v.SetFloat(f) })
	}
	panic("strictyaml: cannot decode into " + v.Type().String())
}

func store(err error, set func()) error {
	if err == nil {
		set()
	}
	return err
}
