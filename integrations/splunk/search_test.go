package splunk

import (
	"fmt"
	"regexp"
	"strings"
)

// event is one event as Splunk's searches see it: the values of each field.
type event map[string][]string

// condition is what stands in a search before its first pipe.
type condition func(e event) bool

var token = regexp.MustCompile(`\s*("(?:[^"\\]|\\.)*"|!=|=|\(|\)|,|[^\s"=!(),]+)`)

// parseCondition reads a condition: comparisons, IN, AND, OR, NOT and parentheses.
// It knows no other part of the language, and says so.
func parseCondition(text string) (condition, error) {
	p := &parser{}
	rest := strings.TrimSpace(text)
	for rest != "" {
		m := token.FindStringSubmatchIndex(rest)
		if m == nil || m[0] != 0 {
			return nil, fmt.Errorf("read %q at %q", text, rest)
		}
		p.tokens = append(p.tokens, rest[m[2]:m[3]])
		rest = strings.TrimSpace(rest[m[1]:])
	}
	c := p.or()
	if p.err == nil && len(p.tokens) > 0 {
		p.err = fmt.Errorf("too much: %v", p.tokens)
	}
	if p.err != nil {
		return nil, fmt.Errorf("read %q: %w", text, p.err)
	}
	return c, nil
}

type parser struct {
	tokens []string
	err    error
}

func (p *parser) peek() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *parser) next() string {
	t := p.peek()
	if t == "" {
		p.fail("it ends too early")
		return ""
	}
	p.tokens = p.tokens[1:]
	return t
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
	p.tokens = nil
}

func (p *parser) or() condition {
	c := p.and()
	for p.peek() == "OR" {
		p.next()
		a, b := c, p.and()
		c = func(e event) bool { return a(e) || b(e) }
	}
	return c
}

func (p *parser) and() condition {
	c := p.not()
	for t := p.peek(); t != "" && t != "OR" && t != ")"; t = p.peek() {
		if t == "AND" {
			p.next()
		}
		a, b := c, p.not()
		c = func(e event) bool { return a(e) && b(e) }
	}
	return c
}

func (p *parser) not() condition {
	switch p.peek() {
	case "NOT":
		p.next()
		c := p.not()
		return func(e event) bool { return !c(e) }
	case "(":
		p.next()
		c := p.or()
		p.want(")")
		return c
	}
	return p.comparison()
}

func (p *parser) want(t string) {
	if got := p.next(); got != t && p.err == nil {
		p.fail("%q where %q is due", got, t)
	}
}

func (p *parser) comparison() condition {
	field := p.next()
	switch op := p.next(); op {
	case "=":
		return has(field, p.value())
	case "!=": // the field is there, and not so
		is, any := has(field, p.value()), has(field, "*")
		return func(e event) bool { return any(e) && !is(e) }
	case "IN":
		p.want("(")
		choices := []condition{has(field, p.value())}
		for p.peek() == "," {
			p.next()
			choices = append(choices, has(field, p.value()))
		}
		p.want(")")
		return func(e event) bool {
			for _, c := range choices {
				if c(e) {
					return true
				}
			}
			return false
		}
	default:
		p.fail("%q after %q", op, field)
		return func(event) bool { return false }
	}
}

func (p *parser) value() string {
	t := p.next()
	if len(t) > 1 && t[0] == '"' {
		return strings.ReplaceAll(t[1:len(t)-1], `\"`, `"`)
	}
	return t
}

// has is field=pattern: case does not matter, * is anything.
func has(field, pattern string) condition {
	parts := strings.Split(pattern, "*")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	re := regexp.MustCompile(`(?is)^` + strings.Join(parts, ".*") + `$`)
	return func(e event) bool {
		for _, v := range e[field] {
			if re.MatchString(v) {
				return true
			}
		}
		return false
	}
}
