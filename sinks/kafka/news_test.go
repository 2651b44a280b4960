package kafka

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/kafka/internal/txn"
	"auditlog-connector/sinks/kafka/internal/wire"
)

// A broker may not have heard of a topic that was just made: it is asked again. What
// none has heard of is absent.
func TestNewTopicIsNewsToBrokers(t *testing.T) {
	const unknown = int16(wire.UnknownTopicOrPartition)
	for _, key := range []kmsg.Key{kmsg.Metadata, kmsg.ListOffsets, kmsg.DescribeConfigs} {
		for _, create := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, made by us %t", key.Name(), create), func(t *testing.T) {
				t.Parallel()
				c := fake(t)
				config := testConfig(c.ListenAddrs(), "audit")
				if !create {
					maker := open(t, config, "acme/maker", nil)
					claim(t, maker, 1)
					maker.Close()
				}
				config.CreateTopics = create
				asked := 0
				c.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
					c.KeepControl()
					if asked++; asked%4 == 0 || asked > 12 {
						return nil, nil, false
					}
					switch res := req.ResponseKind().(type) {
					case *kmsg.MetadataResponse:
						return ignorance(c.ListenAddrs(), req.(*kmsg.MetadataRequest), res), nil, true
					case *kmsg.ListOffsetsResponse:
						for _, topic := range req.(*kmsg.ListOffsetsRequest).Topics {
							rt := kmsg.NewListOffsetsResponseTopic()
							rt.Topic = topic.Topic
							for _, p := range topic.Partitions {
								rp := kmsg.NewListOffsetsResponseTopicPartition()
								rp.Partition, rp.ErrorCode = p.Partition, unknown
								rt.Partitions = append(rt.Partitions, rp)
							}
							res.Topics = append(res.Topics, rt)
						}
						return res, nil, true
					case *kmsg.DescribeConfigsResponse:
						for _, r := range req.(*kmsg.DescribeConfigsRequest).Resources {
							rr := kmsg.NewDescribeConfigsResponseResource()
							rr.ResourceType, rr.ResourceName, rr.ErrorCode = r.ResourceType, r.ResourceName, unknown
							res.Resources = append(res.Resources, rr)
						}
						return res, nil, true
					}
					return nil, fmt.Errorf("no answer of kind %d", key), true
				})
				s := open(t, config, "acme/stream", nil)
				t.Cleanup(func() { s.Close() })
				claim(t, s, 1)
				b := batchOf("acme/stream", 1, 20)
				if err := s.Deliver(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				if asked < 5 {
					t.Errorf("%d requests, want more: nobody was ignorant", asked)
				}
				once(t, newReader(t, c.ListenAddrs(), "audit"), b)
			})
		}
	}
}

// ignorance is what a broker says that knows the others, and none of the topics.
func ignorance(addrs []string, req *kmsg.MetadataRequest, res *kmsg.MetadataResponse) *kmsg.MetadataResponse {
	for i, addr := range addrs {
		b := kmsg.NewMetadataResponseBroker()
		host, port, _ := net.SplitHostPort(addr)
		n, _ := strconv.Atoi(port)
		b.NodeID, b.Host, b.Port = int32(i), host, int32(n)
		res.Brokers = append(res.Brokers, b)
	}
	for _, topic := range req.Topics {
		rt := kmsg.NewMetadataResponseTopic()
		rt.Topic, rt.ErrorCode = topic.Topic, int16(wire.UnknownTopicOrPartition)
		res.Topics = append(res.Topics, rt)
	}
	return res
}

// A topic that is made again with fewer partitions is noticed at the first refusal,
// and the batch goes to those that are left.
func TestTopicMadeAgainWithFewerPartitions(t *testing.T) {
	c := fake(t)
	config := testConfig(c.ListenAddrs(), "audit")
	s := open(t, config, "acme/stream", nil)
	t.Cleanup(func() { s.Close() })
	claim(t, s, 1)
	if err := s.Deliver(t.Context(), batchOf("acme/stream", 1, 20)); err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(config.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	gone := kmsg.NewPtrDeleteTopicsRequest()
	gone.TopicNames = []string{config.Topic}
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = &config.Topic
	gone.Topics = append(gone.Topics, topic)
	again := kmsg.NewPtrCreateTopicsRequest()
	fewer := kmsg.NewCreateTopicsRequestTopic()
	fewer.Topic, fewer.NumPartitions, fewer.ReplicationFactor = config.Topic, 1, -1
	again.Topics = append(again.Topics, fewer)
	for _, req := range []kmsg.Request{gone, again} {
		if _, err := client.Request(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	refusals := 0
	c.ControlKey(int16(kmsg.AddPartitionsToTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		refusals++
		return nil, nil, false
	})
	b := batchOf("acme/stream", 2, 20)
	var lost *txn.GoneError
	if err := s.Deliver(t.Context(), b); !errors.As(err, &lost) || lost.Partitions != 1 || pipeline.IsPermanent(err) || refusals > 2 {
		t.Errorf("%v after %d requests, want a partition gone", err, refusals)
	}
	if err := settle(t, s, b); err != nil {
		t.Fatal(err)
	}
	once(t, newReader(t, config.Brokers, config.Topic), b)
}
