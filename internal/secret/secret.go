// Package secret holds values that must not be seen: keys, tokens, passwords.
package secret

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"auditlog-connector/internal/strictyaml"
)

// Redacted is what a secret prints, for every verb and in every encoding.
const Redacted = "[redacted]"

// String is a secret: a literal, or text with variables (${file:PATH},
// ${env:NAME}) that are expanded each time it is revealed, so that a key that
// was rotated on disk is picked up.
//
// It prints [redacted] with fmt, slog, JSON and YAML, also as an unexported
// field of a struct. The zero value is no secret at all. A String may be copied
// and used concurrently.
type String struct {
	// fmt prints what unexported struct fields hold without asking their methods.
	// It follows the first pointer for some verbs, and never a second.
	v *handle
}

type handle struct{ *value }

func wrap(v value) String { return String{&handle{&v}} }

type value struct {
	text   string   // as written, variables not expanded
	vars   []string // the variables in it, in words
	expand *strictyaml.Expander
}

// Literal returns the secret text itself; "${" has no meaning in it.
func Literal(text string) String {
	if text == "" {
		return String{}
	}
	return wrap(value{text: strings.ReplaceAll(text, "${", "$${")})
}

// UnmarshalScalar reads a secret as it is written in a configuration, with
// variables of the process's environment. Nothing is resolved: an error means
// that a variable is not written correctly, and does not quote the text.
func (s *String) UnmarshalScalar(text string) error { return s.UnmarshalDeferred(text, nil) }

// UnmarshalDeferred is UnmarshalScalar with variables resolved by x.
func (s *String) UnmarshalDeferred(text string, x *strictyaml.Expander) error {
	if text == "" {
		*s = String{}
		return nil
	}
	vars, err := strictyaml.Variables(text)
	if err != nil {
		return err
	}
	*s = wrap(value{text: text, vars: vars, expand: x})
	return nil
}

// Reveal returns the secret as it is now: files are read again each time. It
// returns an error, which names the file or variable and not the secret, if it
// cannot be read or is empty. Revealing no secret (IsZero) gives "".
//
// The result must not be logged, kept in an error, or kept longer than needed.
func (s String) Reveal() (string, error) {
	if s.v == nil {
		return "", nil
	}
	text, err := s.v.expand.Expand(s.v.text)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	if text == "" {
		return "", fmt.Errorf("read secret: %s is empty", s.Source())
	}
	return text, nil
}

// IsZero reports whether there is no secret.
func (s String) IsZero() bool { return s.v == nil }

// IsLiteral reports whether the secret stands in the configuration itself.
func (s String) IsLiteral() bool { return s.v != nil && len(s.v.vars) == 0 }

// Source says where the secret comes from: "file /run/secrets/x", "environment
// variable X", "configuration". It is empty for no secret.
func (s String) Source() string {
	switch {
	case s.v == nil:
		return ""
	case len(s.v.vars) == 0:
		return "configuration"
	}
	return strings.Join(s.v.vars, " and ")
}

// Warning is what a validated configuration says about a literal.
func (s String) Warning() (message, hint string) {
	if !s.IsLiteral() {
		return "", ""
	}
	return "a secret stands in the configuration", "write ${file:PATH} or ${env:NAME}"
}

// Format prints [redacted], or nothing for no secret, whatever the verb.
func (s String) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// String returns [redacted], or "" for no secret.
func (s String) String() string {
	if s.v == nil {
		return ""
	}
	return Redacted
}

// LogValue implements [slog.LogValuer].
func (s String) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements [encoding.TextMarshaler], which JSON and YAML use.
func (s String) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
