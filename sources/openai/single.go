package openai

import (
	"errors"
	"fmt"

	"auditlog-connector/pipeline"
)

// Normalize maps one entry as the API returns it, outside of a page, onto the audit
// schema, as if the named source had read it. The event keeps body. It fails where
// reading a page would: for what is no JSON object, or has no readable time.
func Normalize(source string, body []byte) (pipeline.Event, error) {
	p := &pageParser{scanner: scanner{b: body}, list: &list{}}
	switch c := p.peek(); {
	case c == 0 && p.i == len(body):
		return pipeline.Event{}, errors.New("there is no entry")
	case c != '{':
		value, err := p.skip(0)
		if err != nil {
			return pipeline.Event{}, err
		}
		return pipeline.Event{}, fmt.Errorf("the entry is %s, want an object", kindOf(value))
	}
	if err := p.entry(); err != nil {
		return pipeline.Event{}, err
	}
	if p.peek() != 0 || p.i < len(body) {
		return pipeline.Event{}, p.syntax("nothing after the entry")
	}
	e := &p.list.entries[0]
	at, err := e.time()
	if err != nil {
		return pipeline.Event{}, err
	}
	return normalize(source, pipeline.Raw{Position: pipeline.Position{Time: at, ID: e.id}, Body: e.body}), nil
}
