package schemas

import (
	"fmt"
	"strings"

	"auditlog-connector/schemas/rawjson"
)

// override is a row that changes a type's row when the payload meets a condition.
type override struct {
	path  Path
	op    string // equals, contains, present, absent
	value string
	cells row
}

// maxOverrides bounds the combinations that are made ahead, one per set of rows.
const maxOverrides = 6

// addVariants makes what t becomes for every combination of its overrides.
func (t *EventType) addVariants() error {
	if len(t.overrides) == 0 {
		return nil
	}
	if len(t.overrides) > maxOverrides {
		return fmt.Errorf("%d overrides of %s, at most %d", len(t.overrides), t.Type, maxOverrides)
	}
	variants := make([]*EventType, 1<<len(t.overrides))
	for hit := range variants {
		v := *t
		v.overrides = nil
		// The first hit wins per column, so the last one is applied first.
		for i := len(t.overrides) - 1; i >= 0; i-- {
			if hit&(1<<i) == 0 {
				continue
			}
			if err := t.overrides[i].cells.apply(&v); err != nil {
				return fmt.Errorf("override of %s: %w", t.Type, err)
			}
		}
		if err := v.derive(); err != nil {
			return err
		}
		variants[hit] = &v
	}
	t.variants = variants
	return nil
}

func (o *override) hits(details rawjson.Value) bool {
	v := o.path.From(details)
	if !o.path.Each() {
		return o.meets(v)
	}
	switch o.op {
	case "present":
		return !empty(v)
	case "absent":
		return empty(v)
	}
	for e := v.First(); e.Kind() != rawjson.Invalid; e = e.Next(v) {
		if o.meets(o.path.Within(e)) {
			return true
		}
	}
	return false
}

func (o *override) meets(v rawjson.Value) bool {
	switch o.op {
	case "equals":
		return v.Is(o.value)
	case "contains":
		return strings.Contains(v.Text(), o.value)
	case "present":
		return !empty(v)
	default: // absent; the loader admits no other
		return empty(v)
	}
}

// empty reports whether a value is missing, null, or has nothing in it.
func empty(v rawjson.Value) bool {
	switch v.Kind() {
	case rawjson.Invalid, rawjson.Null:
		return true
	case rawjson.String:
		return v.Text() == ""
	case rawjson.Array, rawjson.Object:
		return v.First().Kind() == rawjson.Invalid
	}
	return false
}
