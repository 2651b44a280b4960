package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go/protocol"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/kafka/internal/wire"
)

// Versions of requests by which a broker's release is known.
const (
	produceOf37  = 10 // Kafka 3.7 has it: where the promise begins
	initOfBumps  = 3  // Kafka 2.5 has it: a producer can raise its epoch
	defaultLimit = 1048588
)

const (
	settingLimit   = "max.message.bytes"
	settingCleanup = "cleanup.policy"
)

// markerSettings are those of a marker topic that the sink makes. It is read whole
// at every start, so what was superseded goes soon.
var markerSettings = map[string]string{
	settingCleanup: "compact", "segment.bytes": "1048576", "segment.ms": "3600000", "min.cleanable.dirty.ratio": "0.1",
	"delete.retention.ms": "3600000",
}

// topicSettings are those of a topic that the sink makes. Records have the time of
// their event: with a retention, a backfill would be deleted as soon as it is there.
// Kafka refuses times in the future unless it is told to take them.
var topicSettings = map[string]string{
	settingCleanup: "delete", "retention.ms": "-1", "message.timestamp.after.max.ms": strconv.FormatInt(1<<63-1, 10),
}

// prepare makes sure that the brokers and the topics are what the sink needs.
func (s *sink) prepare(ctx context.Context) error {
	versions, err := s.cluster.Versions(ctx)
	if err != nil {
		return err
	}
	old, err := release(versions)
	if err != nil {
		return err
	}
	if old && !s.warned {
		s.log.Warn("the brokers are older than Kafka 3.7, or not Apache Kafka: exactly once is not promised", "lane", s.lane)
	}
	s.warned = true
	for _, name := range []string{s.config.Topic, s.config.markerTopic()} {
		if err := s.exists(ctx, name); err != nil {
			return err
		}
		var config map[string]string
		err := s.cluster.Patiently(ctx, newsTime, func(ctx context.Context) (err error) {
			config, err = s.cluster.TopicConfig(ctx, name, settingLimit, settingCleanup)
			return err
		})
		if isCode(err, wire.TopicAuthorization, wire.ClusterAuthorization) {
			continue // "check" says so; limits are learnt from refusals
		}
		if err != nil {
			return err
		}
		if n, err := strconv.Atoi(config[settingLimit]); err == nil && n > 0 {
			s.limits[name] = n
		}
		if name == s.config.markerTopic() {
			if err := s.compacted(config[settingCleanup]); err != nil {
				return err
			}
		}
	}
	return nil
}

// release refuses brokers that lack what the sink needs, and says whether they are
// older than the promise.
func release(v wire.Versions) (old bool, err error) {
	if v[protocol.InitProducerId] < initOfBumps || v[protocol.EndTxn] == 0 {
		return true, pipeline.Permanent(fmt.Errorf("the brokers are too old: Kafka 3.7 or later is needed (they have InitProducerId version %d, want %d)",
			v[protocol.InitProducerId], initOfBumps))
	}
	return v[protocol.Produce] < produceOf37, nil
}

// compacted refuses a marker topic that would forget.
func (s *sink) compacted(policy string) error {
	if policy == "compact" || policy == "" {
		return nil
	}
	return pipeline.Permanent(fmt.Errorf("topic %s has cleanup.policy=%s and has to be compact, or it forgets what was delivered: "+
		"kafka-configs --bootstrap-server %s --alter --topic %[1]s --add-config cleanup.policy=compact",
		s.config.markerTopic(), policy, s.bootstrap()))
}

// newsTime is how long it may take until every broker has heard of a new topic. What
// none has heard of for so long is absent.
const newsTime = 3 * time.Second

// exists makes sure that a topic is there, and makes it if the configuration says so.
func (s *sink) exists(ctx context.Context, name string) error {
	look := func(ctx context.Context) error {
		_, err := s.cluster.Topic(ctx, name)
		return err
	}
	err := look(ctx)
	if isCode(err, wire.UnknownTopicOrPartition) && s.config.CreateTopics {
		return s.create(ctx, name)
	}
	err = s.cluster.Patiently(ctx, newsTime, look)
	if !isCode(err, wire.UnknownTopicOrPartition) {
		return err
	}
	if s.owned {
		// It was there: somebody deleted it, and may make it again.
		return fmt.Errorf("topic %s is gone: %s", name, s.createCommand(name))
	}
	return pipeline.Permanent(fmt.Errorf("topic %s does not exist: %s (or set create_topics)", name, s.createCommand(name)))
}

// create makes a topic, and waits until every leader knows that it leads it.
func (s *sink) create(ctx context.Context, name string) error {
	partitions, settings := int32(-1), topicSettings
	if name == s.config.markerTopic() {
		partitions, settings = 1, markerSettings
	}
	if err := s.cluster.Patiently(ctx, newsTime, func(ctx context.Context) error {
		err := s.cluster.CreateTopic(ctx, name, partitions, settings)
		if isCode(err, wire.NotController) {
			_, _ = s.cluster.Topic(ctx, name) // says who is
		}
		return err
	}); err != nil {
		return err
	}
	s.log.Info("topic made", "lane", s.lane, "topic", name)
	return s.cluster.Patiently(ctx, wire.RequestTimeout, func(ctx context.Context) error {
		topic, err := s.cluster.Topic(ctx, name)
		if err != nil {
			return err
		}
		for i, leader := range topic.Leaders {
			if _, err := s.cluster.Offset(ctx, leader, name, int32(i), wire.Latest); err != nil {
				return err
			}
		}
		return nil
	})
}

// isCode reports whether err is a broker's answer with one of the codes.
func isCode(err error, codes ...wire.Code) bool {
	var answer *wire.Error
	return errors.As(err, &answer) && slices.Contains(codes, answer.Code)
}

func (s *sink) bootstrap() string { return strings.Join(s.config.Brokers, ",") }

// createCommand is what makes a topic as the sink would.
func (s *sink) createCommand(name string) string {
	if name == s.config.markerTopic() {
		return fmt.Sprintf("kafka-topics --bootstrap-server %s --create --topic %s --partitions 1 --config cleanup.policy=compact", s.bootstrap(), name)
	}
	return fmt.Sprintf("kafka-topics --bootstrap-server %s --create --topic %s --partitions 4 --config retention.ms=-1", s.bootstrap(), name)
}

// limit is how many bytes a record batch for a topic may have.
func (s *sink) limit(topic string) int {
	if n := s.limits[topic]; n > 0 {
		return n
	}
	return defaultLimit
}
