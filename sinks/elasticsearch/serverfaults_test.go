package elasticsearch

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"auditlog-connector/internal/testserver"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas/document"
	"auditlog-connector/sinks/sinktest"
)

// rejected returns the indices of what err says was refused, and checks that it
// shows nothing of the documents.
func rejected(t *testing.T, err error) map[int]error {
	t.Helper()
	var r *pipeline.RejectedError
	if !errors.As(err, &r) {
		t.Fatalf("deliver: %v, want rejected records", err)
	}
	for _, why := range r.Records {
		if strings.Contains(why.Error(), "ana@example.com") || strings.Contains(why.Error(), "Preview") {
			t.Errorf("the reason shows what is in the document: %v", why)
		}
	}
	return r.Records
}

func testTemplate(t *testing.T, s *testserver.OpenSearch) {
	k := openReal(t, s, nil)
	b := batch(k, 1, 3, day, time.Second)
	if err := k.Deliver(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	there(t, s, "audit-openai-2026.11", b)
	var mapping map[string]struct {
		Mappings struct {
			Dynamic    string
			Properties map[string]struct {
				Type       string
				Properties map[string]struct{ Type string }
			}
		}
	}
	if err := json.Unmarshal(s.Must(t, "GET", "/audit-openai-2026.11/_mapping", ""), &mapping); err != nil {
		t.Fatal(err)
	}
	m := mapping["audit-openai-2026.11"].Mappings
	if m.Dynamic != "false" || m.Properties["@timestamp"].Type != "date" || m.Properties["source"].Properties["ip"].Type != "ip" ||
		m.Properties["event"].Properties["original"].Type != "keyword" {
		t.Errorf("the template is not what the index has: %+v", m)
	}

	// An older one of ours is replaced, somebody else's is not.
	for version, replaced := range map[string]bool{`"version":0,"_meta":{"managed_by":"auditlog-connector","schema":"ecs"}`: true, `"version":0`: false} {
		s.Must(t, "PUT", "/_index_template/connector-audit-openai", `{"index_patterns":["audit-openai-*"],"priority":500,`+version+`}`)
		again := openReal(t, s, nil)
		if err := again.Deliver(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		tpl, err := again.template(t.Context(), "connector-audit-openai")
		if err != nil || (tpl.Version == templateVersion) != replaced {
			t.Errorf("after %s: %+v, %v; replaced must be %t", version, tpl, err, replaced)
		}
	}
	s.Must(t, "DELETE", "/_index_template/connector-audit-openai", "")
}

func testSchemas(t *testing.T, s *testserver.OpenSearch) {
	for _, schema := range []string{"normalized", "ecs", "ocsf", "cim", "raw"} {
		if document.Lookup(schema) == nil {
			t.Fatalf("no schema %s", schema)
		}
		k := openReal(t, s, func(c *Config) { c.Schema, c.Index = schema, "schema-"+schema+"-%{month}" })
		b := batch(k, 1, 20, day, time.Hour)
		if err := k.Deliver(t.Context(), b); err != nil {
			t.Errorf("%s: %v", schema, err)
			continue
		}
		there(t, s, "schema-"+schema+"-*", b)
	}
}

// testRollover rolls a stream over while a batch is in doubt, before it is created
// again and in the middle of that.
func testRollover(t *testing.T, s *testserver.OpenSearch) {
	k := openReal(t, s, func(c *Config) { c.DataStream = "logs-openai.audit-rolled" })
	rollover := func() { s.Must(t, "POST", "/logs-openai.audit-rolled/_rollover", "") }
	b := batch(k, 1, 10, day, time.Second)
	if err := k.Deliver(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	rollover()
	again := openReal(t, s, func(c *Config) { c.DataStream = "logs-openai.audit-rolled" })
	if _, err := again.Resolve(t.Context(), b.Manifest); err != nil {
		t.Fatal(err)
	}
	if err := again.Deliver(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	there(t, s, "logs-openai.audit-rolled", b)

	// Without a word of doubt the stream takes it twice: that is what is looked up for.
	blind := openReal(t, s, func(c *Config) { c.DataStream = "logs-openai.audit-rolled" })
	if err := blind.Deliver(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if n := len(search(t, s, "logs-openai.audit-rolled", "")); n != 20 {
		t.Fatalf("%d documents, want each twice: the test proves nothing", n)
	}
	// And what is there twice is repaired.
	rollover()
	if _, err := blind.Resolve(t.Context(), b.Manifest); err != nil {
		t.Fatal(err)
	}
	blind.progress = nil
	if _, err := blind.Resolve(t.Context(), b.Manifest); err != nil {
		t.Fatal(err)
	}
	if err := blind.Deliver(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	there(t, s, "logs-openai.audit-rolled", b)
}

func testUnwritable(t *testing.T, s *testserver.OpenSearch) {
	k := openReal(t, s, func(c *Config) { c.Index, c.InstallTemplate = "blocked-%{date}", false })
	b := batch(k, 1, 4, day, 24*time.Hour) // four indices
	first := batch(k, 9, 4, day, 24*time.Hour)
	if err := k.Deliver(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	set := func(index, setting, value string) {
		s.Must(t, "PUT", "/"+index+"/_settings", fmt.Sprintf(`{%q:%s}`, setting, value))
	}
	// What the disk's flood stage does.
	set("blocked-2026.11.23", "index.blocks.read_only_allow_delete", "true")
	err := k.Deliver(t.Context(), b)
	if !errors.As(err, new(*pipeline.ThrottledError)) || !strings.Contains(err.Error(), "flood stage") {
		t.Fatalf("read only: %v, want to be told to wait", err)
	}
	there(t, s, "blocked-*", b, 1)
	set("blocked-2026.11.23", "index.blocks.read_only_allow_delete", "null")
	if err := k.Deliver(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	there(t, s, "blocked-*", b)

	set("blocked-2026.11.24", "index.blocks.write", "true")
	more := batch(k, 2, 4, day, 24*time.Hour)
	if err := k.Deliver(t.Context(), more); !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "write block") {
		t.Errorf("write block: %v", err)
	}
	set("blocked-2026.11.24", "index.blocks.write", "null")
	s.Must(t, "POST", "/blocked-2026.11.24/_close", "")
	if err := k.Deliver(t.Context(), more); !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "open the index") {
		t.Errorf("closed: %v", err)
	}
	s.Must(t, "POST", "/blocked-2026.11.24/_open?wait_for_active_shards=1", "")
	if _, err := settle(t, k, more); err != nil {
		t.Errorf("opened again: %v", err)
	}
	there(t, s, "blocked-*", more)

	s.Must(t, "PUT", "/_cluster/settings", `{"persistent":{"action.auto_create_index":"false"}}`)
	missing := batch(k, 3, 1, day.AddDate(1, 0, 0), 0)
	if err := k.Deliver(t.Context(), missing); !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "auto_create_index") {
		t.Errorf("missing: %v", err)
	}
	s.Must(t, "PUT", "/_cluster/settings", `{"persistent":{"action.auto_create_index":null}}`)
	if err := k.Deliver(t.Context(), missing); err != nil {
		t.Error(err)
	}
}

// testConflict puts a template in the way under which one field is a number.
func testConflict(t *testing.T, s *testserver.OpenSearch) {
	s.Must(t, "PUT", "/_index_template/changed", `{"index_patterns":["changed-2026.12"],"priority":900,`+
		`"template":{"mappings":{"dynamic":false,"properties":{"user":{"properties":{"full_name":{"type":"long"}}}}}}}`)
	k := openReal(t, s, func(c *Config) { c.Index = "changed-%{month}" })
	records := make([]pipeline.Record, 500)
	for i := range records {
		records[i] = sinktest.Record("acme", fmt.Sprintf("changed-%d", i), day.AddDate(0, 0, i/10))
	}
	poisoned := 300 // in December
	records[poisoned].Audit.Actor.Name = "no number"
	records[poisoned] = sinktest.Encoded(records[poisoned].Event)
	b := batchOf(k, 1, records)
	for range 2 {
		got := rejected(t, k.Deliver(t.Context(), b))
		if len(got) != 1 || got[poisoned] == nil || !strings.Contains(got[poisoned].Error(), "mapper_parsing_exception, _id acme:changed-300") {
			t.Errorf("rejected %v, want the one with a name", got)
		}
		k.progress = nil // as a process that knows nothing of it
	}
	there(t, s, "changed-*", b, poisoned)
}

func testPipelines(t *testing.T, s *testserver.OpenSearch) {
	put := func(index, processor string) {
		s.Must(t, "PUT", "/_ingest/pipeline/"+index, `{"processors":[`+processor+`]}`)
		s.Must(t, "PUT", "/"+index, `{"settings":{"default_pipeline":"`+index+`"}}`)
	}
	one := `"if":"ctx.event.id == 'event-1-1'"`
	put("dropping", `{"drop":{`+one+`}}`)
	put("failing", `{"fail":{"message":"no: {{user.email}}",`+one+`}}`)
	put("renaming", `{"set":{"field":"_id","value":"other",`+one+`}}`)
	put("moving", `{"set":{"field":"_index","value":"elsewhere",`+one+`}}`)
	for _, index := range []string{"dropping", "failing"} {
		k := openReal(t, s, func(c *Config) { c.Index, c.InstallTemplate = index, false })
		b := batch(k, 1, 3, day, time.Second)
		if got := rejected(t, k.Deliver(t.Context(), b)); len(got) != 1 || got[1] == nil {
			t.Errorf("%s: rejected %v, want 1", index, got)
		}
		there(t, s, index, b, 1)
	}
	for _, index := range []string{"renaming", "moving"} {
		k := openReal(t, s, func(c *Config) { c.Index, c.InstallTemplate = index, false })
		if err := k.Deliver(t.Context(), batch(k, 1, 3, day, time.Second)); !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "pipeline") {
			t.Errorf("%s: %v, want a permanent error", index, err)
		}
	}
}

func testCheck(t *testing.T, s *testserver.OpenSearch) {
	find := func(k *sink, name string) pipeline.Finding {
		for _, f := range k.Check(t.Context()) {
			if f.Name == name {
				return f
			}
		}
		return pipeline.Finding{}
	}
	k := openReal(t, s, func(c *Config) { c.Index = "checked-%{month}" })
	if f := find(k, "version"); f.Status != good || !strings.Contains(f.Detail, "OpenSearch "+s.Version) {
		t.Errorf("version: %+v", f)
	}
	if f := find(k, "index template"); f.Status != good {
		t.Errorf("template: %+v", f)
	}
	if f := find(k, "durability"); f.Status != good {
		t.Errorf("durability: %+v", f)
	}
	s.Must(t, "PUT", "/checked-2026.10", `{"settings":{"index.translog.durability":"async"}}`)
	if f := find(k, "durability"); f.Status != warn || !strings.Contains(f.Detail, "checked-2026.10") {
		t.Errorf("durability of an index that is async: %+v", f)
	}
	s.Must(t, "PUT", "/_index_template/above", `{"index_patterns":["check*"],"priority":900}`)
	if f := find(k, "template conflict"); f.Status != warn || !strings.Contains(f.Detail, "above") {
		t.Errorf("conflict: %+v", f)
	}
	st := openReal(t, s, withStream)
	if f := find(st, "data stream"); f.Status != good {
		t.Errorf("stream: %+v", f)
	}
}

// testRestart kills the node while a lane delivers.
func testRestart(t *testing.T, s *testserver.OpenSearch) {
	// What is not there need not come back.
	s.Must(t, "DELETE", "/_data_stream/logs-*", "")
	s.Must(t, "DELETE", "/*", "")
	const batches, events = 8, 400
	// Killed while it works on the third batch.
	kill := &killer{inner: http.DefaultTransport, at: 3, kill: s.Kill}
	k := openLane(t, kill, testConfig(func(c *Config) { c.Index, c.URLs = "restart-%{date}", []string{s.URL} }), lane)
	var all []pipeline.Batch
	ambiguous := 0
	for seq := range uint64(batches) {
		b := batch(k, seq+1, events, day.AddDate(0, 0, int(seq)), 10*time.Minute)
		all = append(all, b)
		if seq == 2 {
			if err := k.Deliver(t.Context(), b); err == nil || errors.As(err, new(*pipeline.RejectedError)) {
				t.Fatalf("the node is killed: %v", err)
			}
			kill.wait()
			s.Process.Start()
		}
		n, err := settle(t, k, b)
		if err != nil {
			t.Fatalf("batch %d: %v", b.ID.Seq, err)
		}
		if n > 1 || seq == 2 {
			ambiguous++
		}
	}
	if ambiguous == 0 {
		t.Error("no batch needed a second attempt: the test proves nothing")
	}
	for _, b := range all {
		there(t, s, "restart-*", b)
	}
	t.Logf("%d of %d batches needed more than one attempt", ambiguous, batches)
}

// TestServerWithoutRoom delivers to a node that takes one bulk at a time, and small
// ones.
func TestServerWithoutRoom(t *testing.T) {
	testserver.Require(t)
	s := testserver.StartOpenSearch(t, testserver.OpenSearchOptions{Settings: map[string]string{
		"thread_pool.write.size": "1", "thread_pool.write.queue_size": "1", "http.max_content_length": "300kb",
	}})
	k := openReal(t, s, func(c *Config) { c.Index = "large-%{month}" })
	b := batch(k, 1, 1000, day, time.Minute)
	if _, err := settle(t, k, b); err != nil {
		t.Fatal(err)
	}
	there(t, s, "large-*", b)
	if k.limit >= requestLimit {
		t.Error("no request was refused for its size: the test proves nothing")
	}
	storm(t, s)
}

// killer ends the server when it has been sent the nth bulk request, and before it
// has answered it.
type killer struct {
	inner http.RoundTripper
	n, at int
	kill  func()
	done  chan struct{}
}

func (k *killer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/_bulk" {
		if k.n++; k.n == k.at {
			k.done = make(chan struct{})
			kill := sync.OnceFunc(func() { k.kill(); close(k.done) })
			sent := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { kill() }}
			r = r.WithContext(httptrace.WithClientTrace(r.Context(), sent))
		}
	}
	return k.inner.RoundTrip(r)
}

func (k *killer) wait() { <-k.done }

// storm has eight lanes deliver at once to a node that takes one bulk at a time.
func storm(t *testing.T, s *testserver.OpenSearch) {
	const lanes, batches = 8, 4
	var wg sync.WaitGroup
	var mu sync.Mutex
	extra := 0
	var all []pipeline.Batch
	for l := range lanes {
		k := openReal(t, s, func(c *Config) { c.Index, c.InstallTemplate = "storm-%{date}", false })
		var mine []pipeline.Batch
		for n := range uint64(batches) {
			mine = append(mine, batch(k, uint64(l+1)*100+n, 100, day, time.Hour))
		}
		all = append(all, mine...)
		wg.Go(func() {
			for _, b := range mine {
				n, err := settle(t, k, b)
				if err != nil {
					t.Errorf("%d: %v", b.ID.Seq, err)
				}
				mu.Lock()
				extra += n - 1
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if extra == 0 {
		t.Error("nothing had to wait: the test proves nothing")
	}
	for _, b := range all {
		there(t, s, "storm-*", b)
	}
	t.Logf("%d attempts more than batches", extra)
}
