package redact

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"auditlog-connector/schemas/rawjson"
)

// droppedWord stands inside of a longer text for a value that was dropped.
const droppedWord = "[dropped]"

// mostValues is how many values are looked for inside of texts. An event with more of
// them, a list of thousands of targets, loses details and changes whole, and of its
// other texts only those that are a value.
const mostValues = 64

// removed are the values that one event lost.
type removed struct {
	values []removedValue
	whole  map[string]string // what stands for each, in place of the above; nil: there are few
}

type removedValue struct {
	text string // in lower case
	with string // what stands for it: a hash, or droppedWord
	next []int  // see overlaps
}

func (r *removed) add(text, with string) {
	if text != "" {
		r.values = append(r.values, removedValue{text: lower(text), with: with})
	}
}

// seal ends the adding. The longest value comes first, so that no other cuts it in
// two, and one of those that are alike is left, dropped before hashed.
func (r *removed) seal() {
	slices.SortStableFunc(r.values, func(a, b removedValue) int {
		return cmp.Or(cmp.Compare(len(b.text), len(a.text)), cmp.Compare(a.text, b.text), cmp.Compare(rank(a), rank(b)))
	})
	r.values = slices.CompactFunc(r.values, func(a, b removedValue) bool { return a.text == b.text })
	if len(r.values) > mostValues {
		r.whole = make(map[string]string, len(r.values))
		for _, v := range r.values {
			r.whole[v.text] = v.with
		}
		return
	}
	for i := range r.values {
		r.values[i].next = overlaps(r.values[i].text)
	}
}

func rank(v removedValue) int {
	if v.with == droppedWord {
		return 0
	}
	return 1
}

// tooMany reports whether there are more values than are looked for inside of texts.
func (r *removed) tooMany() bool { return r.whole != nil }

// is returns what stands for text if it is one of the values.
func (r *removed) is(text string) (with string, ok bool) {
	small := lower(text)
	if r.whole != nil {
		with, ok = r.whole[small]
		return with, ok
	}
	for i := range r.values {
		if r.values[i].text == small {
			return r.values[i].with, true
		}
	}
	return "", false
}

// from returns text without the values: nothing, or the hash, if it is one.
func (r *removed) from(text string) string {
	with, ok := r.is(text)
	switch {
	case ok && with == droppedWord:
		return ""
	case ok:
		return with
	case r.tooMany():
		return text
	}
	_, text = r.in(text)
	return text
}

// in returns text with what stands for the values that it has as words, and whether
// it had any.
func (r *removed) in(text string) (found bool, without string) {
	small := lower(text)
	for i := range r.values {
		v := &r.values[i]
		if len(v.text) > len(small) {
			continue
		}
		at := v.find(small)
		if at == nil {
			continue
		}
		found = true
		var b strings.Builder
		end := 0
		for _, from := range at {
			b.WriteString(text[end:from])
			b.WriteString(v.with)
			end = from + len(v.text)
		}
		b.WriteString(text[end:])
		text = b.String()
		small = lower(text)
	}
	return found, text
}

// find returns where the value stands in small as a whole word, without overlaps.
// It takes one pass, whatever the two are.
func (v *removedValue) find(small string) []int {
	var at []int
	free := 0 // where the last one ended
	for i, k := 0, 0; i < len(small); i++ {
		for k > 0 && small[i] != v.text[k] {
			k = v.next[k-1]
		}
		if small[i] == v.text[k] {
			k++
		}
		if k < len(v.text) {
			continue
		}
		from := i + 1 - k
		if from >= free && !joined(small, from) && !joined(small, i+1) {
			at, free = append(at, from), i+1
		}
		k = v.next[k-1]
	}
	return at
}

// joined reports whether the bytes before and at i are of one word.
func joined(s string, i int) bool {
	return i > 0 && i < len(s) && isWord(s[i-1]) && isWord(s[i])
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
}

// overlaps returns, for each beginning of text, how long the longest shorter one is
// that it ends with: where a search goes on after a byte that does not fit.
func overlaps(text string) []int {
	next := make([]int, len(text))
	for i, k := 1, 0; i < len(text); i++ {
		for k > 0 && text[i] != text[k] {
			k = next[k-1]
		}
		if text[i] == text[k] {
			k++
		}
		next[i] = k
	}
	return next
}

// lower returns s with A to Z in lower case, byte for byte as long.
func lower(s string) string {
	var b []byte
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			if b == nil {
				b = []byte(s)
			}
			b[i] = c + 'a' - 'A'
		}
	}
	if b == nil {
		return s
	}
	return string(b)
}

// fromJSON returns a JSON text without the values: in its strings, its names, and
// its numbers, which become strings. What is no JSON is left out.
func (r *removed) fromJSON(src []byte) []byte {
	if len(src) == 0 || len(r.values) == 0 {
		return src
	}
	if _, _, err := rawjson.Check(src); err != nil {
		return nil
	}
	dst := make([]byte, 0, len(src)+64)
	for i := 0; i < len(src); {
		n := tokenLen(src[i:])
		token := src[i : i+n]
		i += n
		switch c := token[0]; {
		case c == '"':
			if found, without := r.in(unquote(token)); found {
				dst = rawjson.AppendString(dst, without)
				continue
			}
		case c == '-' || c >= '0' && c <= '9':
			if with, ok := r.is(string(token)); ok {
				dst = rawjson.AppendString(dst, with)
				continue
			}
		}
		dst = append(dst, token...)
	}
	return dst
}

// tokenLen returns the length of what valid JSON begins with: a string, a number or
// word, or one byte of anything else.
func tokenLen(src []byte) int {
	i := 1
	switch c := src[0]; {
	case c == '"':
		for src[i] != '"' {
			if src[i] == '\\' {
				i++
			}
			i++
		}
		return i + 1
	case c == '-' || isWord(c):
		for i < len(src) && (isWord(src[i]) || strings.IndexByte("+-.E", src[i]) >= 0) {
			i++
		}
	}
	return i
}

// unquote returns what a valid JSON string says.
func unquote(token []byte) string {
	if slices.Index(token, '\\') < 0 {
		return string(token[1 : len(token)-1])
	}
	var s string
	_ = json.Unmarshal(token, &s) // it was checked
	return s
}

// fromChanges takes the values out of changes, each of which is a JSON text. One
// whose name has a value, or that is no JSON, is left out.
func (r *removed) fromChanges(changes map[string]string) {
	for name, value := range changes {
		without := r.fromJSON([]byte(value))
		if found, _ := r.in(name); found || len(without) == 0 {
			delete(changes, name)
			continue
		}
		changes[name] = string(without)
	}
}
