package rawjson

import "unicode/utf8"

// Kind is what a value is.
type Kind uint8

// The kinds. Invalid is the kind of a value that is not there.
const (
	Invalid Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// Doc is a parsed text. The zero value has nothing in it; [Doc.Reset] parses
// another text and makes use of the memory again. It is used by one goroutine at a
// time, and not copied.
type Doc struct {
	src    []byte
	kept   keeper // of the strings that were read
	nodes  []node
	valid  bool // UTF-8
	spaced bool
	deep   int
	open   []byte
}

// Parse reads src, which has to stay as it is while the document is in use.
func Parse(src []byte) (*Doc, error) {
	d := &Doc{}
	if err := d.Reset(src); err != nil {
		return nil, err
	}
	return d, nil
}

// Reset makes d the document of src, which has to stay as it is while d is in
// use. Values of the document before are no longer usable; strings are.
func (d *Doc) Reset(src []byte) error {
	s := scanner{src: src, open: d.open[:0], nodes: d.nodes[:0], keep: true}
	err := s.run()
	d.src, d.nodes, d.open = src, s.nodes, s.open
	d.spaced, d.deep, d.valid = s.spaced, s.deep, utf8.Valid(src)
	if err != nil {
		d.nodes = d.nodes[:0]
	}
	return err
}

// Clear lets go of the text and keeps the memory for the next one.
func (d *Doc) Clear() { d.src, d.nodes = nil, d.nodes[:0] }

// ValidUTF8 reports whether the whole text is valid UTF-8.
func (d *Doc) ValidUTF8() bool { return d.valid }

// Spaced reports whether there is white space between the text's tokens.
func (d *Doc) Spaced() bool { return d.spaced }

// Depth returns how deep arrays and objects lie within one another.
func (d *Doc) Depth() int { return d.deep }

// Root returns the document's value.
func (d *Doc) Root() Value {
	if len(d.nodes) == 0 {
		return Value{}
	}
	return Value{d: d, i: 0}
}

// Value is one value of a document. The zero value is none: its kind is Invalid
// and everything asked of it is empty.
type Value struct {
	d *Doc
	i int32
}

func (v Value) node() *node { return &v.d.nodes[v.i] }

// Kind returns the value's kind.
func (v Value) Kind() Kind {
	if v.d == nil {
		return Invalid
	}
	return v.node().kind
}

// Exists reports whether there is a value, and it is not null.
func (v Value) Exists() bool { return v.Kind() > Null }

// Bytes returns the value's text as it stands, shared with the document.
func (v Value) Bytes() []byte {
	if v.d == nil {
		return nil
	}
	n := v.node()
	return v.d.src[n.start:n.end:n.end]
}

// ValidBytes returns the value's text as it stands, shared with the document if it
// is valid UTF-8, else a copy with U+FFFD for what is not.
func (v Value) ValidBytes() []byte {
	b := v.Bytes()
	if v.d == nil || v.d.valid {
		return b
	}
	return AppendValid(make([]byte, 0, len(b)), b)
}

// First returns the first member or element of an object or array.
//
//	for c := v.First(); c.Kind() != rawjson.Invalid; c = c.Next(v) {
func (v Value) First() Value {
	if v.d == nil || v.node().next == v.i+1 {
		return Value{}
	}
	return Value{d: v.d, i: v.i + 1}
}

// Next returns the member or element of parent that follows v.
func (v Value) Next(parent Value) Value {
	if v.d == nil {
		return Value{}
	}
	next := v.node().next
	if next >= parent.node().next {
		return Value{}
	}
	return Value{d: v.d, i: next}
}

// Get returns the last member of that name; of what is no object, none.
func (v Value) Get(name string) Value {
	if v.Kind() != Object {
		return Value{}
	}
	d, found := v.d, int32(0)
	for i, end := v.i+1, d.nodes[v.i].next; i < end; i = d.nodes[i].next {
		n := &d.nodes[i]
		switch {
		case n.keyEscaped || !d.valid:
			if string(appendUnquoted(nil, d.src[n.key:n.keyEnd])) == name {
				found = i
			}
		case int(n.keyEnd-n.key) == len(name) && string(d.src[n.key:n.keyEnd]) == name:
			found = i
		}
	}
	if found == 0 { // the root is nobody's member
		return Value{}
	}
	return Value{d: d, i: found}
}

// Key returns the member's name.
func (v Value) Key() string {
	if v.d == nil {
		return ""
	}
	n := v.node()
	return v.d.str(n.key, n.keyEnd, n.keyEscaped)
}

// Text returns what a string says, and a number or a boolean as it is spelled; of
// anything else it returns the empty string.
func (v Value) Text() string {
	switch v.Kind() {
	case String:
		n := v.node()
		return v.d.str(n.start+1, n.end-1, n.escaped)
	case Number, Bool:
		n := v.node()
		return v.d.str(n.start, n.end, false)
	}
	return ""
}

// Is reports whether [Value.Text] returns s, for a value that is a string, a
// number or a boolean.
func (v Value) Is(s string) bool {
	switch v.Kind() {
	case Invalid, Null, Array, Object:
		return false
	case String:
		if n := v.node(); !n.escaped && v.d.valid {
			return string(v.d.src[n.start+1:n.end-1]) == s
		}
	}
	return v.Text() == s
}

// Compact returns the value's JSON text without white space between tokens, as
// valid UTF-8.
func (v Value) Compact() string {
	if v.d == nil {
		return ""
	}
	n := v.node()
	if n.kind < Array || !v.d.spaced {
		return v.d.str(n.start, n.end, false)
	}
	b := AppendCompact(make([]byte, 0, n.end-n.start), v.Bytes())
	if !v.d.valid {
		b = AppendValid(make([]byte, 0, len(b)), b)
	}
	return string(b)
}

// str returns src[start:end] as a string of valid UTF-8.
func (d *Doc) str(start, end int32, escaped bool) string {
	switch {
	case !escaped && d.valid:
		return d.kept.keep(d.src[start:end])
	case !escaped:
		return string(AppendValid(nil, d.src[start:end]))
	}
	return string(appendUnquoted(make([]byte, 0, end-start), d.src[start:end]))
}
