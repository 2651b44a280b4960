// Package tracingtest has a collector of traces for tests.
package tracingtest

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Collector is an OTLP/HTTP receiver in this process. It keeps what it takes. Methods
// may be called concurrently.
type Collector struct {
	URL string

	t      *testing.T
	answer http.HandlerFunc
	mu     sync.Mutex
	spans  []Span
	bodies []byte
	asked  int
}

// Span is one that was exported.
type Span struct {
	Name                 string
	Trace, ID, Parent    string // in hex; no parent: empty
	Links                []string
	Events               []string
	Attrs                map[string]any // string, int64, bool
	Resource             map[string]any
	Began, Ended         uint64 // nanoseconds
	Failed               bool
	Status               string
	AttributesOfEvents   []map[string]any
	InstrumentationScope string
}

// Start starts a collector, which the end of the test stops. It answers with answer
// instead of taking what is sent, if that is not nil.
func Start(t *testing.T, answer http.HandlerFunc) *Collector {
	t.Helper()
	c := &Collector{t: t, answer: answer}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

// ServeHTTP implements [http.Handler].
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.asked++
	c.mu.Unlock()
	if c.answer != nil {
		c.answer(w, r)
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		c.t.Errorf("%s %s, %q: want POST /v1/traces, application/x-protobuf", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	}
	body, err := io.ReadAll(r.Body)
	if err == nil && r.Header.Get("Content-Encoding") == "gzip" {
		body, err = inflate(body)
	}
	// An ExportTraceServiceRequest has the same bytes.
	var data tracepb.TracesData
	if err == nil {
		err = proto.Unmarshal(body, &data)
	}
	if err != nil {
		c.t.Errorf("what came cannot be read: %v", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.take(body, &data)
}

func inflate(body []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func (c *Collector) take(body []byte, data *tracepb.TracesData) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bodies = append(c.bodies, body...)
	for _, rs := range data.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				span := Span{
					Name: s.Name, Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
					Attrs: values(s.Attributes), Resource: values(rs.Resource.GetAttributes()), Began: s.StartTimeUnixNano, Ended: s.EndTimeUnixNano,
					Failed: s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR, Status: s.Status.GetMessage(), InstrumentationScope: ss.Scope.GetName(),
				}
				for _, l := range s.Links {
					span.Links = append(span.Links, hex.EncodeToString(l.SpanId))
				}
				for _, e := range s.Events {
					span.Events = append(span.Events, e.Name)
					span.AttributesOfEvents = append(span.AttributesOfEvents, values(e.Attributes))
				}
				c.spans = append(c.spans, span)
			}
		}
	}
}

func values(list []*commonpb.KeyValue) map[string]any {
	m := make(map[string]any, len(list))
	for _, kv := range list {
		switch v := kv.Value.Value.(type) {
		case *commonpb.AnyValue_StringValue:
			m[kv.Key] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			m[kv.Key] = v.IntValue
		case *commonpb.AnyValue_BoolValue:
			m[kv.Key] = v.BoolValue
		default:
			m[kv.Key] = v
		}
	}
	return m
}

// Spans returns what was taken so far.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.spans...)
}

// Bodies returns the bytes of all that was taken, uncompressed.
func (c *Collector) Bodies() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.bodies)
}

// Asked returns how many requests there were.
func (c *Collector) Asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}
