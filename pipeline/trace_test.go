package pipeline_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/pipelinetest"
)

// recorder is a tracer that remembers what it is told. It leaves out every fifth page.
type recorder struct {
	mu      sync.Mutex
	pages   map[*pipeline.TraceRef]pipeline.PageTrace
	kinds   map[string]int // pages, by what they were read for
	results map[string]int
	batches []*recordedBatch
}

type recordedBatch struct {
	rec *recorder
	pipeline.BatchTrace
	ref      pipeline.TraceRef
	attempts []pipeline.AttemptTrace
	ended    []bool // settled or not, of each End
}

func newRecorder() *recorder {
	return &recorder{pages: make(map[*pipeline.TraceRef]pipeline.PageTrace), kinds: make(map[string]int), results: make(map[string]int)}
}

func (r *recorder) Page(p pipeline.PageTrace) *pipeline.TraceRef {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kinds[p.Kind]++
	r.results[p.Result]++
	if p.Bytes%5 == 0 {
		return nil
	}
	ref := &pipeline.TraceRef{Sampled: true}
	binary.BigEndian.PutUint64(ref.Span[:], uint64(len(r.pages)+1))
	r.pages[ref] = p
	return ref
}

func (r *recorder) Batch(b pipeline.BatchTrace) pipeline.BatchTracer {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &recordedBatch{rec: r, BatchTrace: b, ref: pipeline.TraceRef{Sampled: true}}
	binary.BigEndian.PutUint64(t.ref.Span[:], uint64(1000+len(r.batches)))
	r.batches = append(r.batches, t)
	return t
}

func (b *recordedBatch) Ref() pipeline.TraceRef { return b.ref }

func (b *recordedBatch) Attempt(a pipeline.AttemptTrace) {
	b.rec.mu.Lock()
	defer b.rec.mu.Unlock()
	b.attempts = append(b.attempts, a)
}

func (b *recordedBatch) End(_ time.Time, settled bool) {
	b.rec.mu.Lock()
	defer b.rec.mu.Unlock()
	b.ended = append(b.ended, settled)
}

// classes are those of the attempts, in order.
func (b *recordedBatch) classes() []string {
	b.rec.mu.Lock()
	defer b.rec.mu.Unlock()
	var list []string
	for _, a := range b.attempts {
		list = append(list, a.Class)
	}
	return list
}

// numbered is a log whose pages say which they are, by Bytes.
type numbered struct {
	*auditLog
	mu    sync.Mutex
	pages []map[string]bool // the ids on each
}

func (n *numbered) Page(ctx context.Context, req pipeline.PageRequest) (pipeline.Page, error) {
	page, err := n.auditLog.Page(ctx, req)
	n.mu.Lock()
	defer n.mu.Unlock()
	ids := make(map[string]bool)
	for _, e := range page.Entries {
		ids[e.ID] = true
	}
	page.Bytes, page.Status = len(n.pages), 200
	n.pages = append(n.pages, ids)
	return page, err
}

// looking is a sink that looks at what is delivered.
type looking struct {
	*pipelinetest.Sink
	look func(pipeline.Batch)
}

func (l looking) Deliver(ctx context.Context, b pipeline.Batch) error {
	l.look(b)
	return l.Sink.Deliver(ctx, b)
}

func TestTracerIsToldWhatABatchCameFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, newAuditLog("org", "tenant"))
		source, rec := &numbered{auditLog: p.log}, newRecorder()
		p.cfg.Sources[0].Source, p.cfg.Tracer = source, rec
		for i := range 120 {
			p.log.writeLate("org", fmt.Sprintf("early-%d", i), 30*time.Minute)
		}
		lane := p.lane("a", nil)
		lane.Kind = "transactions"
		delivered, untraced := 0, 0
		lane.Target = looking{lane.Target.(*pipelinetest.Sink), func(b pipeline.Batch) {
			rec.mu.Lock()
			defer rec.mu.Unlock()
			last := rec.batches[len(rec.batches)-1]
			if last.ID != b.ID || last.Events != len(b.Records) || last.Kind != "transactions" || last.Recovered || last.Watermark.IsZero() {
				t.Errorf("told of %+v, delivered is %s with %d", last.BatchTrace, b.ID, len(b.Records))
			}
			var pages []*pipeline.TraceRef
			for i := range b.Records {
				r := &b.Records[i]
				delivered++
				if r.Trace == nil {
					untraced++
					continue
				}
				told, ok := rec.pages[r.Trace]
				source.mu.Lock()
				if !ok || !source.pages[told.Bytes][r.ID] || told.Stream != r.Stream || told.Source != "acme" || told.Entries != len(source.pages[told.Bytes]) || told.Status != 200 {
					t.Errorf("entry %s of %s was not on the page it is told to be of: %+v", r.ID, r.Stream, told)
				}
				source.mu.Unlock()
				if !slices.Contains(pages, r.Trace) {
					pages = append(pages, r.Trace)
				}
			}
			if !slices.Equal(last.Pages, pages) {
				t.Errorf("batch %s is told to be of %d pages, its events are of %d", b.ID, len(last.Pages), len(pages))
			}
		}}
		p.start()
		time.Sleep(time.Minute)
		for i := range 400 {
			p.log.write([]string{"org", "tenant"}[i%2], fmt.Sprintf("now-%d", i))
			time.Sleep(time.Second)
		}
		p.log.writeLate("org", "late", 40*time.Minute)
		time.Sleep(2 * time.Hour)
		if err := p.stop(); err != nil {
			t.Fatal(err)
		}
		p.wantContents("a", p.log.written())
		if untraced == 0 || untraced > delivered/2 || len(rec.batches) < 5 {
			t.Errorf("%d batches, %d events, %d of pages that were left out: this shows too little", len(rec.batches), delivered, untraced)
		}
		for _, kind := range []string{"catch_up", "recent", "deep"} {
			if rec.kinds[kind] == 0 {
				t.Errorf("no page is told to be of kind %s: %v", kind, rec.kinds)
			}
		}
		for _, b := range rec.batches {
			if !slices.Equal(b.classes(), []string{"delivered"}) || !b.attempts[0].Settled || !slices.Equal(b.ended, []bool{true}) {
				t.Errorf("batch %s: attempts %v, ended %v", b.ID, b.classes(), b.ended)
			}
		}
	})
}

func TestTracerIsToldOfEveryAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, newAuditLog("org"))
		rec := newRecorder()
		var log bytes.Buffer
		p.cfg.Tracer, p.cfg.Logger = rec, slog.New(slog.NewTextHandler(&log, nil))
		// Deliver twice, Resolve, Resolve and Deliver, Resolve.
		fates := []pipelinetest.Fate{
			pipelinetest.FateThrottled, pipelinetest.FateLost, pipelinetest.FateLost, pipelinetest.FatePass, pipelinetest.FateUnanswered, pipelinetest.FatePass,
		}
		p.lane("a", func(op string) pipelinetest.Fate {
			if op != pipelinetest.OpDeliver && op != pipelinetest.OpResolve || len(fates) == 0 {
				return pipelinetest.FatePass
			}
			fate := fates[0]
			fates = fates[1:]
			time.Sleep(time.Second)
			return fate
		})
		p.log.writeLate("org", "one", time.Minute)
		p.start()
		time.Sleep(10 * time.Minute)
		if err := p.stop(); err != nil {
			t.Fatal(err)
		}
		b := rec.batches[0]
		if got, want := b.classes(), []string{"throttled", "in_doubt", "resolve", "in_doubt", "resolved"}; !slices.Equal(got, want) {
			t.Errorf("attempts %v, want %v", got, want)
		}
		if !slices.Equal(b.ended, []bool{true}) {
			t.Errorf("ended %v", b.ended)
		}
		last := b.Began
		for _, a := range b.attempts {
			if a.Began.Before(last) || a.Ended.Sub(a.Began) < time.Second || a.Ended.Sub(a.Began) > 10*time.Second {
				t.Errorf("%s from %s to %s, the one before ended at %s", a.Class, a.Began, a.Ended, last)
			}
			last = a.Ended
		}
		if !strings.Contains(log.String(), `msg="batch not settled" lane=acme/a trace_id=00000000000000000000000000000000 span_id=00000000000003e8 class=throttled`) {
			t.Errorf("the log does not name the trace: %s", &log)
		}
	})
}

func TestTracerIsToldOfABatchOfAnEarlierLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, newAuditLog("org"))
		p.lane("a", func(op string) pipelinetest.Fate { // nothing arrives
			if op == pipelinetest.OpDeliver {
				return pipelinetest.FateLost
			}
			return pipelinetest.FatePass
		})
		first := newRecorder()
		p.cfg.Tracer = first
		p.log.writeLate("org", "one", time.Minute)
		p.start()
		time.Sleep(time.Minute)
		if err := p.stop(); err != nil {
			t.Fatal(err)
		}
		if b := first.batches[0]; !slices.Equal(b.ended, []bool{false}) || len(b.attempts) < 2 {
			t.Errorf("the first life: attempts %v, ended %v", b.classes(), b.ended)
		}
		p.restart()
		p.lane("a", nil)
		second := newRecorder()
		p.cfg.Tracer = second
		p.start()
		time.Sleep(time.Minute)
		if err := p.stop(); err != nil {
			t.Fatal(err)
		}
		b := second.batches[0]
		if b.ID != first.batches[0].ID || !b.Recovered || b.Events != 1 || len(b.Pages) != 0 || !slices.Equal(b.classes(), []string{"delivered"}) || !slices.Equal(b.ended, []bool{true}) {
			t.Errorf("%+v, attempts %v, ended %v", b.BatchTrace, b.classes(), b.ended)
		}
		if second.kinds["rebuild"] == 0 {
			t.Errorf("no page is told to be of kind rebuild: %v", second.kinds)
		}
		p.wantContents("a", p.log.written())
	})
}

func TestTracerIsToldOfPagesThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, newAuditLog("org"))
		rec := newRecorder()
		p.cfg.Tracer = rec
		p.log.refuse("org", true)
		p.lane("a", nil).Start = pipeline.Start{Now: true}
		p.start()
		time.Sleep(time.Minute)
		p.log.refuse("org", false)
		time.Sleep(10 * time.Minute)
		if err := p.stop(); err != nil {
			t.Fatal(err)
		}
		if rec.results["refused"] == 0 || rec.results["ok"] == 0 || rec.kinds["clock"] == 0 {
			t.Errorf("results %v, kinds %v", rec.results, rec.kinds)
		}
	})
}
