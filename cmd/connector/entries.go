package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// entryReader takes the entries out of JSON text: entries, list pages as the API
// returns them and arrays, one after the other, on one line each or over many. It
// holds one entry at a time. Only the structure is checked; whoever parses an entry
// checks the rest.
//
// What is broken is reported and left out: of JSON Lines the line, of what goes over
// several lines everything up to the next line that begins with { or [.
type entryReader struct {
	in   io.Reader
	each func(entry []byte, line int) error // entry is valid during the call
	bad  func(line int, err error)

	limit  int    // bytes of an entry
	window []byte // read and not consumed
	room   []byte
	ended  error // of in
	line   int
	fresh  bool // nothing but white space on the line so far
	adrift bool // something over several lines was broken: its rest may follow

	entry []byte
	keep  bool   // consumed bytes belong to entry
	stack []byte // closing brackets
}

// The largest entry and the deepest nesting that are taken.
const (
	maxEntry = 64 << 20
	maxNest  = 10000
)

func newEntryReader(in io.Reader) *entryReader {
	return &entryReader{in: in, limit: maxEntry, room: make([]byte, 64<<10), line: 1, fresh: true}
}

// syntaxError is about the text, not about reading it.
type syntaxError struct{ text string }

func (e *syntaxError) Error() string { return e.text }

// all reads to the end. It returns an error if reading fails, or what each returned.
func (r *entryReader) all() error {
	if c, err := r.peek(); err == nil && c == 0xEF { // a byte order mark, for one
		r.window = bytes.TrimPrefix(r.window, []byte("\xEF\xBB\xBF"))
	}
	for whole := false; ; {
		c, err := r.space()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case whole && strings.IndexByte(restOfList, c) < 0:
			r.adrift = false // what came before was not of the broken list
		case r.adrift && c == ',':
			r.take()
			whole = false
			continue
		}
		begin := r.line
		inside, err := r.document(c)
		r.keep = false
		var wrong *syntaxError
		if err != nil && !errors.As(err, &wrong) {
			return err
		}
		if whole = wrong == nil; whole {
			continue
		}
		if !r.adrift || strings.IndexByte(restOfList, c) < 0 {
			if r.line > begin {
				wrong = &syntaxError{fmt.Sprintf("%s (on line %d)", wrong.text, r.line)}
			}
			r.bad(begin, wrong)
		}
		r.adrift = r.adrift || inside || r.line > begin
		if err := r.resync(); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
}

// restOfList is what the rest of a list or page begins with, and no entry.
const restOfList = ",]}\""

// resync goes to where reading can go on after what is broken.
func (r *entryReader) resync() error {
	broken := r.line
	for {
		c, err := r.space()
		switch {
		case err != nil:
			return err
		case r.fresh && (c == '{' || c == '['), !r.adrift && r.line > broken:
			return nil
		}
		for line := r.line; r.line == line; {
			if _, err := r.peek(); err != nil {
				return err
			}
			r.skipLine()
		}
		if !r.adrift {
			return nil
		}
	}
}

// document takes one entry, page or array; inside says whether it was one of the
// latter two.
func (r *entryReader) document(c byte) (inside bool, err error) {
	switch c {
	case '{':
		return r.object()
	case '[':
		r.take()
		return true, r.elements()
	}
	return false, &syntaxError{"not an entry: want an object"}
}

// object takes an entry, or a page: an object with the list "data".
func (r *entryReader) object() (page bool, err error) {
	line := r.line
	r.entry, r.keep = r.entry[:0], true
	r.take()
	for n := 0; ; n++ {
		c, err := r.space()
		if err != nil {
			return page, r.cut(err)
		}
		switch {
		case c == '}':
			r.take()
			if page {
				return page, nil
			}
			r.keep = false
			return false, r.each(r.entry, line)
		case n > 0 && c != ',':
			return page, &syntaxError{"not JSON: want a comma or }"}
		case n > 0:
			r.take()
		}
		key, err := r.key()
		if err != nil {
			return page, err
		}
		if c, err = r.space(); err != nil {
			return page, r.cut(err)
		}
		if c == '[' && key == `"data"` {
			page, r.keep = true, false
			r.take()
			if err := r.elements(); err != nil {
				return page, err
			}
			r.keep = false
			continue
		}
		if err := r.value(); err != nil {
			return page, err
		}
	}
}

// elements takes the entries of a list; its bracket is taken.
func (r *entryReader) elements() error {
	for n := 0; ; n++ {
		c, err := r.space()
		if err != nil {
			return r.cut(err)
		}
		if c == ']' {
			r.take()
			return nil
		}
		if n > 0 {
			if c != ',' {
				return &syntaxError{"not JSON: want a comma or ]"}
			}
			r.take()
			if c, err = r.space(); err != nil {
				return r.cut(err)
			}
		}
		line := r.line
		r.entry, r.keep = r.entry[:0], true
		if err := r.value(); err != nil {
			return err
		}
		r.keep = false
		if c != '{' {
			r.bad(line, &syntaxError{"not an entry: want an object"})
			continue
		}
		if err := r.each(r.entry, line); err != nil {
			return err
		}
	}
}
