package ecs

import (
	"slices"
	"strings"
	"unicode/utf8"

	"auditlog-connector/schemas/rawjson"
)

// audit writes what has no field in ECS; see the package comment.
func (m *mapper) audit() {
	e := m.e
	m.b = append(m.b, `,"openai":{"audit":{`...)
	m.str(`"action":`, e.Action)
	m.str(`"object_type":`, m.kind.ObjectType)
	m.literal(`"known_type":`, boolean(e.KnownType))
	m.str(`"severity":`, e.Severity)
	m.str(`"severity_reason":`, e.SeverityReason)
	m.strs(`"mitre_attack":`, m.kind.MITREAttack)
	actor := m.object(`"actor":`)
	m.str(`"kind":`, e.Actor.Kind)
	m.str(`"api_key_id":`, e.Actor.APIKeyID)
	m.str(`"ja4":`, e.Actor.JA4)
	m.end(actor)
	m.targets()
	m.assignment()
	m.changes()
	m.payloadText()
	m.strs(`"problems":`, e.Problems)
	if !utf8.Valid(e.Raw) {
		m.literal(`"raw_base64":`, "true")
	}
	if m.cut {
		m.literal(`"truncated":`, "true")
	}
	m.b = append(m.b, "}}"...)
}

func boolean(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

func (m *mapper) targets() {
	mark := m.list(`"targets":`)
	for i := range m.e.Targets {
		if i == most {
			m.cut = true
			break
		}
		t := &m.e.Targets[i]
		one := m.object("")
		m.str(`"type":`, t.Type)
		m.str(`"id":`, t.ID)
		m.str(`"name":`, t.Name)
		m.end(one)
	}
	m.endList(mark)
}

// longestChange is the longest text of a change: a field of type keyword does not
// index longer ones.
const longestChange = 1 << 10

// changes writes what was asked for, by name.
func (m *mapper) changes() {
	changes := m.e.Changes
	if len(changes) == 0 {
		return
	}
	var few [16]string
	names := few[:0]
	for name := range changes {
		names = append(names, name)
	}
	slices.Sort(names)
	mark := m.list(`"changes":`)
	for i, name := range names {
		if i == most {
			m.cut = true
			break
		}
		if len(name) > longestChange {
			m.cut = true
			continue
		}
		one := m.object("")
		m.str(`"name":`, name)
		m.changeValue(name)
		m.end(one)
	}
	m.endList(mark)
}

// changeValue writes a change as text, or as a list of texts.
func (m *mapper) changeValue(name string) {
	const value = `"value":`
	text := m.e.Changes[name]
	switch {
	case isPEM(text):
		return
	case len(text) > longest && text[0] != '[':
		m.cut = true
		return
	}
	v := m.parseChange(name)
	if v.Kind() != rawjson.Array {
		m.changeText(value, scalar(v, text))
		return
	}
	mark := m.list(value)
	n := 0
	for c := v.First(); c.Kind() != rawjson.Invalid; c = c.Next(v) {
		if n++; n > most {
			m.cut = true
			break
		}
		m.changeText("", scalar(c, ""))
	}
	m.endList(mark)
}

func (m *mapper) changeText(name, s string) {
	if len(s) > longestChange {
		m.cut = true
		return
	}
	m.str(name, s)
}

// scalar returns v as text: a value that has others in it as JSON, one that could
// not be read as it is.
func scalar(v rawjson.Value, text string) string {
	switch v.Kind() {
	case rawjson.Invalid:
		return text
	case rawjson.Array, rawjson.Object:
		return v.Compact()
	}
	return v.Text()
}

// change returns a requested change that is a text, a number or a boolean; empty
// if it is anything else.
func (m *mapper) change(name string) string { return m.parseChange(name).Text() }

// parseChange returns the requested change of that name; none, if there is none. It
// is good until the next call.
func (m *mapper) parseChange(name string) rawjson.Value {
	text, ok := m.e.Changes[name]
	if !ok {
		return rawjson.Value{}
	}
	m.text = append(m.text[:0], text...)
	if m.value.Reset(m.text) != nil {
		return rawjson.Value{}
	}
	return m.value.Root()
}

// payloadText writes the details as JSON text, without the members that hold PEM.
func (m *mapper) payloadText() {
	v := m.payload
	if len(v.Bytes()) > longest {
		m.cut = true
		return
	}
	text := v.Compact()
	switch {
	case v.Kind() == rawjson.Invalid || text == "{}":
	case !isPEM(text):
		m.str(`"details":`, text)
	case v.Kind() == rawjson.Object:
		m.text = append(m.text[:0], '{')
		for c := v.First(); c.Kind() != rawjson.Invalid; c = c.Next(v) {
			value := c.Compact()
			if isPEM(value) {
				continue
			}
			if len(m.text) > 1 {
				m.text = append(m.text, ',')
			}
			m.text = append(rawjson.AppendString(m.text, c.Key()), ':')
			m.text = append(m.text, value...)
		}
		m.text = append(m.text, '}')
		m.str(`"details":`, string(m.text))
	}
}

// isPEM reports whether a text holds a certificate or a key.
func isPEM(s string) bool { return strings.Contains(s, "-----BEGIN ") }
