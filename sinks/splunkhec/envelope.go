package splunkhec

import (
	"cmp"
	"strconv"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas/document"
	"auditlog-connector/schemas/rawjson"
)

// encoder writes records of one batch as the collector takes them.
type encoder struct {
	document document.Append
	before   []byte // between the time and the document
	after    []byte // between the document and the event's own fields
}

// newEncoder returns the encoder of the batch id, for index (empty: the token's).
func newEncoder(c *Config, source string, doc document.Append, id pipeline.BatchID, index string) *encoder {
	e := &encoder{document: doc}
	e.before = append(e.before, `,"host":`...)
	e.before = rawjson.AppendString(e.before, cmp.Or(c.Host, source))
	e.before = append(e.before, `,"source":`...)
	e.before = rawjson.AppendString(e.before, cmp.Or(c.Source, source))
	e.before = append(e.before, `,"sourcetype":`...)
	e.before = rawjson.AppendString(e.before, c.Sourcetype)
	if index != "" {
		e.before = append(e.before, `,"index":`...)
		e.before = rawjson.AppendString(e.before, index)
	}
	e.before = append(e.before, `,"event":`...)
	e.after = append(e.after, `,"fields":{"batch_id":`...)
	e.after = rawjson.AppendString(e.after, id.String())
	e.after = append(e.after, `,"event_id":`...)
	return e
}

// append adds r to dst.
func (e *encoder) append(dst []byte, r *pipeline.Record) []byte {
	dst = append(dst, `{"time":`...)
	dst = appendSeconds(dst, r)
	dst = append(dst, e.before...)
	dst = e.document(dst, &r.Audit)
	dst = append(dst, e.after...)
	dst = rawjson.AppendString(dst, r.ID)
	if r.Audit.EventType != "" { // an indexed field has a value
		dst = append(dst, `,"event_type":`...)
		dst = rawjson.AppendString(dst, r.Audit.EventType)
	}
	return append(dst, "}}"...)
}

// appendSeconds writes the time of r as a plain decimal: an exponent is refused.
func appendSeconds(dst []byte, r *pipeline.Record) []byte {
	t := r.Audit.EffectiveAt
	if t.IsZero() {
		t = r.Time
	}
	ms := max(0, t.UnixMilli()) // the index has no time before 1970
	dst = strconv.AppendInt(dst, ms/1000, 10)
	if rest := ms % 1000; rest != 0 {
		dst = append(dst, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
	}
	return dst
}

// span returns the times between which the events of m are in the index: from the
// first up to, and not with, the second.
func span(m *pipeline.Manifest) (from, to time.Time) {
	for i, p := range m.Members {
		if i == 0 || p.Time.Before(from) {
			from = p.Time
		}
		if i == 0 || p.Time.After(to) {
			to = p.Time
		}
	}
	epoch := time.Unix(0, 0).UTC()
	if from.Before(epoch) {
		from = epoch
	}
	if to.Before(epoch) {
		to = epoch
	}
	return from, to.Add(time.Second)
}

// piece is one request's worth of a batch.
type piece struct {
	records []int // by index into the batch
	ends    []int // where each ends in body
	body    []byte
}

// slice returns the records from up to to as a piece of its own, which shares memory.
func (p *piece) slice(from, to int) piece {
	start := p.start(from)
	s := piece{records: p.records[from:to], body: p.body[start:p.start(to)]}
	for _, end := range p.ends[from:to] {
		s.ends = append(s.ends, end-start)
	}
	return s
}

func (p *piece) start(i int) int {
	if i == 0 {
		return 0
	}
	return p.ends[i-1]
}
