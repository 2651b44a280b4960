package ocsf

import (
	"slices"
	"strconv"
	"unicode/utf8"

	"auditlog-connector/schemas/rawjson"
)

// embedDepth is how deep a value may be that is embedded as JSON: the document is
// a few levels more, and readers in Go stop at [rawjson.MaxDepth].
const embedDepth = rawjson.MaxDepth - 100

// writer builds one JSON document. It puts commas by itself: a member or element
// is the first of its kind if an opening bracket was written just before.
type writer struct{ b []byte }

func (w *writer) comma() {
	if c := w.b[len(w.b)-1]; c != '{' && c != '[' {
		w.b = append(w.b, ',')
	}
}

// key begins a member; name needs no escapes.
func (w *writer) key(name string) {
	w.comma()
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

func (w *writer) object(name string) {
	w.key(name)
	w.b = append(w.b, '{')
}

func (w *writer) array(name string) {
	w.key(name)
	w.b = append(w.b, '[')
}

// element begins an object in an array.
func (w *writer) element() {
	w.comma()
	w.b = append(w.b, '{')
}

func (w *writer) endObject() { w.b = append(w.b, '}') }

func (w *writer) endArray() { w.b = append(w.b, ']') }

// text writes a string, and nothing if it is empty.
func (w *writer) text(name, value string) {
	if value != "" {
		w.key(name)
		w.b = rawjson.AppendString(w.b, value)
	}
}

// item writes a string in an array.
func (w *writer) item(value string) {
	w.comma()
	w.b = rawjson.AppendString(w.b, value)
}

func (w *writer) integer(name string, n int64) {
	w.key(name)
	w.b = strconv.AppendInt(w.b, n, 10)
}

func (w *writer) float(name string, f float64) {
	w.key(name)
	w.b = strconv.AppendFloat(w.b, f, 'f', -1, 64)
}

func (w *writer) yes(name string) {
	w.key(name)
	w.b = append(w.b, "true"...)
}

// enum writes a number and, beside it, what it stands for.
func (w *writer) enum(idName string, id int, name, caption string) {
	w.integer(idName, int64(id))
	w.text(name, caption)
}

// member writes a member whose name comes from outside and whose value is JSON
// text, without the white space between its tokens. What is not JSON, or too deep
// to stand in a document, is written as a string.
func (w *writer) member(name, value string) {
	w.comma()
	w.b = rawjson.AppendString(w.b, name)
	w.b = append(w.b, ':')
	start := len(w.b)
	w.b = append(w.b, value...)
	depth, spaced, err := rawjson.Check(w.b[start:])
	switch {
	case err != nil || depth > embedDepth || !utf8.Valid(w.b[start:]):
		w.b = rawjson.AppendString(w.b[:start], value)
	case spaced:
		end := len(w.b)
		w.b = rawjson.AppendCompact(w.b, w.b[start:end])
		w.b = slices.Delete(w.b, start, end)
	}
}

// members writes name and value of each as a member, in the order of the names.
func (w *writer) members(name string, values map[string]string) {
	w.object(name)
	var few [16]string
	names := few[:0]
	for k := range values {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		w.member(k, values[k])
	}
	w.endObject()
}
