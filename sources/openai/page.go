package openai

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"auditlog-connector/internal/httpclient"
)

// list is one page as the API returned it.
type list struct {
	entries []entry
	hasMore bool
	lastID  string
}

// entry is one element of a page. Its bytes are a part of the page's.
type entry struct {
	body        []byte
	id          string
	effectiveAt []byte // JSON; nil: none
}

// parsePage reads a body in one pass. Several documents one after the other are
// one page: their data in order, the cursor of the last. The entries refer to
// body. An error says what came instead of a list.
func parsePage(body []byte) (*list, error) {
	p := &pageParser{scanner: scanner{b: body}, list: &list{}}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, errors.New("the answer is empty")
	}
	for p.peek() != 0 || p.i < len(body) {
		if err := p.document(); err != nil {
			return nil, fmt.Errorf("the answer is not a list of entries: %w", p.explain(err))
		}
	}
	return p.list, nil
}

type pageParser struct {
	scanner
	list *list
	mark int    // entries of the documents before
	err  []byte // the member "error" of this document
}

// explain adds what the server says, if it says something.
func (p *pageParser) explain(err error) error {
	text := bytes.TrimSpace(p.b)
	if p.err == nil && text[0] != '<' {
		return err
	}
	if p.err != nil {
		text = append(append([]byte(`{"error":`), p.err...), '}')
	}
	message := (&httpclient.Response{Body: text}).Message()
	return fmt.Errorf("%w; the server says: %s", err, message)
}

// document takes one envelope.
func (p *pageParser) document() error {
	p.mark, p.err = len(p.list.entries), nil
	p.list.lastID = ""
	if p.peek() != '{' {
		value, err := p.skip(0)
		if err != nil {
			return err
		}
		return fmt.Errorf("it is %s", kindOf(value))
	}
	// Of members with one name the last one counts, for what is wrong with it too.
	data, more, last := errors.New("it has no data"), errors.New("it does not say has_more"), error(nil)
	err := p.members(0, func(name []byte) (err error) {
		switch string(name) {
		case `"data"`:
			data, err = p.member(p.data)
		case `"has_more"`:
			more, err = p.member(p.hasMore)
		case `"last_id"`:
			last, err = p.member(p.lastID)
		case `"error"`:
			p.err, err = p.skip(1)
		default:
			_, err = p.skip(1)
		}
		return err
	})
	return cmp.Or(err, data, more, last)
}

// typeError: a member is not of its type.
type typeError struct{ name, is, want string }

func (e *typeError) Error() string { return fmt.Sprintf("%s is %s, want %s", e.name, e.is, e.want) }

// member calls take and tells a member that is of the wrong type from a text that
// is no JSON.
func (p *pageParser) member(take func() error) (wrong, err error) {
	err = take()
	var te *typeError
	if errors.As(err, &te) {
		return te, nil
	}
	return nil, err
}

// members takes an object, and calls value at each member's value, which has to
// take it. Names are given with their quotes and without needless escapes.
func (p *pageParser) members(depth int, value func(name []byte) error) error {
	if depth >= maxDepth {
		return fmt.Errorf("it is nested deeper than %d", maxDepth)
	}
	p.i++
	if p.peek() == '}' {
		p.i++
		return nil
	}
	for {
		name, err := p.key()
		if err != nil {
			return err
		}
		if bytes.IndexByte(name, '\\') >= 0 {
			name, _ = json.Marshal(unquote(name))
		}
		if err := value(name); err != nil {
			return err
		}
		if p.peek() == '}' {
			p.i++
			return nil
		}
		if err := p.eat(','); err != nil {
			return err
		}
	}
}

func (p *pageParser) data() error {
	if p.peek() != '[' {
		return p.wrongType("data", "an array")
	}
	p.list.entries = p.list.entries[:p.mark] // of two members the last one counts
	p.i++
	if p.peek() == ']' {
		p.i++
		return nil
	}
	for {
		if err := p.entry(); err != nil {
			return err
		}
		if p.peek() == ']' {
			p.i++
			return nil
		}
		if err := p.eat(','); err != nil {
			return err
		}
	}
}

func (p *pageParser) entry() error {
	p.space()
	var (
		e     entry
		id    []byte
		start = p.i
	)
	var err error
	if p.peek() == '{' {
		err = p.members(2, func(name []byte) error {
			value, err := p.skip(3)
			switch string(name) {
			case `"id"`:
				id = value
			case `"effective_at"`:
				e.effectiveAt = value
			}
			return err
		})
	} else {
		_, err = p.skip(2)
	}
	if err != nil {
		return err
	}
	e.body = p.b[start:p.i:p.i]
	if len(id) > 2 && id[0] == '"' {
		e.id = unquote(id)
	} else {
		e.id = madeID(e.body)
	}
	p.list.entries = append(p.list.entries, e)
	return nil
}

// madeID is the id of an entry that has none.
func madeID(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha256-" + hex.EncodeToString(sum[:])
}

func (p *pageParser) hasMore() error {
	switch p.peek() {
	case 't':
		p.list.hasMore = true
		return p.word("true")
	case 'f':
		p.list.hasMore = false
		return p.word("false")
	}
	return p.wrongType("has_more", "true or false")
}

func (p *pageParser) lastID() error {
	p.list.lastID = ""
	switch p.peek() {
	case 'n':
		return p.word("null")
	case '"':
		value, err := p.str()
		if err == nil {
			p.list.lastID = unquote(value)
		}
		return err
	}
	return p.wrongType("last_id", "a string or null")
}

func (p *pageParser) wrongType(name, want string) error {
	value, err := p.skip(1)
	if err != nil {
		return err
	}
	return &typeError{name, kindOf(value), want}
}

// kindOf says in words what a JSON value is.
func kindOf(value []byte) string {
	switch value[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return string(value)
	case 'n':
		return "null"
	}
	return "a number"
}

// unquote decodes a JSON string that was scanned.
func unquote(value []byte) string {
	inner := value[1 : len(value)-1]
	for _, c := range inner {
		if c == '\\' || c >= 0x80 {
			var s string
			_ = json.Unmarshal(value, &s) // the scanner has taken it
			return s
		}
	}
	return string(inner)
}
