package tracing

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"auditlog-connector/internal/tracing/tracingtest"
	"auditlog-connector/pipeline"
)

// logged is a log that is read while it is written.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start starts tracing with vars.
func start(t *testing.T, vars map[string]string) (*Tracing, *logged) {
	t.Helper()
	log := &logged{}
	tr := Start(func(name string) (string, bool) { v, ok := vars[name]; return v, ok }, "1.2.3", slog.New(slog.NewTextHandler(log, nil)))
	return tr, log
}

var began = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func page(entries int) pipeline.PageTrace {
	return pipeline.PageTrace{
		Source: "acme", Stream: "tenant", Kind: "recent", Result: "ok", Began: began, Ended: began.Add(time.Second), Sent: began.Add(time.Millisecond),
		Entries: entries, Status: 200, Bytes: 1000,
	}
}

func batchOf(pages ...*pipeline.TraceRef) pipeline.BatchTrace {
	return pipeline.BatchTrace{
		ID: pipeline.BatchID{Lane: "acme/db", Epoch: "0123abcd", Seq: 7}, Kind: "sqlite", Began: began.Add(time.Minute), Events: 9,
		Watermark: began.Add(-time.Hour), Pages: pages,
	}
}

func byName(t *testing.T, spans []tracingtest.Span, name string, n int) []tracingtest.Span {
	t.Helper()
	var found []tracingtest.Span
	for _, s := range spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	if len(found) != n {
		t.Fatalf("%d %s of %d, want %d", len(found), name, len(spans), n)
	}
	return found
}

func TestPageBatchAndDeliveryAreOneTrace(t *testing.T) {
	c := tracingtest.Start(t, nil)
	tr, log := start(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_SERVICE_NAME": "audit"})
	first, second := tr.Page(page(5)), tr.Page(page(4))
	refused := page(0)
	refused.Result, refused.Status, refused.Bytes = "refused", 403, 80
	tr.Page(refused)
	b := tr.Batch(batchOf(first, second))
	b.Attempt(pipeline.AttemptTrace{Class: "in_doubt", Began: began.Add(time.Minute), Ended: began.Add(2 * time.Minute)})
	b.Attempt(pipeline.AttemptTrace{Class: "resolved", Settled: true, Rejected: 2, Began: began.Add(3 * time.Minute), Ended: began.Add(4 * time.Minute)})
	ref := b.Ref()
	b.End(began.Add(5*time.Minute), true)
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}

	spans := c.Spans()
	pages := byName(t, spans, "page", 3)
	batches := byName(t, spans, "batch", 1)
	deliveries := byName(t, spans, "delivery", 2)
	for _, s := range spans {
		if s.Resource["service.name"] != "audit" || s.Resource["service.version"] != "1.2.3" {
			t.Errorf("resource %v", s.Resource)
		}
	}
	if got, want := pages[0].Attrs, (map[string]any{
		"connector.source": "acme", "connector.stream": "tenant", "connector.page.kind": "recent", "connector.page.result": "ok",
		"connector.page.entries": int64(5), "connector.page.bytes": int64(1000), "http.response.status_code": int64(200),
	}); !maps.Equal(got, want) {
		t.Errorf("page: %v, want %v", got, want)
	}
	if p := pages[0]; p.Began != uint64(began.UnixNano()) || p.Ended != uint64(began.Add(time.Second).UnixNano()) || !slices.Equal(p.Events, []string{"sent"}) || p.Failed || p.Parent != "" {
		t.Errorf("page: %+v", p)
	}
	if p := pages[2]; !p.Failed || p.Status != "refused" || p.Attrs["error.type"] != "refused" || p.Attrs["http.response.status_code"] != int64(403) {
		t.Errorf("page that was refused: %+v", p)
	}
	got := batches[0]
	if got.Trace != pages[0].Trace || got.Parent != pages[0].ID || !slices.Equal(got.Links, []string{pages[1].ID}) {
		t.Errorf("the batch is not below its first page, or has no link to the other: %+v", got)
	}
	if got.Trace != fmt.Sprintf("%x", ref.Trace) || got.ID != fmt.Sprintf("%x", ref.Span) || !ref.Sampled {
		t.Errorf("the batch is %s in %s, its reference is %x in %x", got.ID, got.Trace, ref.Span, ref.Trace)
	}
	if want := (map[string]any{
		"connector.lane": "acme/db", "connector.batch.id": "acme/db/0123abcd/00000000000000000007", "connector.batch.events": int64(9),
		"connector.batch.pages": int64(2), "connector.batch.recovered": false, "connector.batch.watermark": "2026-11-22T09:00:00Z",
	}); !maps.Equal(got.Attrs, want) || got.Failed {
		t.Errorf("batch: %v, want %v", got.Attrs, want)
	}
	if want := map[string]any{"connector.delivery.attempt": int64(1), "connector.delivery.outcome": "in_doubt"}; !slices.Equal(got.Events, []string{"retry"}) || !maps.Equal(got.AttributesOfEvents[0], want) {
		t.Errorf("events of the batch: %v %v", got.Events, got.AttributesOfEvents)
	}
	for i, d := range deliveries {
		want := []map[string]any{
			{"connector.lane": "acme/db", "connector.sink.type": "sqlite", "connector.delivery.attempt": int64(1), "connector.delivery.outcome": "in_doubt", "connector.delivery.rejected": int64(0), "error.type": "in_doubt"},
			{"connector.lane": "acme/db", "connector.sink.type": "sqlite", "connector.delivery.attempt": int64(2), "connector.delivery.outcome": "resolved", "connector.delivery.rejected": int64(2)},
		}[i]
		if d.Parent != got.ID || d.Trace != got.Trace || !maps.Equal(d.Attrs, want) || d.Failed != (i == 0) {
			t.Errorf("delivery %d: %+v, want %v", i+1, d, want)
		}
	}
	if strings.Contains(log.String(), "WARN") {
		t.Errorf("log: %s", log)
	}
}

func TestBatchOfAnEarlierLifeIsATraceOfItsOwn(t *testing.T) {
	c := tracingtest.Start(t, nil)
	tr, _ := start(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL})
	recovered := batchOf()
	recovered.Recovered, recovered.Watermark = true, time.Time{}
	b := tr.Batch(recovered)
	b.Attempt(pipeline.AttemptTrace{Class: "error", Began: began, Ended: began})
	b.End(began, false)
	tr.Close()
	got := byName(t, c.Spans(), "batch", 1)[0]
	if got.Parent != "" || !got.Failed || got.Status != "not_settled" || got.Attrs["connector.batch.recovered"] != true || got.Attrs["connector.batch.watermark"] != nil {
		t.Errorf("%+v", got)
	}
}

// A trace is made whole or not at all, and a batch links to no page that was left out.
func TestSampling(t *testing.T) {
	c := tracingtest.Start(t, nil)
	tr, _ := start(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"})
	const n = 400
	want, links := 0, 0
	var last *pipeline.TraceRef
	for range n {
		p := tr.Page(page(1))
		pages := []*pipeline.TraceRef{p}
		if last != nil {
			pages = append(pages, last)
		}
		b := tr.Batch(batchOf(pages...))
		if b.Ref().Sampled != p.Sampled {
			t.Fatal("a batch is sampled otherwise than its page")
		}
		if p.Sampled {
			want++
			if last != nil && last.Sampled {
				links++
			}
		}
		b.Attempt(pipeline.AttemptTrace{Class: "delivered", Settled: true, Began: began, Ended: began})
		b.End(began, true)
		last = p
	}
	tr.Close()
	if want == 0 || want == n || links == 0 {
		t.Fatalf("%d of %d are sampled, %d links: nothing is proven", want, n, links)
	}
	got := 0
	for _, name := range []string{"page", "batch", "delivery"} {
		for _, s := range byName(t, c.Spans(), name, want) {
			got += len(s.Links)
		}
	}
	if got != links {
		t.Errorf("%d links, want %d", got, links)
	}
}

func TestRequestIsRepeatedOnlyWhereTheProtocolSaysSo(t *testing.T) {
	for status, requests := range map[int]int{200: 1, 400: 1, 401: 1, 404: 1, 500: 1, 307: 1, 429: 2, 502: 2, 503: 2, 504: 2} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			var mu sync.Mutex
			n := 0
			c := tracingtest.Start(t, func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				if n++; n == 1 {
					w.Header().Set("Location", "/elsewhere")
					w.WriteHeader(status)
				}
			})
			s, _ := readEnv(map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_EXPORTER_OTLP_TIMEOUT": "60000"})
			cl, err := newClient(s.collector)
			if err != nil {
				t.Fatal(err)
			}
			defer cl.Stop(t.Context())
			err = cl.UploadTraces(t.Context(), nil)
			if c.Asked() != requests || (err == nil) != (status == 200 || requests == 2) {
				t.Errorf("%d requests, want %d; %v", c.Asked(), requests, err)
			}
		})
	}
}

// Whatever a header holds may be a key, and servers repeat what they were sent.
func TestNoHeaderIsRepeatedInTheLog(t *testing.T) {
	c := tracingtest.Start(t, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no such team: "+r.Header.Get("X-Team-Token"), http.StatusBadRequest)
	})
	tr, log := start(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL + "/?q=hidden-in-query", "OTEL_EXPORTER_OTLP_HEADERS": "x-team-token=hidden-in-header"})
	tr.Page(page(1))
	eventually(t, "it is seen to run, so that tests which look for it prove something", func() bool { return len(running()) > 0 })
	tr.Close()
	if got := log.String(); !strings.Contains(got, "no such team") || strings.Contains(got, "hidden-in") {
		t.Errorf("log: %s", got)
	}
}

// A server that takes no connection, or one and never answers, costs nothing: what is
// told returns, what is kept is bounded, and the end comes.
func TestCollectorThatDoesNotAnswer(t *testing.T) {
	release := make(chan struct{})
	var once sync.Once
	hanging := tracingtest.Start(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { once.Do(func() { close(release) }) }) // before the server is closed, which waits
	away := httptest.NewServer(nil)
	away.Close()
	for name, url := range map[string]string{"hangs": hanging.URL, "is away": away.URL} {
		t.Run(name, func(t *testing.T) {
			tr, log := start(t, map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_TIMEOUT": "3600000", "OTEL_BSP_EXPORT_TIMEOUT": "3600000",
				"OTEL_BSP_MAX_QUEUE_SIZE": "64", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "8", "OTEL_BSP_SCHEDULE_DELAY": "1",
			})
			for range 10_000 {
				tr.Page(page(1))
			}
			closed := make(chan struct{})
			go func() { tr.Close(); close(closed) }()
			select {
			case <-closed:
			case <-time.After(time.Minute): // it may take two seconds; the machine may be busy
				t.Fatal("Close does not return")
			}
			if !strings.Contains(log.String(), "level=WARN") {
				t.Errorf("the log does not say that traces are lost: %s", log)
			}
			eventually(t, "nothing runs any more", func() bool { return len(running()) == 0 })
		})
	}
}

// eventually waits until f is true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in a minute: %s; running %s", what, running())
		}
	}
}

// running returns the goroutines that send traces.
func running() []string {
	buf := make([]byte, 1<<20)
	var list []string
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "atchSpanProcessor") || strings.Contains(g, "(*client).UploadTraces") {
			list = append(list, g)
		}
	}
	return list
}

func TestFailuresAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		c := &complaints{log: slog.New(slog.NewTextHandler(log, nil))}
		for range 180 {
			c.Handle(errors.New("connection refused"))
			time.Sleep(time.Second)
		}
		if got := strings.Count(log.String(), "connection refused"); got != 3 {
			t.Errorf("%d warnings in three minutes, want 3", got)
		}
		if !strings.Contains(log.String(), "unlogged=59") {
			t.Errorf("they do not say how many there were: %s", log)
		}
	})
}

func TestNothingRunsWhenTracesAreOff(t *testing.T) {
	tr, log := start(t, nil)
	if tr != nil || log.String() != "" || len(running()) > 0 {
		t.Errorf("%v, running %s, log %q", tr, running(), log)
	}
	tr, log = start(t, map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
	if tr != nil || !strings.Contains(log.String(), "variable=OTEL_EXPORTER_OTLP_PROTOCOL") || len(running()) > 0 {
		t.Errorf("%v, log %q", tr, log)
	}
}
