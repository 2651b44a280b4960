package kafka

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// reader reads a topic as a consumer of what is committed, with another client than
// the sink's.
type reader struct {
	client *kgo.Client
	topic  string

	mu      sync.Mutex
	next    map[int32]int64
	count   map[string]int    // copies by event ID
	sources map[string]int    // likewise, by source and event ID
	values  map[string][]byte // by source and event ID
}

func newReader(t testing.TB, brokers []string, topic string) *reader {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.MetadataMinAge(100*time.Millisecond),
		kgo.UnknownTopicRetries(-1), kgo.FetchMaxWait(200*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &reader{client: client, topic: topic, next: make(map[int32]int64), count: make(map[string]int), sources: make(map[string]int), values: make(map[string][]byte)}
}

// ends returns where every partition ends: at the high watermark, or, isolated, at
// the last stable offset.
func (r *reader) ends(ctx context.Context, isolation int8) (map[int32]int64, error) {
	meta := kmsg.NewPtrMetadataRequest()
	mt := kmsg.NewMetadataRequestTopic()
	mt.Topic = kmsg.StringPtr(r.topic)
	meta.Topics = append(meta.Topics, mt)
	m, err := meta.RequestWith(ctx, r.client)
	if err != nil {
		return nil, err
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.IsolationLevel = isolation
	lt := kmsg.NewListOffsetsRequestTopic()
	lt.Topic = r.topic
	for _, p := range m.Topics[0].Partitions {
		lp := kmsg.NewListOffsetsRequestTopicPartition()
		lp.Partition, lp.Timestamp = p.Partition, -1
		lt.Partitions = append(lt.Partitions, lp)
	}
	req.Topics = append(req.Topics, lt)
	ends := make(map[int32]int64)
	for _, shard := range r.client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return nil, shard.Err
		}
		for _, topic := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range topic.Partitions {
				ends[p.Partition] = p.Offset
			}
		}
	}
	return ends, nil
}

// contents reads on up to where the log ends now, and returns copies by event ID. A
// transaction that stays open is waited for in vain, for a moment.
func (r *reader) contents(t testing.TB) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	stable, err := r.ends(ctx, 1)
	if err != nil {
		t.Fatalf("read %s: %v", r.topic, err)
	}
	ends, err := r.ends(ctx, 0)
	if err != nil {
		t.Fatalf("read %s: %v", r.topic, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	progress := time.Now()
	for !r.reached(ends) && (!r.reached(stable) || time.Since(progress) < 3*time.Second) {
		if ctx.Err() != nil {
			t.Fatalf("read %s: it does not come to its end", r.topic)
		}
		poll, stop := context.WithTimeout(ctx, 300*time.Millisecond)
		fetches := r.client.PollFetches(poll)
		stop()
		fetches.EachRecord(func(rec *kgo.Record) {
			progress = time.Now()
			r.next[rec.Partition] = rec.Offset + 1
			if rec.Attrs.IsControl() {
				return
			}
			id := header(rec, "event_id")
			r.count[id]++
			source := header(rec, "batch_id")
			for i := range source {
				if source[i] == '/' {
					source = source[:i]
					break
				}
			}
			r.sources[source+"/"+id]++
			r.values[source+"/"+id] = rec.Value
		})
	}
	got := make(map[string]int, len(r.count))
	for id, n := range r.count {
		got[id] = n
	}
	return got
}

func (r *reader) reached(ends map[int32]int64) bool {
	for p, end := range ends {
		if r.next[p] < end {
			return false
		}
	}
	return true
}

func header(rec *kgo.Record, key string) string {
	for _, h := range rec.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}
