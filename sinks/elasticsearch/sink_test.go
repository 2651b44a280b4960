package elasticsearch

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/sinktest"
)

func open(t *testing.T, f http.RoundTripper, change func(c *Config)) *sink {
	t.Helper()
	return openLane(t, f, testConfig(change), lane)
}

func itemOf(status int, kind string) *item {
	it := &item{Status: status}
	it.Error.Type = kind
	return it
}

// check compares what f has with the events of b, those in except left aside.
func (f *fake) check(t *testing.T, b pipeline.Batch, except ...int) {
	t.Helper()
	got := f.copies()
	for i, r := range b.Records {
		want := 1
		if slices.Contains(except, i) {
			want = 0
		}
		if n := got["acme:"+r.ID]; n != want {
			t.Errorf("event %d: %d copies, want %d", i, n, want)
		}
	}
}

func TestOnlyDocumentsThatHaveToWaitAreSentAgain(t *testing.T) {
	f := newFake()
	calls := 0
	f.item = func(_, id string, _ []byte) *item {
		calls++
		switch n := calls; {
		case n <= 10 && strings.HasSuffix(id, "-3"):
			return itemOf(429, "rejected_execution_exception")
		case n <= 10 && strings.HasSuffix(id, "-7"):
			return itemOf(503, "unavailable_shards_exception")
		case strings.HasSuffix(id, "-5"):
			return itemOf(400, "mapper_parsing_exception")
		}
		return nil
	}
	k := open(t, f, nil)
	b := batch(k, 1, 10, day, time.Second)
	err := k.Deliver(t.Context(), b)
	if !errors.As(err, new(*pipeline.ThrottledError)) || !strings.Contains(err.Error(), "2 documents") {
		t.Fatalf("deliver: %v, want to be told to wait for 2", err)
	}
	if got := rejected(t, k.Deliver(t.Context(), b)); len(got) != 1 || got[5] == nil {
		t.Errorf("rejected %v, want 5", got)
	}
	if want := []int{10, 2}; !slices.Equal(f.creates, want) {
		t.Errorf("documents in requests: %v, want %v", f.creates, want)
	}
	f.check(t, b, 5)
}

func TestItemsThatStopTheLane(t *testing.T) {
	for name, tc := range map[string]struct {
		it      *item
		refused bool
		text    string
	}{
		"closed":    {itemOf(400, "index_closed_exception"), false, "open the index"},
		"missing":   {itemOf(404, "index_not_found_exception"), false, "auto_create_index"},
		"blocked":   {itemOf(403, "cluster_block_exception"), false, "write block"},
		"forbidden": {itemOf(403, "security_exception"), true, "create_doc"},
		"shards":    {itemOf(400, "validation_exception"), false, "max_shards_per_node"},
		"pipeline":  {saying(itemOf(400, "illegal_argument_exception"), "pipeline with id [gone] does not exist"), false, "default_pipeline"},
	} {
		f := newFake()
		f.item = func(_, id string, _ []byte) *item {
			if strings.HasSuffix(id, "-1") {
				return tc.it
			}
			return nil
		}
		k := open(t, f, nil)
		b := batch(k, 1, 3, day, time.Second)
		err := k.Deliver(t.Context(), b)
		if !pipeline.IsPermanent(err) || errors.Is(err, pipeline.ErrRefused) != tc.refused || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: %v", name, err)
		}
		f.check(t, b, 1)
		f.item = nil
		if err := k.Deliver(t.Context(), b); err != nil {
			t.Errorf("%s, repaired: %v", name, err)
		}
		f.check(t, b)
	}
}

func saying(it *item, reason string) *item {
	it.Error.Reason = reason
	return it
}

// A block of the cluster comes with the status of a missing privilege.
func TestABlockedClusterIsNoMatterOfCredentials(t *testing.T) {
	k := open(t, newFake(), nil)
	for kind, refused := range map[string]bool{"cluster_block_exception": false, "security_exception": true} {
		err := k.classify(&httpclient.Response{Status: 403, Body: []byte(`{"error":{"type":"` + kind + `","reason":"x"},"status":403}`)})
		if !pipeline.IsPermanent(err) || errors.Is(err, pipeline.ErrRefused) != refused || strings.Contains(err.Error(), "blocks.read_only") == refused {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestAnswersThatAreNotAboutWhatWasSent(t *testing.T) {
	for name, tc := range map[string]struct {
		change    func(a map[string]any)
		permanent bool
	}{
		"too few":      {func(a map[string]any) { a["items"] = a["items"].([]any)[1:] }, false},
		"none":         {func(a map[string]any) { delete(a, "items") }, false},
		"another kind": {func(a map[string]any) { a["items"].([]any)[1] = map[string]any{"index": map[string]any{"status": 201}} }, false},
		"other id":     {func(a map[string]any) { created(a, 1)["_id"] = "x" }, true},
		"other index":  {func(a map[string]any) { created(a, 1)["_index"] = "x" }, true},
		"other order":  {func(a map[string]any) { l := a["items"].([]any); l[0], l[1] = l[1], l[0] }, true},
	} {
		f := newFake()
		k := open(t, rewrite{f, tc.change}, nil)
		b := batch(k, 1, 3, day, time.Second)
		err := k.Deliver(t.Context(), b)
		if err == nil || pipeline.IsPermanent(err) != tc.permanent {
			t.Errorf("%s: %v, permanent must be %t", name, err, tc.permanent)
		}
		again := open(t, f, nil)
		if err := again.Deliver(t.Context(), b); err != nil {
			t.Errorf("%s, delivered again: %v", name, err)
		}
		f.check(t, b)
	}
}

func created(a map[string]any, n int) map[string]any {
	return a["items"].([]any)[n].(map[string]any)["create"].(map[string]any)
}

// rewrite changes answers to bulk requests.
type rewrite struct {
	inner  http.RoundTripper
	change func(a map[string]any)
}

func (w rewrite) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.inner.RoundTrip(r)
	if err != nil || r.URL.Path != "/_bulk" {
		return resp, err
	}
	var a map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return nil, err
	}
	w.change(a)
	rec := httptest.NewRecorder()
	_ = json.NewEncoder(rec).Encode(a)
	return rec.Result(), nil
}

func TestLargeRequestsAreHalved(t *testing.T) {
	f := newFake()
	f.limit = 100 << 10
	k := open(t, f, nil)
	b := batch(k, 1, 300, day, time.Second)
	b.Records[7].Audit.Raw = []byte(`{"big":"` + strings.Repeat("x", 200<<10) + `"}`)
	if got := rejected(t, k.Deliver(t.Context(), b)); len(got) != 1 || got[7] == nil || !strings.Contains(got[7].Error(), "413") {
		t.Errorf("rejected %v, want the one above the limit", got)
	}
	f.check(t, b, 7)
	if k.limit > 100<<10 || k.limit < smallest {
		t.Errorf("later requests have up to %d bytes", k.limit)
	}
	before := f.bulks
	next := batch(k, 2, 300, day, time.Second)
	if err := k.Deliver(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if n := f.bulks - before; n > 12 {
		t.Errorf("%d requests for a batch after the limit is known", n)
	}
	f.check(t, next)
}

func TestABadRequestIsHalvedDownToTheDocument(t *testing.T) {
	f := newFake()
	bad := "acme:event-1-77"
	k := open(t, rejecting{f, bad}, func(c *Config) { c.Gzip = false })
	b := batch(k, 1, 200, day, time.Second)
	if got := rejected(t, k.Deliver(t.Context(), b)); len(got) != 1 || got[77] == nil {
		t.Errorf("rejected %v, want 77", got)
	}
	f.check(t, b, 77)
}

// rejecting answers 400 to every request with the document id in it.
type rejecting struct {
	inner *fake
	id    string
}

func (w rejecting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.GetBody != nil {
		body, _ := r.GetBody()
		text, _ := io.ReadAll(body)
		if strings.Contains(string(text), `"`+w.id+`"`) {
			rec := httptest.NewRecorder()
			failWith(rec, 400, "illegal_argument_exception")
			return rec.Result(), nil
		}
	}
	return w.inner.RoundTrip(r)
}

func TestIDsThatAreTooLongAreRejectedAlone(t *testing.T) {
	f := newFake()
	k := open(t, f, nil)
	b := batch(k, 1, 3, day, time.Second)
	records := slices.Clone(b.Records)
	records[1] = sinktest.Record("acme", strings.Repeat("i", 508), day)
	b = batchOf(k, 1, records)
	if got := rejected(t, k.Deliver(t.Context(), b)); len(got) != 1 || got[1] == nil {
		t.Errorf("rejected %v, want 1", got)
	}
	f.check(t, b, 1)
}

func TestAnotherNodeIsTriedWhenOneIsNotThere(t *testing.T) {
	f := newFake()
	node := httptest.NewServer(f)
	defer node.Close()
	dead := httptest.NewServer(f)
	dead.Close()
	k := open(t, nil, func(c *Config) { c.URLs = []string{dead.URL, node.URL} })
	defer k.Close()
	b := batch(k, 1, 3, day, time.Second)
	if err := k.Deliver(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	f.check(t, b)
	alone := open(t, nil, func(c *Config) { c.URLs = []string{dead.URL} })
	defer alone.Close()
	if err := alone.Deliver(t.Context(), b); !errors.As(err, new(*pipeline.ThrottledError)) {
		t.Errorf("nobody there: %v, want to be told to wait: nothing was sent", err)
	}
}

func TestABatchKeepsThePlaceOfItsTime(t *testing.T) {
	f := newFake()
	k := open(t, f, func(c *Config) { c.Index = "old-%{month}" })
	b := batch(k, 1, 3, day, time.Second)
	now := open(t, f, func(c *Config) { c.Index = "new-%{month}" })
	if err := now.Deliver(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if n := len(f.documents()["old-2026.11"]); n != 3 {
		t.Errorf("%d documents where the batch was placed, want 3", n)
	}
}

func TestThePrivilegesThatAreMissingStopTheLane(t *testing.T) {
	f := newFake()
	f.verify = func(r *http.Request) int {
		if strings.HasPrefix(r.URL.Path, "/_index_template") {
			return http.StatusForbidden
		}
		return 0
	}
	k := open(t, f, nil)
	b := batch(k, 1, 3, day, time.Second)
	if err := k.Deliver(t.Context(), b); !errors.Is(err, pipeline.ErrRefused) || !strings.Contains(err.Error(), "install_template: false") {
		t.Errorf("deliver: %v", err)
	}
	k = open(t, f, func(c *Config) { c.InstallTemplate = false })
	if err := k.Deliver(t.Context(), b); err != nil {
		t.Error(err)
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	k := open(t, status{429, http.Header{"Retry-After": {"17"}}}, func(c *Config) { c.InstallTemplate = false })
	err := k.Deliver(t.Context(), batch(k, 1, 1, day, 0))
	var wait *pipeline.ThrottledError
	if !errors.As(err, &wait) || wait.After != 17*time.Second {
		t.Errorf("%v", err)
	}
	for _, code := range []int{500, 502, 503, 504, 408} {
		k := open(t, status{code, nil}, func(c *Config) { c.InstallTemplate = false })
		if err := k.Deliver(t.Context(), batch(k, 1, 1, day, 0)); err == nil || isClean(err) {
			t.Errorf("%d: %v, want doubt", code, err)
		}
	}
	for _, code := range []int{301, 404, 405, 406} {
		k := open(t, status{code, nil}, func(c *Config) { c.InstallTemplate = false })
		if err := k.Deliver(t.Context(), batch(k, 1, 1, day, 0)); !pipeline.IsPermanent(err) {
			t.Errorf("%d: %v, want a permanent error", code, err)
		}
	}
}

// status answers every request alike.
type status struct {
	code   int
	header http.Header
}

func (s status) RoundTrip(r *http.Request) (*http.Response, error) {
	h := s.header
	if h == nil {
		h = http.Header{}
	}
	return &http.Response{StatusCode: s.code, Header: h, Body: http.NoBody, Request: r}, r.Context().Err()
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"items":[{"create":{"_index":"audit-openai-2026.11","_id":"acme:event-1-0","status":201}}]}`))
	f.Add([]byte(`{"items":[{"create":{"status":409,"error":{"type":"version_conflict_engine_exception"}}},{}]}`))
	f.Add([]byte(`{"items":[null]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		answer := roundTrip(func(*http.Request) *http.Response {
			rec := httptest.NewRecorder()
			_, _ = rec.Write(body)
			return rec.Result()
		})
		k := open(t, answer, func(c *Config) { c.InstallTemplate = false })
		b := batch(k, 1, 2, day, 0)
		err := k.Deliver(context.Background(), b)
		var r *pipeline.RejectedError
		if err == nil || errors.As(err, &r) && len(r.Records) < 2 {
			// Delivered: then the answer has to speak of both documents.
			for _, rec := range b.Records {
				if r == nil && !strings.Contains(string(body), "acme:") && !strings.Contains(string(body), `\u`) {
					t.Fatalf("%s counts as there by %q", rec.ID, body)
				}
			}
		}
	})
}

type roundTrip func(r *http.Request) *http.Response

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }
