package kafka

import (
	"context"
	"encoding/binary"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
	"auditlog-connector/schemas/document"
	"auditlog-connector/sinks/kafka/internal/batch"
	"auditlog-connector/sinks/kafka/internal/registry"
)

// recordName is the schema's full name, for subjects.
const recordName = "auditlog.v1.AuditEvent"

// format makes the values of records.
type format struct {
	append  func(dst []byte, r *pipeline.Record) []byte
	subject string // in the registry; empty: no registry
	prefix  []byte // Confluent framing, once the schema's id is known
}

func newFormat(c *Config) format {
	switch {
	case c.Format == "json":
		line := document.Lookup(c.Schema)
		return format{append: func(dst []byte, r *pipeline.Record) []byte { return line(dst, &r.Audit) }}
	case c.SchemaRegistry.URL == "":
		return format{append: func(dst []byte, r *pipeline.Record) []byte { return schemas.AppendSingle(dst, r.Avro) }}
	}
	subject := map[string]string{
		"topic": c.Topic + "-value", "record": recordName, "topic_record": c.Topic + "-" + recordName,
	}[c.SchemaRegistry.SubjectStrategy]
	return format{subject: subject}
}

// ready learns the schema's id, before anything is delivered. If the registry does
// not answer, the id that the lane's last marker has for the same schema, subject
// and registry is taken.
func (f *format) ready(ctx context.Context, s *sink, found lastMarker) error {
	if f.subject == "" || f.prefix != nil {
		return nil
	}
	entry := registry.Entry{URL: s.config.SchemaRegistry.URL, Subject: f.subject, Fingerprint: schemas.Fingerprint()}
	id, err := s.registry.ID(ctx, f.subject, schemas.Schema())
	if err != nil {
		known, ok := registry.ParseEntry(found.schema)
		if !ok || !registry.Unanswered(err) || !known.Same(entry) {
			return err
		}
		s.log.Warn("the schema registry does not answer: the schema's id of the last delivery is used", "lane", s.lane, "subject", f.subject, "id", known.ID, "err", err)
		id = known.ID
	}
	entry.ID = id
	s.schemaID = entry.String()
	f.prefix = binary.BigEndian.AppendUint32([]byte{0}, uint32(id))
	f.append = func(dst []byte, r *pipeline.Record) []byte { return append(append(dst, f.prefix...), r.Avro...) }
	return nil
}

// key returns the bytes that decide a record's partition, in dst's memory; nil: none.
func (c *Config) key(dst []byte, r *pipeline.Record) []byte {
	text := ""
	switch c.Key {
	case "event_id":
		return append(dst[:0], r.Audit.EventID...)
	case "actor":
		a := &r.Audit.Actor
		for _, text = range []string{a.ID, a.APIKeyID, a.ServiceAccountID, a.Email} {
			if text != "" {
				break
			}
		}
	case "project":
		if r.Audit.Project != nil {
			text = r.Audit.Project.ID
		}
	}
	if text == "" {
		return nil
	}
	return append(dst[:0], text...)
}

// encoder makes Kafka's records of a batch's.
type encoder struct {
	batchID    string
	key, value []byte
	texts      []byte // of the headers
	headers    []batch.Header
	rec        batch.Record
}

// record is r as it is written. It is valid until the next call.
func (e *encoder) record(s *sink, r *pipeline.Record) *batch.Record {
	e.value = s.format.append(e.value[:0], r)
	e.rec = batch.Record{Key: s.config.key(e.key, r), Value: e.value, Time: r.Time.UnixMilli()}
	e.texts, e.headers = e.texts[:0], e.headers[:0]
	e.header("event_id", r.Audit.EventID)
	e.header("event_type", r.Audit.EventType)
	e.header("batch_id", e.batchID)
	e.rec.Headers = e.headers
	return &e.rec
}

func (e *encoder) header(key, value string) {
	at := len(e.texts)
	e.texts = append(e.texts, value...)
	e.headers = append(e.headers, batch.Header{Key: key, Value: e.texts[at:]})
}
