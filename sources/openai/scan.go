package openai

import (
	"errors"
	"fmt"

	"auditlog-connector/schemas/rawjson"
)

// maxDepth is how deep values may be nested, as in encoding/json.
const maxDepth = 10000

// errCut: the text ends inside of a value.
var errCut = errors.New("it is cut off")

// scanner walks over JSON text. It accepts what encoding/json accepts, moves
// forward only, and neither copies nor decodes. Errors say where, not what: the
// text is not ours to log.
type scanner struct {
	b     []byte
	i     int
	stack []byte // the closing brackets that skip waits for
}

func (s *scanner) syntax(want string) error {
	if s.i >= len(s.b) {
		return errCut
	}
	return fmt.Errorf("it is not JSON at offset %d: want %s", s.i, want)
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\n', '\r', '\t':
			s.i++
		default:
			return
		}
	}
}

// peek returns the next byte that is not white space, or 0.
func (s *scanner) peek() byte {
	s.space()
	if s.i >= len(s.b) {
		return 0
	}
	return s.b[s.i]
}

// eat takes c, or fails.
func (s *scanner) eat(c byte) error {
	if s.peek() != c {
		return s.syntax(string(c))
	}
	s.i++
	return nil
}

// str takes a string and returns it with its quotes.
func (s *scanner) str() ([]byte, error) {
	start := s.i
	for i := rawjson.Special(s.b, s.i+1); i < len(s.b); i = rawjson.Special(s.b, i) {
		s.i = i
		switch s.b[i] {
		case '"':
			s.i++
			return s.b[start:s.i:s.i], nil
		case '\\':
			n, err := s.escape()
			if err != nil {
				return nil, err
			}
			i += n
		default:
			return nil, s.syntax("no control character in a string")
		}
	}
	return nil, errCut
}

// escape returns the length of the escape sequence at s.i.
func (s *scanner) escape() (int, error) {
	if s.i+1 >= len(s.b) {
		return 0, errCut
	}
	switch s.b[s.i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, nil
	case 'u':
		for k := s.i + 2; k < s.i+6; k++ {
			if k >= len(s.b) {
				return 0, errCut
			}
			if c := s.b[k] | 0x20; (c < '0' || c > '9') && (c < 'a' || c > 'f') || s.b[k] < '0' {
				return 0, s.syntax("an escape sequence")
			}
		}
		return 6, nil
	}
	return 0, s.syntax("an escape sequence")
}

// digits takes at least one digit.
func (s *scanner) digits() error {
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	if s.i == start {
		return s.syntax("a digit")
	}
	return nil
}

func (s *scanner) at(c byte) bool { return s.i < len(s.b) && s.b[s.i] == c }

// number takes a number.
func (s *scanner) number() error {
	if s.at('-') {
		s.i++
	}
	if s.at('0') {
		s.i++
	} else if err := s.digits(); err != nil {
		return err
	}
	if s.at('.') {
		s.i++
		if err := s.digits(); err != nil {
			return err
		}
	}
	if s.at('e') || s.at('E') {
		s.i++
		if s.at('+') || s.at('-') {
			s.i++
		}
		return s.digits()
	}
	return nil
}

func (s *scanner) word(w string) error {
	for k := range len(w) {
		if !s.at(w[k]) {
			return s.syntax(w)
		}
		s.i++
	}
	return nil
}

// key takes a member's name and the colon after it.
func (s *scanner) key() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.syntax("a name")
	}
	name, err := s.str()
	if err != nil {
		return nil, err
	}
	return name, s.eat(':')
}

// skip takes one value of any kind, which lies depth levels deep, and returns it.
func (s *scanner) skip(depth int) ([]byte, error) {
	s.stack = s.stack[:0]
	s.space()
	start := s.i
	for {
		opened, err := s.begin(depth)
		if err != nil {
			return nil, err
		}
		if opened {
			continue // at its first element
		}
		for len(s.stack) > 0 {
			closing := s.stack[len(s.stack)-1]
			if s.peek() == closing {
				s.i++
				s.stack = s.stack[:len(s.stack)-1]
				continue
			}
			if err := s.eat(','); err != nil {
				return nil, err
			}
			if closing == '}' {
				if _, err := s.key(); err != nil {
					return nil, err
				}
			}
			break
		}
		if len(s.stack) == 0 {
			return s.b[start:s.i:s.i], nil
		}
	}
}

// begin takes a scalar or an empty container, or opens a container and stops in
// front of its first element.
func (s *scanner) begin(depth int) (opened bool, err error) {
	switch c := s.peek(); {
	case c == '"':
		_, err = s.str()
	case c == '{' || c == '[':
		if depth+len(s.stack) >= maxDepth {
			return false, fmt.Errorf("it is nested deeper than %d", maxDepth)
		}
		s.i++
		if s.peek() == c+2 { // '[' and ']', '{' and '}' are two apart
			s.i++
			return false, nil
		}
		s.stack = append(s.stack, c+2)
		if c == '{' {
			_, err = s.key()
		}
		return true, err
	case c == '-' || c >= '0' && c <= '9':
		err = s.number()
	case c == 't':
		err = s.word("true")
	case c == 'f':
		err = s.word("false")
	case c == 'n':
		err = s.word("null")
	default:
		err = s.syntax("a value")
	}
	return false, err
}
