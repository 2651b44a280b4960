package ecs

import "auditlog-connector/schemas/rawjson"

const (
	// longest is the longest text that is repeated beside event.original.
	longest = 8 << 10
	// most is how many items a list may have.
	most = 1000
)

// writer appends the members of nested objects to b. A name comes with its quotes
// and its colon; an item of a list has none. What is empty is left out, and so are
// objects and lists with nothing in them.
type writer struct {
	b   []byte
	cut bool // something was left out because it is long
}

// comma separates what follows from what stands before it in the same object or
// list. A text ends with a quote, so a bracket at the end is never part of one.
func (w *writer) comma() {
	if last := w.b[len(w.b)-1]; last != '{' && last != '[' {
		w.b = append(w.b, ',')
	}
}

// object begins an object and returns the mark that end wants.
func (w *writer) object(name string) (mark int) {
	mark = len(w.b)
	w.comma()
	w.b = append(append(w.b, name...), '{')
	return mark
}

// end ends the object that was begun last, or takes it back.
func (w *writer) end(mark int) {
	if w.b[len(w.b)-1] == '{' {
		w.b = w.b[:mark]
		return
	}
	w.b = append(w.b, '}')
}

// list begins a list and returns the mark that endList wants.
func (w *writer) list(name string) (mark int) {
	mark = len(w.b)
	w.comma()
	w.b = append(append(w.b, name...), '[')
	return mark
}

// endList ends the list that was begun last, or takes it back.
func (w *writer) endList(mark int) {
	if w.b[len(w.b)-1] == '[' {
		w.b = w.b[:mark]
		return
	}
	w.b = append(w.b, ']')
}

// str writes a text, unless it is empty or too long to be repeated.
func (w *writer) str(name, s string) {
	if len(s) > longest {
		w.cut = true
		return
	}
	if s != "" {
		w.whole(name, s)
	}
}

// whole writes a text however long it is.
func (w *writer) whole(name, s string) {
	w.comma()
	w.b = rawjson.AppendString(append(w.b, name...), s)
}

// strs writes a list of texts.
func (w *writer) strs(name string, list []string) {
	mark := w.list(name)
	for i, s := range list {
		if i == most {
			w.cut = true
			break
		}
		w.str("", s)
	}
	w.endList(mark)
}

// literal writes what is JSON already.
func (w *writer) literal(name, text string) {
	w.comma()
	w.b = append(append(w.b, name...), text...)
}
