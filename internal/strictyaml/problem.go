package strictyaml

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Problem is one thing that is wrong with a document, or worth a warning.
type Problem struct {
	Line, Column int    // from 1; 0: no place in the document
	Path         string // sinks[1].batch.max_events; empty: the document
	Message      string // lower case, no full stop
	Hint         string // what to do; optional
	Warning      bool   // the document can be used
}

// String returns line:column: path: message (hint), leaving out what is empty.
func (p Problem) String() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "%d:%d: ", p.Line, max(p.Column, 1))
	}
	if p.Warning {
		b.WriteString("warning: ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// HasErrors reports whether ps holds more than warnings.
func HasErrors(ps []Problem) bool {
	for _, p := range ps {
		if !p.Warning {
			return true
		}
	}
	return false
}

// FieldError is an error about one field of a decoded struct. Validate functions
// return it so that the problem points at the field's line.
type FieldError struct {
	Path    string // relative to the struct: "path", "tls.ca_file", "brokers[1]"
	Err     error
	Hint    string // optional
	Warning bool   // the value can be used
}

func (e FieldError) Error() string {
	if e.Path == "" {
		return e.Err.Error()
	}
	return e.Path + ": " + e.Err.Error()
}

func (e FieldError) Unwrap() error { return e.Err }

// Field returns a FieldError with a formatted message.
func Field(path, format string, args ...any) FieldError {
	return FieldError{Path: path, Err: fmt.Errorf(format, args...)}
}

// WithHint returns e with the hint.
func (e FieldError) WithHint(hint string) FieldError {
	e.Hint = hint
	return e
}

// Problems turns what a Validate function returned about the struct at path,
// decoded from n (nil: nothing), into problems with their places.
func Problems(n *yaml.Node, path string, errs ...error) []Problem {
	var ps []Problem
	for _, err := range errs {
		if err == nil {
			continue
		}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			ps = append(ps, Problems(n, path, joined.Unwrap()...)...)
			continue
		}
		p := Problem{Path: path, Message: err.Error()}
		var fe FieldError
		rel := ""
		if errors.As(err, &fe) {
			p.Path, p.Message, p.Hint, p.Warning = Join(path, fe.Path), fe.Err.Error(), fe.Hint, fe.Warning
			rel = fe.Path
		}
		p.Line, p.Column = Position(n, rel)
		ps = append(ps, p)
	}
	return ps
}
