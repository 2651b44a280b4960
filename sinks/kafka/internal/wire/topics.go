package wire

import (
	"context"

	"github.com/segmentio/kafka-go/protocol/createtopics"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
)

// resourceTopic is Kafka's number for the configuration of a topic.
const resourceTopic = 2

// TopicConfig returns the settings of a topic that are named, those of the brokers
// where the topic has none of its own. It needs the right to describe configurations.
func (c *Cluster) TopicConfig(ctx context.Context, topic string, names ...string) (map[string]string, error) {
	res, err := c.ask(ctx, &describeconfigs.Request{Resources: []describeconfigs.RequestResource{{
		ResourceType: resourceTopic, ResourceName: topic, ConfigNames: names,
	}}})
	if err != nil {
		return nil, err
	}
	config := make(map[string]string)
	for _, r := range res.(*describeconfigs.Response).Resources {
		if err := Failure(r.ErrorCode, "configuration of topic "+topic, r.ErrorMessage); err != nil {
			return nil, err
		}
		for _, e := range r.ConfigEntries {
			config[e.ConfigName] = e.ConfigValue
		}
	}
	return config, nil
}

// CreateTopic makes a topic; one that is there already is left as it is. Partitions
// and replicas of -1 are the brokers' defaults.
func (c *Cluster) CreateTopic(ctx context.Context, name string, partitions int32, config map[string]string) error {
	topic := createtopics.RequestTopic{Name: name, NumPartitions: partitions, ReplicationFactor: -1}
	for key, value := range config {
		topic.Configs = append(topic.Configs, createtopics.RequestConfig{Name: key, Value: value})
	}
	c.mu.Lock()
	controller := c.controller
	c.mu.Unlock()
	res, err := c.Request(ctx, controller, &createtopics.Request{
		Topics: []createtopics.RequestTopic{topic}, TimeoutMs: int32(RequestTimeout.Milliseconds()) / 2,
	})
	if err != nil {
		return err
	}
	for _, t := range res.(*createtopics.Response).Topics {
		if Code(t.ErrorCode) == TopicExists {
			continue
		}
		if err := Failure(t.ErrorCode, "create topic "+name, t.ErrorMessage); err != nil {
			return err
		}
	}
	return nil
}

// Moments that [Cluster.Offset] looks for.
const (
	Earliest int64 = -2
	Latest   int64 = -1 // the high watermark
)

// Offset returns an offset of a partition, asked of its leader.
func (c *Cluster) Offset(ctx context.Context, leader int32, topic string, partition int32, moment int64) (int64, error) {
	res, err := c.Request(ctx, leader, &listoffsets.Request{
		ReplicaID: -1,
		Topics: []listoffsets.RequestTopic{{Topic: topic, Partitions: []listoffsets.RequestPartition{{
			Partition: partition, CurrentLeaderEpoch: -1, Timestamp: moment,
		}}}},
	})
	if err != nil {
		return 0, err
	}
	for _, t := range res.(*listoffsets.Response).Topics {
		for _, p := range t.Partitions {
			if t.Topic == topic && p.Partition == partition {
				return p.Offset, Failure(p.ErrorCode, "topic "+topic, "")
			}
		}
	}
	return 0, Failure(int16(UnknownTopicOrPartition), "topic "+topic, "not in the answer")
}
