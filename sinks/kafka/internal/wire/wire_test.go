package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func cluster(t *testing.T, brokers ...string) *Cluster {
	c := New(Config{Brokers: brokers, ClientID: "test"})
	t.Cleanup(c.Close)
	return c
}

func fake(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); serve(c) }()
		}
	}()
	return l.Addr().String()
}

// What is no broker says so, at once, and is not taken for a request that arrived.
func TestNoBroker(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	closed, _ := net.Listen("tcp", "127.0.0.1:0")
	closed.Close()
	for name, c := range map[string]struct {
		addr string
		tls  *tls.Config
		want string
	}{
		"nobody":                {closed.Addr().String(), nil, "connection refused"},
		"a web server":          {web.Listener.Addr().String(), nil, "no Kafka broker"},
		"tls, and we are not":   {secure.Listener.Addr().String(), nil, "TLS"},
		"plain, and we are not": {web.Listener.Addr().String(), &tls.Config{}, "a port without TLS?"},
		"hangs up":              {listen(t, func(net.Conn) {}), nil, "is this a port for TLS"},
		"endless":               {listen(t, func(c net.Conn) { io.CopyN(io.Discard, c, 10); c.Write([]byte{0x7f, 0xff, 0xff, 0xff}) }), nil, "no Kafka broker"},
		"answers nonsense":      {listen(t, func(c net.Conn) { io.CopyN(io.Discard, c, 10); c.Write([]byte{0, 0, 0, 8, 9, 9, 9, 9, 1, 1, 1, 1}) }), nil, "an answer to request"},
	} {
		t.Run(name, func(t *testing.T) {
			k := New(Config{Brokers: []string{c.addr}, TLS: c.tls})
			t.Cleanup(k.Close)
			_, err := k.Topic(t.Context(), "audit")
			var net *NetError
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.As(err, &net) && net.Sent {
				t.Errorf("%v, want %q, not sent", err, c.want)
			}
		})
	}
}

func TestSilentBrokerIsGivenUp(t *testing.T) {
	addr := listen(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := cluster(t, addr).Topic(ctx, "audit")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the context's end", err)
	}
}

// A broker that is dead is passed over, and what is forgotten is asked for again.
func TestAnyBrokerWillDo(t *testing.T) {
	f := fake(t, kfake.SeedTopics(5, "audit"))
	c := cluster(t, append([]string{"127.0.0.1:1"}, f.ListenAddrs()...)...)
	topic, err := c.Topic(t.Context(), "audit")
	if err != nil || len(topic.Leaders) != 5 {
		t.Fatalf("%+v, %v", topic, err)
	}
	for p, leader := range topic.Leaders {
		if want := f.LeaderFor("audit", int32(p)); leader != want {
			t.Errorf("leader of %d: %d, want %d", p, leader, want)
		}
	}
	broker, err := c.Coordinator(t.Context(), "x")
	if want := f.CoordinatorFor("x"); err != nil || broker != want {
		t.Errorf("coordinator %d, %v, want %d", broker, err, want)
	}
	to := (topic.Leaders[0] + 1) % 3
	if err := f.MoveTopicPartition("audit", 0, to); err != nil {
		t.Fatal(err)
	}
	if again, _ := c.Topic(t.Context(), "audit"); again.Leaders[0] != topic.Leaders[0] {
		t.Error("asked although nothing was forgotten")
	}
	c.Forget()
	if again, _ := c.Topic(t.Context(), "audit"); again.Leaders[0] != to {
		t.Errorf("leader %d, want %d", again.Leaders[0], to)
	}
	var answer *Error
	if _, err := c.Topic(t.Context(), "stranger"); !errors.As(err, &answer) || answer.Code != UnknownTopicOrPartition || !strings.Contains(err.Error(), "stranger") {
		t.Errorf("%v", err)
	}
}

// A broker that asks to be left alone is.
func TestThrottledBrokerIsLeftAlone(t *testing.T) {
	f := fake(t, kfake.SeedTopics(1, "audit"))
	k, err := Config{}.connect(t.Context(), f.ListenAddrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	k.pause = time.Now().Add(time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := k.rest(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	k.pause = time.Now().Add(-time.Hour)
	if err := k.rest(ctx); err != nil {
		t.Error(err)
	}
}

func TestBrokerWithoutAVersionOfOurs(t *testing.T) {
	f := fake(t)
	f.ControlKey(int16(kmsg.ApiVersions), func(req kmsg.Request) (kmsg.Response, error, bool) {
		f.KeepControl()
		res := req.ResponseKind().(*kmsg.ApiVersionsResponse)
		for key, v := range map[int16][2]int16{18: {0, 4}, 3: {9, 13}} { // Metadata from version 9 on
			k := kmsg.NewApiVersionsResponseApiKey()
			k.ApiKey, k.MinVersion, k.MaxVersion = key, v[0], v[1]
			res.ApiKeys = append(res.ApiKeys, k)
		}
		return res, nil, true
	})
	var answer *Error
	if _, err := cluster(t, f.ListenAddrs()...).Topic(t.Context(), "audit"); !errors.As(err, &answer) || answer.Code != UnsupportedVersion {
		t.Errorf("%v, want UNSUPPORTED_VERSION", err)
	}
}

// kafka-go's own encoding, which copies, gives the same bytes.
func TestProduceIsAsKafkaGoEncodesIt(t *testing.T) {
	raw := func(b string) protocol.RawRecordSet {
		return protocol.RawRecordSet{Reader: bytes.NewReader(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))}
	}
	var want, got bytes.Buffer
	if err := protocol.WriteRequest(&want, 8, 7, "client", &rawproduce.Request{
		TransactionalID: "x", Acks: -1, Timeout: 1500,
		Topics: []rawproduce.RequestTopic{
			{Topic: "audit", Partitions: []rawproduce.RequestPartition{{Partition: 0, RecordSet: raw("zero")}, {Partition: 3, RecordSet: raw("three")}}},
			{Topic: strings.Repeat("long", 60), Partitions: []rawproduce.RequestPartition{{Partition: 1, RecordSet: raw("one")}}},
			{Topic: strings.Repeat("more", 60), Partitions: []rawproduce.RequestPartition{{Partition: 1, RecordSet: raw(strings.Repeat("b", 1000))}}},
		},
	}); err != nil {
		t.Fatal(err)
	}
	request := encodeProduce(8, 7, "client", "x", 1500*time.Millisecond, []TopicPieces{
		{"audit", []Piece{{0, []byte("zero")}, {3, []byte("three")}}},
		{strings.Repeat("long", 60), []Piece{{1, []byte("one")}}},
		{strings.Repeat("more", 60), []Piece{{1, bytes.Repeat([]byte("b"), 1000)}}},
	})
	if _, err := request.WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("%v\n%q, want\n%q", err, got.Bytes(), want.Bytes())
	}
}

// FuzzParseFetch reads any answer: what it holds, or an error, and never a panic.
func FuzzParseFetch(f *testing.F) {
	var b []byte
	put := func(v any) { b, _ = binary.Append(b, binary.BigEndian, v) }
	for _, v := range []any{int32(0), int16(0), int32(0), int32(1), int16(5), []byte("audit"), int32(1), int32(0), int16(0), int64(10), int64(9), int64(0),
		int32(1), int64(7), int64(3), int32(-1), int32(4), []byte("data")} {
		put(v)
	}
	got, err := parseFetch(b, 11, "audit", 0)
	if want := (Fetched{HighWatermark: 10, Stable: 9, Aborted: []Aborted{{7, 3}}, Batches: []byte("data")}); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		f.Fatalf("%+v, %v, want %+v", got, err, want)
	}
	f.Add(b, int16(11))
	f.Add(b[:20], int16(11))
	f.Add(b, int16(4))
	f.Fuzz(func(t *testing.T, body []byte, version int16) {
		got, err := parseFetch(body, 4+version&7, "audit", 0)
		if err == nil && len(got.Batches) > len(body) {
			t.Errorf("%d bytes out of %d", len(got.Batches), len(body))
		}
	})
}
