package elasticsearch

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks"
	"auditlog-connector/sinks/sinktest"
)

// testConfig is a configuration for a node without a network.
func testConfig(change func(c *Config)) *Config {
	c := &Config{URLs: []string{"http://node.invalid:9200"}, Schema: "ecs", Gzip: true, InstallTemplate: true}
	if change != nil {
		change(c)
	}
	return c
}

const testStream = "logs-openai.audit-test"

func withStream(c *Config) { c.DataStream = testStream }

func openLane(t testing.TB, transport http.RoundTripper, c *Config, lane string) *sink {
	t.Helper()
	for _, err := range validate(c) {
		if !strings.Contains(err.Error(), "in the clear") && !strings.Contains(err.Error(), "programs name") {
			t.Fatal(err)
		}
	}
	source, name, _ := strings.Cut(lane, "/")
	s, err := newSink(c, sinks.Env{
		Source: source, Sink: name, Lane: lane, Transport: transport, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// eventID is the event's part of a document's id; sources have no colon.
func eventID(id string) string {
	_, event, _ := strings.Cut(id, ":")
	return event
}

// original is the entry as served, as an ECS document has it.
func original(t *testing.T, document []byte) []byte {
	t.Helper()
	var d struct {
		Event  struct{ Original string }
		OpenAI struct {
			Audit struct {
				Base64 bool `json:"raw_base64"`
			}
		}
	}
	if err := json.Unmarshal(document, &d); err != nil {
		t.Fatal(err)
	}
	if !d.OpenAI.Audit.Base64 {
		return []byte(d.Event.Original)
	}
	raw, err := base64.StdEncoding.DecodeString(d.Event.Original)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// refuse changes r so that the fake takes it for a document that it cannot map.
func refuse(r *pipeline.Record) { r.Audit.EventType = "refuse.me"; *r = sinktest.Encoded(r.Event) }

// suite is the harness of a sink on a fake.
func suite(change func(c *Config)) sinktest.Harness {
	f := newFake()
	c := testConfig(change)
	armed := none
	var cancel func()
	throttle := false
	broken := false
	f.fault = func(int, *http.Request) fault {
		if cancel != nil {
			cancel()
			cancel = nil
		}
		was := armed
		armed = none
		return was
	}
	f.verify = func(r *http.Request) int {
		if broken {
			return http.StatusUnauthorized
		}
		if throttle && r.URL.Path == "/_bulk" {
			throttle = false
			return http.StatusTooManyRequests
		}
		return 0
	}
	f.item = func(_, _ string, doc []byte) *item {
		if strings.Contains(string(doc), `"refuse.me"`) {
			it := &item{Status: 400}
			it.Error.Type = "mapper_parsing_exception"
			return it
		}
		return nil
	}
	return sinktest.Harness{
		Open: func(t *testing.T, lane string) pipeline.Sink { return openLane(t, f, c, lane) },
		Kill: func(*testing.T, pipeline.Sink) {},
		Contents: func(*testing.T) map[string]int {
			n := make(map[string]int)
			for id, copies := range f.copies() {
				n[eventID(id)] += copies
			}
			return n
		},
		Raw: func(t *testing.T, source, id string) []byte {
			for _, docs := range f.documents() {
				if doc := docs[source+":"+id]; doc != nil {
					return original(t, doc)
				}
			}
			return nil
		},
		Inject: func(_ *testing.T, what sinktest.Fault, stop func()) (func(), bool) {
			f.mu.Lock()
			defer f.mu.Unlock()
			switch what {
			case sinktest.Throttled:
				throttle = true
			case sinktest.Cancelled:
				cancel = stop
			default:
				armed = map[sinktest.Fault]fault{sinktest.Lost: lost, sinktest.Unanswered: unanswered, sinktest.Late: late}[what]
			}
			return f.release, true
		},
		Break: func(*testing.T) func() {
			set := func(b bool) { f.mu.Lock(); defer f.mu.Unlock(); broken = b }
			set(true)
			return func() { set(false) }
		},
		Refused:   refuse,
		Guarantee: pipeline.ExactlyOnce,
	}
}

func TestSuite(t *testing.T) {
	for name, change := range map[string]func(c *Config){
		"an index a month":     nil,
		"an index a day, pure": func(c *Config) { c.Index, c.Gzip, c.InstallTemplate = "audit-%{date}", false, false },
		"a data stream":        withStream,
	} {
		t.Run(name, func(t *testing.T) { sinktest.Run(t, suite(change)) })
	}
}
