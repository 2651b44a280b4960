package strictyaml

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// maxFile is the largest file a variable may name: a key or a certificate chain,
// not a log that was named by mistake.
const maxFile = 1 << 20

// Expander replaces the variables in scalar values: ${env:NAME} by an
// environment variable, ${file:PATH} by a file's content without one trailing
// newline. $${ is a literal ${ and a $ before anything else is left alone.
//
// The zero value uses the process's environment and files. It may be used
// concurrently.
type Expander struct {
	// LookupEnv replaces [os.LookupEnv].
	LookupEnv func(name string) (string, bool)

	// Deferred makes [Decode] also expand the values that are expanded later
	// (see [DeferredUnmarshaler]) and report what cannot be: what "run" wants
	// before it starts, and "validate" does not.
	Deferred bool
}

// Expand returns text with its variables replaced.
func (x *Expander) Expand(text string) (string, error) {
	parts, err := split(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, p := range parts {
		s, err := x.value(p)
		if err != nil {
			return "", err
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

func (x *Expander) value(p part) (string, error) {
	switch p.kind {
	case "env":
		lookup := os.LookupEnv
		if x != nil && x.LookupEnv != nil {
			lookup = x.LookupEnv
		}
		v, ok := lookup(p.text)
		if !ok {
			return "", fmt.Errorf("environment variable %s is not set", p.text)
		}
		return v, nil
	case "file":
		return readFile(p.text)
	}
	return p.text, nil
}

func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fileError(path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", fileError(path, err)
	}
	if len(data) > maxFile {
		return "", fmt.Errorf("file %s is larger than 1 MiB", path)
	}
	s := strings.TrimSuffix(string(data), "\n")
	if len(s) < len(data) {
		s = strings.TrimSuffix(s, "\r")
	}
	return s, nil
}

// fileError words err without the operation, which says nothing to a user.
func fileError(path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("file %s: %w", path, err)
}

// Variables returns the variables in text as a reader would name them:
// "environment variable NAME", "file PATH". It is empty for a literal.
func Variables(text string) ([]string, error) {
	parts, err := split(text)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range parts {
		switch p.kind {
		case "env":
			names = append(names, "environment variable "+p.text)
		case "file":
			names = append(names, "file "+p.text)
		}
	}
	return names, nil
}

// part is a piece of a scalar: text as it stands (kind empty) or a variable.
type part struct{ kind, text string }

// split cuts a scalar into text and variables. Its errors do not quote the text
// around the variable, which may be a secret.
func split(text string) ([]part, error) {
	var parts []part
	var literal strings.Builder
	for text != "" {
		i := strings.Index(text, "${")
		if i < 0 {
			literal.WriteString(text)
			break
		}
		if i > 0 && text[i-1] == '$' {
			literal.WriteString(text[:i-1] + "${")
			text = text[i+2:]
			continue
		}
		literal.WriteString(text[:i])
		body, rest, closed := strings.Cut(text[i+2:], "}")
		kind, name, _ := strings.Cut(body, ":")
		switch {
		case kind != "env" && kind != "file":
			return nil, errors.New("${ is not followed by env: or file:; write ${env:NAME}, ${file:PATH}, or $${ for a literal ${")
		case !closed:
			return nil, fmt.Errorf("${%s: without a closing }", kind)
		case name == "":
			return nil, fmt.Errorf("${%s:} names nothing", kind)
		}
		if literal.Len() > 0 {
			parts = append(parts, part{text: literal.String()})
			literal.Reset()
		}
		parts = append(parts, part{kind: kind, text: name})
		text = rest
	}
	if literal.Len() > 0 {
		parts = append(parts, part{text: literal.String()})
	}
	return parts, nil
}
