package kafka

import (
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"auditlog-connector/internal/testserver"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
	"auditlog-connector/sinks/sinktest"
)

func withRegistry(c *Config, url string) *Config {
	c.SchemaRegistry = Registry{URL: url, SubjectStrategy: "topic", AutoRegister: true}
	return c
}

func claim(t testing.TB, s *sink, next uint64) {
	t.Helper()
	if err := s.Claim(t.Context(), pipeline.Checkpoint{Epoch: "0a1b2c3d", Next: next, Start: pipeline.Earliest}, false); err != nil {
		t.Fatal(err)
	}
}

// batchOf is the lane's batch seq of n records.
func batchOf(lane string, seq uint64, n int) pipeline.Batch {
	source, _, _ := strings.Cut(lane, "/")
	records := make([]pipeline.Record, n)
	for i := range records {
		records[i] = sinktest.Record(source, strings.Join([]string{lane, "event", time.Duration(seq).String(), time.Duration(i).String()}, "-"), time.Unix(1_790_000_000+int64(i), 0))
	}
	return sinktest.Batch(pipeline.BatchID{Lane: lane, Epoch: "0a1b2c3d", Seq: seq}, records)
}

// schemaIDs returns how many values of a topic have which schema id in front.
func schemaIDs(t *testing.T, r *reader) map[uint32]int {
	t.Helper()
	r.contents(t)
	ids := make(map[uint32]int)
	for id, value := range r.values {
		if len(value) < 5 || value[0] != 0 {
			t.Fatalf("value of %s has no framing: %x", id, value[:min(5, len(value))])
		}
		if e, err := schemas.Decode(value[5:]); err != nil || e.EventID == "" {
			t.Fatalf("value of %s: %v", id, err)
		}
		ids[binary.BigEndian.Uint32(value[1:])]++
	}
	return ids
}

// TestRegistryOnServer delivers with the schema in a real registry: under each
// subject strategy, again after a restart, and not where it is incompatible.
func TestRegistryOnServer(t *testing.T) {
	testserver.Require(t)
	reg := testserver.StartRegistry(t)
	c := fake(t)
	var first uint32
	for strategy, subject := range map[string]string{"topic": "audit-topic-value", "record": recordName, "topic_record": "audit-topic_record-" + recordName} {
		t.Run(strategy, func(t *testing.T) {
			config := withRegistry(testConfig(c.ListenAddrs(), "audit-"+strategy), reg.URL)
			config.SchemaRegistry.SubjectStrategy = strategy
			lane := "acme/" + strategy
			for seq := range uint64(2) { // the second by another process
				s := open(t, config, lane, nil)
				claim(t, s, seq+1)
				if err := s.Deliver(t.Context(), batchOf(lane, seq+1, 3)); err != nil {
					t.Fatal(err)
				}
				if f := findingOf(s.Check(t.Context()), "schema registry"); f.Status != "ok" || !strings.Contains(f.Detail, "subject "+subject+", schema id") {
					t.Errorf("check: %+v", f)
				}
				s.Close()
			}
			ids := schemaIDs(t, newReader(t, config.Brokers, config.Topic))
			if len(ids) != 1 {
				t.Errorf("schema ids %v, want one for all", ids)
			}
			for id := range ids {
				if first == 0 {
					first = id
				}
				if id != first {
					t.Errorf("id %d, want %d: the schema is the same", id, first)
				}
			}
		})
	}
	t.Run("read in Python", func(t *testing.T) {
		config := withRegistry(testConfig(c.ListenAddrs(), "python"), reg.URL)
		s := open(t, config, "acme/python", nil)
		defer s.Close()
		claim(t, s, 1)
		b := batchOf("acme/python", 1, 20)
		if err := s.Deliver(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		r := newReader(t, config.Brokers, config.Topic)
		r.contents(t)
		var values [][]byte
		for _, rec := range b.Records {
			values = append(values, r.values["acme/"+rec.ID])
		}
		for i, got := range reg.Decode(t, values) {
			rec := b.Records[i]
			if got.ID != int(first) || got.EventID != rec.ID || got.Seconds != rec.Time.Unix() || got.Email != rec.Audit.Actor.Email || got.Raw != hex.EncodeToString(rec.Audit.Raw) {
				t.Errorf("value %d: %+v", i, got)
			}
		}
	})
	t.Run("incompatible", func(t *testing.T) {
		text := `{"schema":"{\"type\":\"record\",\"name\":\"AuditEvent\",\"namespace\":\"auditlog.v1\",\"fields\":[{\"name\":\"event_id\",\"type\":\"int\"}]}"}`
		res, err := http.Post(reg.URL+"/subjects/taken-value/versions", "application/json", strings.NewReader(text))
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatal(err, res)
		}
		res.Body.Close()
		s := open(t, withRegistry(testConfig(c.ListenAddrs(), "taken"), reg.URL), "acme/taken", nil)
		defer s.Close()
		err = s.Claim(t.Context(), pipeline.Checkpoint{Epoch: "0a1b2c3d", Next: 1, Start: pipeline.Earliest}, false)
		refusedWith(t, err, nil, "taken-value", "BACKWARD", "event_id", "incompatible")
		t.Log(err)
		if f := findingOf(s.Check(t.Context()), "schema registry"); f.Status != "fail" || !strings.Contains(f.Detail, "BACKWARD") {
			t.Errorf("check: %+v", f)
		}
	})
	t.Run("not registered, and not allowed to", func(t *testing.T) {
		config := withRegistry(testConfig(c.ListenAddrs(), "strict"), reg.URL)
		config.SchemaRegistry.AutoRegister = false
		s := open(t, config, "acme/strict", nil)
		defer s.Close()
		err := s.Claim(t.Context(), pipeline.Checkpoint{Epoch: "0a1b2c3d", Next: 1, Start: pipeline.Earliest}, false)
		refusedWith(t, err, nil, "strict-value", "auto_register", "connector schema avro")
	})
}

// While the registry is down a lane that is new waits; one that has delivered goes
// on with the id it had, also after a restart; and never with another registry's.
func TestRegistryIsDown(t *testing.T) {
	var down atomic.Bool
	var asked atomic.Int64
	reg := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		w.Write([]byte(`{"id":42}`))
	}))
	t.Cleanup(reg.Close)
	c := fake(t)
	config := withRegistry(testConfig(c.ListenAddrs(), "audit"), reg.URL)
	const lane = "acme/stream"
	cp := pipeline.Checkpoint{Epoch: "0a1b2c3d", Next: 1, Start: pipeline.Earliest}

	down.Store(true)
	s := open(t, config, lane, nil)
	if err := s.Claim(t.Context(), cp, false); err == nil || pipeline.IsPermanent(err) {
		t.Fatalf("claim while the registry is down: %v, want an error that may pass", err)
	}
	down.Store(false)
	claim(t, s, 1)
	if err := s.Deliver(t.Context(), batchOf(lane, 1, 3)); err != nil {
		t.Fatal(err)
	}
	before := asked.Load()
	down.Store(true)
	if err := s.Deliver(t.Context(), batchOf(lane, 2, 3)); err != nil || asked.Load() != before {
		t.Fatalf("deliver: %v, asked %d times more", err, asked.Load()-before)
	}
	s.Close()

	s = open(t, config, lane, nil)
	claim(t, s, 3)
	if err := s.Deliver(t.Context(), batchOf(lane, 3, 3)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if ids := schemaIDs(t, newReader(t, config.Brokers, "audit")); ids[42] != 9 {
		t.Errorf("schema ids %v, want 42 nine times", ids)
	}

	elsewhere := *config
	elsewhere.SchemaRegistry.URL = "http://127.0.0.1:1"
	s = open(t, &elsewhere, lane, nil)
	defer s.Close()
	if err := s.Claim(t.Context(), pipeline.Checkpoint{Epoch: "0a1b2c3d", Next: 4, Start: pipeline.Earliest}, false); err == nil || pipeline.IsPermanent(err) {
		t.Fatalf("claim with another registry that is down: %v, want an error that may pass", err)
	}
}
