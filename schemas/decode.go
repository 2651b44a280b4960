package schemas

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Decode reads what [Encode] or any other Avro writer made of one record, without
// framing. The result shares nothing with b.
//
// It fails if b ends early, goes on after the record, or cannot be one: a length
// beyond the end, a time outside the years 1 to 9999, a key twice in a map. It
// never allocates more than a small multiple of len(b).
func Decode(b []byte) (AuditEvent, error) {
	d := decoder{b: b, s: string(b)}
	var e AuditEvent
	d.record(&e)
	if d.err == nil && d.pos < len(b) {
		d.fail(fmt.Errorf("%d bytes after the record", len(b)-d.pos))
	}
	if d.err != nil {
		return AuditEvent{}, fmt.Errorf("decode audit event: %s: offset %d: %w", d.field, d.pos, d.err)
	}
	return e, nil
}

var errShort = errors.New("record ends early")

// decoder reads b from the front. After the first error every read returns zero.
type decoder struct {
	b     []byte
	s     string // a copy of b that the strings share
	pos   int
	field string // being read, for errors
	err   error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *decoder) record(e *AuditEvent) {
	e.EventID = d.str("event_id")
	e.EventType = d.str("event_type")
	e.EffectiveAt = d.time("effective_at")
	e.Stream = d.str("stream")
	e.Source = d.str("source")
	e.OrganizationID = d.opt("organization_id")
	e.Action = d.str("action")
	e.Outcome = d.str("outcome")
	e.Severity = d.str("severity")
	e.SeverityReason = d.opt("severity_reason")
	d.actor(&e.Actor)
	e.Targets = d.targets()
	if d.set("project") {
		e.Project = &Project{ID: d.str("project.id"), Name: d.opt("project.name")}
	}
	if d.set("error") {
		e.Error = &EventError{Code: d.opt("error.code"), Message: d.opt("error.message")}
	}
	if d.set("changes") {
		e.Changes = d.changes()
	}
	e.KnownType = d.bool("known_type")
	e.Problems = d.problems()
	if d.set("details") {
		e.Details = bytes.Clone(d.bytes("details"))
	}
	e.Raw = bytes.Clone(d.bytes("raw"))
}

func (d *decoder) actor(a *Actor) {
	a.Kind = d.str("actor.kind")
	a.ID = d.opt("actor.id")
	a.Email = d.opt("actor.email")
	a.Name = d.opt("actor.name")
	a.APIKeyID = d.opt("actor.api_key_id")
	a.ServiceAccountID = d.opt("actor.service_account_id")
	a.IP = d.opt("actor.ip")
	a.UserAgent = d.opt("actor.user_agent")
	a.JA3 = d.opt("actor.ja3")
	a.JA4 = d.opt("actor.ja4")
	if !d.set("actor.geo") {
		return
	}
	a.Geo = &Geo{
		Country:    d.opt("actor.geo.country"),
		Region:     d.opt("actor.geo.region"),
		RegionCode: d.opt("actor.geo.region_code"),
		City:       d.opt("actor.geo.city"),
		Latitude:   d.opt("actor.geo.latitude"),
		Longitude:  d.opt("actor.geo.longitude"),
		ASN:        d.opt("actor.geo.asn"),
	}
}

func (d *decoder) targets() []Target {
	var targets []Target
	for n := d.block("targets", 3); n > 0; n = d.block("targets", 3) {
		for range n {
			t := Target{Type: d.str("targets.type"), ID: d.opt("targets.id"), Name: d.opt("targets.name")}
			if d.err != nil {
				return nil
			}
			targets = append(targets, t)
		}
	}
	return targets
}

func (d *decoder) changes() map[string]string {
	changes := make(map[string]string)
	for n := d.block("changes", 2); n > 0; n = d.block("changes", 2) {
		for range n {
			k := d.str("changes")
			v := d.str("changes")
			if _, twice := changes[k]; twice && d.err == nil {
				d.fail(errors.New("a key is there twice"))
			}
			if d.err != nil {
				return nil
			}
			changes[k] = v
		}
	}
	return changes
}

func (d *decoder) problems() []string {
	var problems []string
	for n := d.block("problems", 1); n > 0; n = d.block("problems", 1) {
		for range n {
			p := d.str("problems")
			if d.err != nil {
				return nil
			}
			problems = append(problems, p)
		}
	}
	return problems
}

// block reads the head of a block of an array or map: how many items follow; 0 at
// the end. No item takes fewer than atLeast bytes.
func (d *decoder) block(field string, atLeast int) int {
	n := d.long(field)
	if n < 0 { // then the block's size in bytes follows, for readers that skip it
		n = -n
		if size := d.long(field); size < 0 || size > int64(len(d.b)-d.pos) {
			d.fail(errShort)
		}
	}
	if d.err != nil {
		return 0
	}
	if n < 0 || n > int64((len(d.b)-d.pos)/atLeast) {
		d.fail(fmt.Errorf("%d items cannot be in the bytes that are left", n))
		return 0
	}
	return int(n)
}

func (d *decoder) long(field string) int64 {
	if d.err != nil {
		return 0
	}
	d.field = field
	v, n := binary.Varint(d.b[d.pos:])
	switch {
	case n == 0:
		d.fail(errShort)
		return 0
	case n < 0:
		d.fail(errors.New("number is longer than 64 bits"))
		return 0
	}
	d.pos += n
	return v
}

// span reads a length and returns where the bytes lie.
func (d *decoder) span(field string) (from, to int) {
	n := d.long(field)
	if d.err != nil {
		return 0, 0
	}
	if n < 0 || n > int64(len(d.b)-d.pos) {
		d.fail(errShort)
		return 0, 0
	}
	from = d.pos
	d.pos += int(n)
	return from, d.pos
}

func (d *decoder) str(field string) string {
	from, to := d.span(field)
	return d.s[from:to]
}

func (d *decoder) bytes(field string) []byte {
	from, to := d.span(field)
	return d.b[from:to]
}

// set reads the branch of a ["null", X] union.
func (d *decoder) set(field string) bool {
	branch := d.long(field)
	if branch < 0 || branch > 1 {
		d.fail(fmt.Errorf("branch %d of two", branch))
	}
	return d.err == nil && branch == 1
}

func (d *decoder) opt(field string) string {
	if !d.set(field) {
		return ""
	}
	return d.str(field)
}

func (d *decoder) bool(field string) bool {
	if d.err != nil {
		return false
	}
	d.field = field
	if d.pos == len(d.b) {
		d.fail(errShort)
		return false
	}
	v := d.b[d.pos]
	if v > 1 {
		d.fail(fmt.Errorf("boolean is %d", v))
		return false
	}
	d.pos++
	return v == 1
}

// The years that RFC 3339 can write.
var (
	firstMilli = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	lastMilli  = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli() - 1
)

func (d *decoder) time(field string) time.Time {
	ms := d.long(field)
	if d.err == nil && (ms < firstMilli || ms > lastMilli) {
		d.fail(fmt.Errorf("time is %d ms, outside the years 1 to 9999", ms))
	}
	if d.err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
