package rawjson

import "strings"

// Path leads from an object to a value below it: names separated by dots. One
// name may end in [], which stands for every element of that array; what follows
// then leads from the element.
type Path struct {
	text   string
	names  []string // up to the value, or the array
	within []string // from an element to the value
	each   bool
}

// ParsePath reads the text form.
func ParsePath(s string) Path {
	p := Path{text: s}
	if s == "" {
		return p
	}
	before, within, each := strings.Cut(s, "[]")
	p.names, p.each = strings.Split(before, "."), each
	if within = strings.TrimPrefix(within, "."); within != "" {
		p.within = strings.Split(within, ".")
	}
	return p
}

// String returns the text form.
func (p Path) String() string { return p.text }

// IsZero reports whether the path is empty.
func (p Path) IsZero() bool { return p.text == "" }

// Each reports whether the path leads to the elements of an array.
func (p Path) Each() bool { return p.each }

// Last returns the last name.
func (p Path) Last() string {
	names := p.names
	if len(p.within) > 0 {
		names = p.within
	}
	if len(names) == 0 {
		return ""
	}
	return names[len(names)-1]
}

// From follows the path from v, up to the array if it has one. Where it ends
// early there is no value.
func (p Path) From(v Value) Value { return follow(v, p.names) }

// Within follows the rest of the path from an element of the array.
func (p Path) Within(element Value) Value { return follow(element, p.within) }

func follow(v Value, names []string) Value {
	for _, name := range names {
		v = v.Get(name)
	}
	return v
}
