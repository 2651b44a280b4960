package hectest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"time"
)

// refusal is an event that is not taken.
type refusal struct{ code int }

func (e *refusal) Error() string { return codes[e.code].text }

var decimal = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

// parse reads events from a body until one is bad, and returns those before it and
// what is wrong with it. Judge looks at an event that is well-formed.
func parse(body []byte, judge func(e *Event) int) ([]*Event, *refusal) {
	var events []*Event
	d := json.NewDecoder(bytes.NewReader(body))
	array := false
	if b := bytes.TrimLeft(body, " \t\r\n"); len(b) > 0 && b[0] == '[' {
		array = true
		_, _ = d.Token() // the bracket that was seen
	}
	for {
		if array && !d.More() {
			if _, err := d.Token(); err != nil { // anything but the closing bracket
				return events, &refusal{codeInvalidData}
			}
			array = false
			continue
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); errors.Is(err, io.EOF) && !array {
			return events, nil
		} else if err != nil {
			return events, &refusal{codeInvalidData}
		}
		e, bad := envelope(raw)
		if bad == nil {
			if code := judge(e); code != 0 {
				bad = &refusal{code}
			}
		}
		if bad != nil {
			return events, bad
		}
		events = append(events, e)
	}
}

// envelope reads one event with what is around it.
func envelope(raw json.RawMessage) (*Event, *refusal) {
	var keys map[string]json.RawMessage
	if json.Unmarshal(raw, &keys) != nil || keys == nil {
		return nil, &refusal{codeInvalidData}
	}
	e := &Event{Event: keys["event"]}
	switch text := string(e.Event); text {
	case "":
		return nil, &refusal{codeEventRequired}
	case `""`, "null":
		return nil, &refusal{codeEventBlank}
	}
	for name, to := range map[string]*string{"host": &e.Host, "source": &e.Source, "sourcetype": &e.Sourcetype, "index": &e.Index} {
		if v, ok := keys[name]; ok && json.Unmarshal(v, to) != nil {
			return nil, &refusal{codeInvalidData}
		}
	}
	if v, ok := keys["time"]; ok {
		e.Time = string(v)
		var quoted string
		if json.Unmarshal(v, &quoted) == nil {
			e.Time = quoted
		}
		seconds, err := strconv.ParseFloat(e.Time, 64)
		if !decimal.MatchString(e.Time) || err != nil || math.Abs(seconds) > 1e12 {
			return nil, &refusal{codeFields}
		}
		e.at = time.UnixMilli(int64(math.Round(seconds * 1000)))
	}
	if v, ok := keys["fields"]; ok {
		if e.Fields = flat(v); e.Fields == nil {
			return nil, &refusal{codeFields}
		}
	}
	return e, nil
}

// flat reads an object of plain values, or returns nil.
func flat(raw json.RawMessage) map[string]string {
	var values map[string]json.RawMessage
	if json.Unmarshal(raw, &values) != nil || values == nil {
		return nil
	}
	fields := make(map[string]string, len(values))
	for name, v := range values {
		switch v[0] {
		case '{', '[', 'n':
			return nil
		case '"':
			var text string
			if json.Unmarshal(v, &text) != nil {
				return nil
			}
			fields[name] = text
		default:
			fields[name] = string(v)
		}
	}
	return fields
}
