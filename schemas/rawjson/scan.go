package rawjson

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// MaxDepth is how many arrays and objects may lie within one another; it is the
// limit of encoding/json.
const MaxDepth = 10000

// noted is how many levels below the top get nodes. What lies deeper is checked
// and skipped, so that hostile nesting does not cost memory: an array or object at
// the last level has its text, and no members.
const noted = 8

// node is one value of a document, in the order of the text.
type node struct {
	key, keyEnd int32 // the member's name without its quotes; 0, 0 in an array
	start, end  int32 // the value, quotes and brackets included
	next        int32 // the node after this one's last descendant
	kind        Kind
	keyEscaped  bool
	escaped     bool // a string with a backslash
}

// scanner is the state of one pass over src.
type scanner struct {
	src    []byte
	pos    int
	depth  int
	deep   int  // the greatest depth so far
	spaced bool // there is white space between tokens
	open   []byte
	nodes  []node
	path   [noted]int32 // the open containers that have nodes
	keep   bool         // note nodes
}

// errEnd: the text stops in the middle.
var errEnd = errors.New("text ends early")

// run checks the whole text and leaves its nodes in s.nodes.
func (s *scanner) run() error {
	if len(s.src) > math.MaxInt32-1 {
		return fmt.Errorf("text of %d bytes is too long", len(s.src))
	}
	var key keySpan
	s.space()
	for {
		closed, err := s.value(key)
		if err != nil {
			return err
		}
		if !closed { // a container was opened and has a first element
			if key, err = s.member(); err != nil {
				return err
			}
			continue
		}
		more, err := s.after()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if key, err = s.member(); err != nil {
			return err
		}
	}
	if s.pos < len(s.src) {
		return fmt.Errorf("text goes on after the value at offset %d", s.pos)
	}
	return nil
}

// keySpan is a member's name; the zero value is none.
type keySpan struct {
	start, end int32
	escaped    bool
}

// value reads one scalar or the beginning of a container. closed is false if a
// container was opened that is not empty.
func (s *scanner) value(key keySpan) (closed bool, err error) {
	if s.pos >= len(s.src) {
		return false, errEnd
	}
	start := s.pos
	kind, escaped := Invalid, false
	switch c := s.src[s.pos]; {
	case c == '{' || c == '[':
		return s.enter(key, c)
	case c == '"':
		kind = String
		escaped, err = s.str()
	case c == '-' || c >= '0' && c <= '9':
		kind = Number
		err = s.number()
	case c == 't':
		kind, err = Bool, s.word("true")
	case c == 'f':
		kind, err = Bool, s.word("false")
	case c == 'n':
		kind, err = Null, s.word("null")
	default:
		err = s.unexpected("a value")
	}
	if err != nil {
		return false, err
	}
	if s.keep && s.depth <= noted {
		s.nodes = append(s.nodes, node{
			key: key.start, keyEnd: key.end, keyEscaped: key.escaped,
			start: int32(start), end: int32(s.pos), next: int32(len(s.nodes) + 1),
			kind: kind, escaped: escaped,
		})
	}
	s.space()
	return true, nil
}

// enter opens the container that begins with c.
func (s *scanner) enter(key keySpan, c byte) (closed bool, err error) {
	if s.depth == MaxDepth {
		return false, fmt.Errorf("nested deeper than %d at offset %d", MaxDepth, s.pos)
	}
	kind := Object
	if c == '[' {
		kind = Array
	}
	if s.keep && s.depth <= noted {
		if s.depth < noted {
			s.path[s.depth] = int32(len(s.nodes))
		}
		s.nodes = append(s.nodes, node{
			key: key.start, keyEnd: key.end, keyEscaped: key.escaped,
			start: int32(s.pos), kind: kind,
		})
	}
	s.pos++
	s.depth++
	s.deep = max(s.deep, s.depth)
	s.open = append(s.open, c)
	s.space()
	if s.pos < len(s.src) && s.src[s.pos] == c+2 { // '[' and ']', '{' and '}' are two apart
		s.leave()
		return true, nil
	}
	return false, nil
}

// leave closes the innermost container; s.pos is at its bracket.
func (s *scanner) leave() {
	s.pos++
	s.depth--
	s.open = s.open[:len(s.open)-1]
	if s.keep && s.depth <= noted {
		// A container at the last noted level has no children: it is the last node.
		i := int32(len(s.nodes) - 1)
		if s.depth < noted {
			i = s.path[s.depth]
		}
		s.nodes[i].end = int32(s.pos)
		s.nodes[i].next = int32(len(s.nodes))
	}
	s.space()
}

// member reads the name and colon in front of a value, if in an object.
func (s *scanner) member() (keySpan, error) {
	if s.open[len(s.open)-1] == '[' {
		return keySpan{}, nil
	}
	if s.pos >= len(s.src) {
		return keySpan{}, errEnd
	}
	if s.src[s.pos] != '"' {
		return keySpan{}, s.unexpected("a member's name")
	}
	start := s.pos + 1
	escaped, err := s.str()
	if err != nil {
		return keySpan{}, err
	}
	key := keySpan{start: int32(start), end: int32(s.pos - 1), escaped: escaped}
	s.space()
	if s.pos >= len(s.src) {
		return keySpan{}, errEnd
	}
	if s.src[s.pos] != ':' {
		return keySpan{}, s.unexpected("a colon")
	}
	s.pos++
	s.space()
	return key, nil
}

// after reads what follows a value: a comma, or the brackets that it completes.
// more is false at the end of the document.
func (s *scanner) after() (more bool, err error) {
	for s.depth > 0 {
		if s.pos >= len(s.src) {
			return false, errEnd
		}
		switch s.src[s.pos] {
		case ',':
			s.pos++
			s.space()
			return true, nil
		case s.open[len(s.open)-1] + 2:
			s.leave()
		default:
			return false, s.unexpected("a comma or the closing bracket")
		}
	}
	return false, nil
}

func (s *scanner) space() {
	i := s.pos
	for i < len(s.src) && s.src[i] <= ' ' && isSpace(s.src[i]) {
		i++
	}
	s.spaced = s.spaced || i > s.pos
	s.pos = i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// str reads a string; s.pos is at its opening quote.
func (s *scanner) str() (escaped bool, err error) {
	i := s.pos + 1
	for {
		i = Special(s.src, i)
		if i >= len(s.src) {
			return false, errEnd
		}
		switch s.src[i] {
		case '"':
			s.pos = i + 1
			return escaped, nil
		case '\\':
			escaped = true
			n := escapeLen(s.src[i:])
			if n == 0 {
				s.pos = i
				return false, s.unexpected("an escape")
			}
			i += n
		default:
			s.pos = i
			return false, s.unexpected("a string")
		}
	}
}

// special are the bytes that mean something inside a string.
var special = func() (t [256]bool) {
	for c := range byte(' ') {
		t[c] = true
	}
	t['"'], t['\\'] = true, true
	return t
}()

// escapeLen returns the length of the escape that b begins with; 0: none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	if b[1] != 'u' {
		if bytes.IndexByte([]byte(`"\/bfnrt`), b[1]) < 0 {
			return 0
		}
		return 2
	}
	if _, ok := hex4(b[2:]); !ok {
		return 0
	}
	return 6
}

// number reads a number; s.pos is at its first byte.
func (s *scanner) number() error {
	i := s.pos
	if s.src[i] == '-' {
		i++
	}
	switch {
	case i < len(s.src) && s.src[i] == '0':
		i++
	case i < len(s.src) && isDigit(s.src[i]):
		i = digits(s.src, i)
	default:
		s.pos = i
		return s.unexpected("a digit")
	}
	if i < len(s.src) && s.src[i] == '.' {
		j := digits(s.src, i+1)
		if j == i+1 {
			s.pos = j
			return s.unexpected("a digit")
		}
		i = j
	}
	if i < len(s.src) && (s.src[i] == 'e' || s.src[i] == 'E') {
		i++
		if i < len(s.src) && (s.src[i] == '+' || s.src[i] == '-') {
			i++
		}
		j := digits(s.src, i)
		if j == i {
			s.pos = j
			return s.unexpected("a digit")
		}
		i = j
	}
	s.pos = i
	return nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// digits returns the index of the first byte at or after i that is no digit.
func digits(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

func (s *scanner) word(w string) error {
	if !bytes.HasPrefix(s.src[s.pos:], []byte(w)) {
		return s.unexpected(w)
	}
	s.pos += len(w)
	return nil
}

// unexpected names the place, not the text: it may be a secret.
func (s *scanner) unexpected(want string) error {
	if s.pos >= len(s.src) {
		return errEnd
	}
	return fmt.Errorf("want %s at offset %d", want, s.pos)
}
