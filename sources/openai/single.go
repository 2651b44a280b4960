package openai

import (
	"bytes"
	"errors"
	"fmt"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas/rawjson"
)

// Normalize maps one entry as the API returns it, outside of a page, onto the audit
// schema, as if the named source had read it. The event keeps body. It fails where
// reading a page would: for what is no JSON object, or has no readable time.
func Normalize(source string, body []byte) (pipeline.Event, error) {
	doc := documents.Get().(*rawjson.Doc)
	defer release(doc, len(body))
	err := doc.Reset(bytes.Trim(body, " \t\r\n"))
	// What lies too deep for a page, which is two levels around its entries, is too
	// deep here.
	if err != nil || doc.Root().Kind() != rawjson.Object || doc.Depth() > maxDepth-2 {
		return pipeline.Event{}, explainEntry(body)
	}
	e := entryOf(doc.Root())
	at, err := e.time()
	if err != nil {
		return pipeline.Event{}, err
	}
	return normalizeParsed(source, pipeline.Raw{Position: pipeline.Position{Time: at, ID: e.id}, Body: e.body}, doc, nil), nil
}

// entryOf is what a page's parser would make of an entry that is parsed already.
func entryOf(v rawjson.Value) entry {
	e := entry{body: v.Bytes(), effectiveAt: v.Get("effective_at").Bytes()}
	if id := v.Get("id"); id.Kind() == rawjson.String {
		e.id = id.Text()
	}
	if e.id == "" {
		e.id = madeID(e.body)
	}
	return e
}

// explainEntry says what is wrong with an entry as the reading of a page would.
func explainEntry(body []byte) error {
	p := &pageParser{scanner: scanner{b: body}, list: &list{}}
	switch c := p.peek(); {
	case c == 0 && p.i == len(body):
		return errors.New("there is no entry")
	case c != '{':
		value, err := p.skip(0)
		if err != nil {
			return err
		}
		return fmt.Errorf("the entry is %s, want an object", kindOf(value))
	}
	if err := p.entry(); err != nil {
		return err
	}
	return p.syntax("nothing after the entry")
}
