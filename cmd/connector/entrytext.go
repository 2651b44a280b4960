package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// key takes a member's name with its quotes, and the colon.
func (r *entryReader) key() (string, error) {
	c, err := r.space()
	if err != nil {
		return "", r.cut(err)
	}
	if c != '"' {
		return "", &syntaxError{"not JSON: want a name"}
	}
	start := len(r.entry)
	if err := r.str(); err != nil {
		return "", err
	}
	name := ""
	if r.keep {
		name = string(r.entry[start:])
	}
	if c, err = r.space(); err != nil {
		return "", r.cut(err)
	}
	if c != ':' {
		return "", &syntaxError{"not JSON: want a colon"}
	}
	r.take()
	return name, nil
}

// value takes one value of any kind.
func (r *entryReader) value() error {
	r.stack = r.stack[:0]
	for {
		c, err := r.space()
		if err != nil {
			return r.cut(err)
		}
		switch {
		case c == '{' || c == '[':
			if len(r.stack) == maxNest {
				return &syntaxError{fmt.Sprintf("nested deeper than %d", maxNest)}
			}
			r.take()
			r.stack = append(r.stack, c+2) // '[' and ']', '{' and '}' are two apart
			if c, err = r.space(); err != nil {
				return r.cut(err)
			}
			if c != r.stack[len(r.stack)-1] {
				if c == ',' {
					return &syntaxError{"not JSON: want a value"}
				}
				if r.stack[len(r.stack)-1] == '}' {
					if _, err := r.key(); err != nil {
						return err
					}
				}
				continue
			}
		case c == '"':
			if err := r.str(); err != nil {
				return err
			}
		case isScalar(c):
			r.scalar()
		default:
			return &syntaxError{"not JSON: want a value"}
		}
		if len(r.entry) > r.limit {
			return &syntaxError{fmt.Sprintf("an entry of more than %d bytes", r.limit)}
		}
		if more, err := r.after(); err != nil || !more {
			return err
		}
	}
}

// after takes what follows a value: brackets, and a comma with the next name.
func (r *entryReader) after() (more bool, err error) {
	for len(r.stack) > 0 {
		c, err := r.space()
		if err != nil {
			return false, r.cut(err)
		}
		closing := r.stack[len(r.stack)-1]
		switch c {
		case closing:
			r.take()
			r.stack = r.stack[:len(r.stack)-1]
		case ',':
			r.take()
			if closing == '}' {
				_, err = r.key()
			}
			return true, err
		default:
			return false, &syntaxError{"not JSON: want a comma or " + string(closing)}
		}
	}
	return false, nil
}

// str takes a string. One that goes over a line's end is broken there.
func (r *entryReader) str() error {
	r.take()
	for {
		if _, err := r.peek(); err != nil {
			return r.cut(err)
		}
		i := bytes.IndexAny(r.window, "\"\\\n")
		if i < 0 {
			r.consume(len(r.window))
		} else {
			r.consume(i)
			switch r.window[0] {
			case '"':
				r.take()
				return nil
			case '\n':
				return &syntaxError{"not JSON: the line ends within a string"}
			}
			r.take() // the backslash, and what it is about
			if c, err := r.peek(); err != nil {
				return r.cut(err)
			} else if c != '\n' {
				r.take()
			}
		}
		if len(r.entry) > r.limit {
			return &syntaxError{fmt.Sprintf("an entry of more than %d bytes", r.limit)}
		}
	}
}

func isScalar(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '+' || c == '.'
}

func (r *entryReader) scalar() {
	for {
		if c, err := r.peek(); err != nil || !isScalar(c) {
			return
		}
		r.take()
	}
}

// cut says that the text ends too early, if that is what err says.
func (r *entryReader) cut(err error) error {
	if errors.Is(err, io.EOF) {
		return &syntaxError{"it is cut off: the text ends within it"}
	}
	return err
}

// space skips white space and returns the next byte, which is not taken.
func (r *entryReader) space() (byte, error) {
	for {
		c, err := r.peek()
		if err != nil || c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c, err
		}
		fresh := r.fresh
		r.take()
		r.fresh = fresh || c == '\n'
	}
}

// skipLine takes what is in the window up to the line's end.
func (r *entryReader) skipLine() {
	n := len(r.window)
	if i := bytes.IndexByte(r.window, '\n'); i >= 0 {
		n = i + 1
		r.line++
	}
	r.fresh = n > 0 && r.window[n-1] == '\n'
	r.window = r.window[n:]
}

// peek returns the next byte; the window is not empty then.
func (r *entryReader) peek() (byte, error) {
	for len(r.window) == 0 {
		if r.ended != nil {
			return 0, r.ended
		}
		n, err := r.in.Read(r.room)
		r.window, r.ended = r.room[:n], err
	}
	return r.window[0], nil
}

// take takes the byte that was peeked at.
func (r *entryReader) take() {
	if r.window[0] == '\n' {
		r.line++
	}
	r.consume(1)
}

// consume takes n bytes of the window, which has them, without a line's end.
func (r *entryReader) consume(n int) {
	if r.keep {
		r.entry = append(r.entry, r.window[:n]...)
	}
	r.window = r.window[n:]
	if n > 0 {
		r.fresh = false
	}
}
