package pipeline_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/pipelinetest"
	"auditlog-connector/schemas"
	"auditlog-connector/schemas/redact"
)

const personal = "ana@example.com"

// personalLog is a log whose entries name somebody.
type personalLog struct{ *auditLog }

func (l personalLog) Normalize(r pipeline.Raw) pipeline.Event {
	e := l.auditLog.Normalize(r)
	e.Audit.Actor = schemas.Actor{Kind: "user", Email: personal}
	e.Audit.Targets = []schemas.Target{{Type: "user", Name: personal}}
	e.Audit.Details = []byte(`{"by":"` + personal + `"}`)
	e.Audit.Raw = []byte(`{"actor":"` + personal + `"}`)
	return e
}

// lookingSink notes what it is asked to deliver.
type lookingSink struct {
	*pipelinetest.Sink
	hang bool

	mu   sync.Mutex
	seen []pipeline.Record
}

func (s *lookingSink) Deliver(ctx context.Context, b pipeline.Batch) error {
	s.mu.Lock()
	s.seen = append(s.seen, b.Records...)
	s.mu.Unlock()
	if s.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return s.Sink.Deliver(ctx, b)
}

func (s *lookingSink) records() []pipeline.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// looking adds a lane whose records are looked at.
func (p *plant) looking(name string, hang, redacted bool) *lookingSink {
	p.t.Helper()
	d := p.dests[name]
	if d == nil {
		d = pipelinetest.NewDestination(pipelinetest.Transactions)
		p.dests[name] = d
	}
	s := &lookingSink{Sink: d.Open("acme/"+name, nil), hang: hang}
	lane := p.sink(name, s)
	if redacted {
		policy, err := redact.New([]string{"actor.email"}, nil, nil)
		if err != nil {
			p.t.Fatal(err)
		}
		lane.Redact = func(r *pipeline.Record) {
			policy.Apply(&r.Audit)
			r.Body, r.Avro = nil, schemas.Encode(nil, &r.Audit)
		}
	}
	return s
}

// TestOneLaneIsRedacted has two lanes of one source, of which one may not have the
// address; then a process ends while a batch of each is prepared, and the next one
// reads those batches from the source again.
func TestOneLaneIsRedacted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newAuditLog("org")
		p := newPlant(t, log)
		p.cfg.Sources[0].Source = personalLog{log}
		check := func(s *lookingSink, redacted bool, least int) {
			t.Helper()
			records := s.records()
			if len(records) < least {
				t.Fatalf("%d records, want %d", len(records), least)
			}
			for _, r := range records {
				all := fmt.Sprintf("%+v %s %s %s %s", r.Audit, r.Audit.Details, r.Audit.Raw, r.Body, r.Avro)
				decoded, err := schemas.Decode(r.Avro)
				if err != nil || !bytes.Equal(schemas.Encode(nil, &decoded), schemas.Encode(nil, &r.Audit)) {
					t.Fatalf("the encoding is another record's: %v", err)
				}
				if redacted && (strings.Contains(all, personal) || len(r.Audit.Raw) > 0) {
					t.Errorf("redacted: %s", all)
				}
				if !redacted && (strings.Count(all, personal) < 4 || len(r.Audit.Raw) == 0) {
					t.Errorf("not redacted: %s", all)
				}
			}
		}
		all, some := p.looking("all", false, false), p.looking("some", false, true)
		p.start()
		for n := range 120 {
			log.write("org", fmt.Sprintf("e%03d", n))
		}
		time.Sleep(2 * time.Minute)
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		check(all, false, 120)
		check(some, true, 120)

		p.restart()
		p.looking("all", true, false)
		some = p.looking("some", true, true)
		for n := range 5 {
			log.write("org", fmt.Sprintf("f%03d", n))
		}
		p.start()
		time.Sleep(2 * time.Minute)
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		check(some, true, 5)
		for _, name := range []string{"acme/all", "acme/some"} {
			if cp, err := p.store.Inspect(name); err != nil || cp.Prepared == nil || len(cp.Prepared.Members) != 5 {
				t.Fatalf("%s: prepared %+v, %v, want the batch of five", name, cp.Prepared, err)
			}
		}

		p.restart()
		all, some = p.looking("all", false, false), p.looking("some", false, true)
		p.start()
		time.Sleep(time.Minute)
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		check(all, false, 5)
		check(some, true, 5)
		p.wantContents("all", log.written())
		p.wantContents("some", log.written())
	})
}
