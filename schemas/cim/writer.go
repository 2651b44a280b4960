package cim

import "auditlog-connector/schemas/rawjson"

// longest is the longest text that is repeated beside raw.
const longest = 8 << 10

// writer appends members to an object that has one already. A name comes with the
// comma before it, its quotes and its colon. What is empty or too long is left out.
type writer struct {
	b    []byte
	list int // where the items of the list begin that is being written; 0: none is
}

func (w *writer) str(name, s string) {
	if s != "" && len(s) <= longest {
		w.whole(name, s)
	}
}

// whole writes a text however long it is.
func (w *writer) whole(name, s string) {
	w.b = rawjson.AppendString(append(w.b, name...), s)
}

// item adds a text to the list of that name, with a comma between two. The name has
// the list's opening quote. endList ends the list; one without items is not there.
func (w *writer) item(name, s string) {
	if s == "" || w.list > 0 && len(w.b)-w.list+len(s) > longest || len(s) > longest {
		return
	}
	if w.list == 0 {
		w.b = append(w.b, name...)
		w.list = len(w.b)
	} else {
		w.b = append(w.b, ',')
	}
	at := len(w.b)
	w.b = rawjson.AppendString(w.b, s)
	w.b = append(w.b[:at], w.b[at+1:len(w.b)-1]...) // without its own quotes
}

func (w *writer) endList() {
	if w.list > 0 {
		w.b = append(w.b, '"')
		w.list = 0
	}
}
