package main

import (
	"fmt"
	"slices"
	"strings"

	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
	"auditlog-connector/schemas/redact"
)

// redaction checks what the sink at path must not get.
func (d *configDecoder) redaction(c sinkConfig, path string) {
	before := len(d.problems)
	for _, list := range []struct {
		key       string
		paths     []string
		known     []string
		otherwise string // of a field that is there and not known
	}{
		{"drop", c.Drop, redact.Paths(), ""},
		{"hash", c.Hash, redact.HashPaths(), "it can be dropped and not hashed"},
	} {
		for i, p := range list.paths {
			at := strictyaml.Index(path+"."+list.key, i)
			switch why := redact.Kept(p); {
			case slices.Contains(list.known, p):
			case why != "":
				d.add(at, why, "%s stays in every record", p)
			case slices.Contains(redact.Paths(), p):
				d.add(at, "known: "+strings.Join(list.known, ", "), "%s: %s", p, list.otherwise)
			default:
				d.add(at, strictyaml.DidYouMean(p, list.known), "unknown field %q", p)
			}
		}
	}
	switch {
	case len(c.Hash) > 0 && c.HashKey.IsZero():
		d.add(path+".hash_key", fmt.Sprintf("hash needs a key of %d bytes or more: ${file:PATH} or ${env:NAME}", redact.MinKey), "is missing")
	case len(c.Hash) == 0 && !c.HashKey.IsZero():
		d.warn(path+".hash_key", "", "is not used: nothing is hashed")
	case len(c.Hash) > 0 && (d.x.Deferred || c.HashKey.IsLiteral()):
		// One that cannot be read is reported where it stands.
		if key, err := c.HashKey.Reveal(); err == nil && len(key) < redact.MinKey {
			d.add(path+".hash_key", "whoever guesses the key can try every address", "has %d bytes, want at least %d", len(key), redact.MinKey)
		}
	}
	if len(d.problems) == before {
		// What is wrong still is wrong between the two lists.
		if _, err := redact.New(c.Drop, c.Hash, make([]byte, redact.MinKey)); err != nil {
			d.add(path+".drop", "", "%v", err)
		}
	}
	if c.redacts() && d.schemaOf(c) == "raw" {
		d.add(path+".config.schema", "the entry as served is what drop and hash leave out; take normalized", "raw with drop or hash leaves nothing")
	}
}

// schemaOf returns the schema that the sink's own block names; "" if it names none.
func (d *configDecoder) schemaOf(c sinkConfig) string {
	var own struct {
		Schema string `yaml:"schema"`
	}
	strictyaml.Decode(&c.Config, "", &own, d.x) // the sink's type says what is wrong in it
	return own.Schema
}

// redacts reports whether the sink gets less than the record.
func (c sinkConfig) redacts() bool { return len(c.Drop)+len(c.Hash) > 0 }

// redactor returns what takes out of a record what the lane's sink must not get,
// nil if it gets all. It reads the key.
func (l laneSettings) redactor() (func(*pipeline.Record), error) {
	if !l.sink.redacts() {
		return nil, nil
	}
	key, err := l.sink.HashKey.Reveal()
	if err != nil {
		return nil, fmt.Errorf("hash_key: %w", err)
	}
	policy, err := redact.New(l.sink.Drop, l.sink.Hash, []byte(key))
	if err != nil {
		return nil, err
	}
	return redactWith(policy), nil
}

// dropper is redactor for a record that it has been through before: what was hashed
// stays, and what is dropped is dropped.
func (l laneSettings) dropper() (func(*pipeline.Record), error) {
	policy, err := redact.New(l.sink.Drop, nil, nil)
	if err != nil {
		return nil, err
	}
	return redactWith(policy), nil
}

func redactWith(policy *redact.Policy) func(*pipeline.Record) {
	return func(r *pipeline.Record) {
		policy.Apply(&r.Audit)
		r.Body = nil
		r.Avro = schemas.Encode(nil, &r.Audit)
	}
}

// redaction describes in one line what the sink does not get, "" if it gets all.
func (c sinkConfig) redaction() string {
	if !c.redacts() {
		return ""
	}
	var parts []string
	if len(c.Hash) > 0 {
		parts = append(parts, "hashed: "+strings.Join(c.Hash, ", "))
	}
	dropped := slices.Clone(c.Drop)
	if !slices.Contains(dropped, "raw") {
		dropped = append(dropped, "raw")
	}
	return strings.Join(append(parts, "left out: "+strings.Join(dropped, ", ")), "; ")
}
