package kafka

import (
	"context"
	"fmt"
	"strings"

	"github.com/segmentio/kafka-go/protocol"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
	"auditlog-connector/sinks/kafka/internal/txn"
	"auditlog-connector/sinks/kafka/internal/wire"
)

// Check implements [pipeline.Checker]. It makes no topics, registers no schema, and
// fences nobody: the connector may be running.
func (s *sink) Check(ctx context.Context) []pipeline.Finding {
	brokers := s.checkBrokers(ctx)
	all := []pipeline.Finding{brokers}
	if brokers.Status == "fail" {
		return all
	}
	topic, there := s.checkTopic(ctx)
	marker, markerThere := s.checkMarkerTopic(ctx)
	all = append(all, topic, marker)
	if there && markerThere {
		all = append(all, s.checkTransaction(ctx))
	}
	if s.registry != nil {
		all = append(all, s.checkRegistry(ctx))
	}
	return all
}

// fail is a finding about err; what an explained error advises follows its last colon.
func (s *sink) fail(ctx context.Context, name string, err error) pipeline.Finding {
	f := pipeline.Finding{Name: name, Status: "fail", Detail: s.explain(ctx, err).Error()}
	if raw := err.Error(); strings.Contains(f.Detail, raw+": ") {
		_, f.Hint, _ = strings.Cut(f.Detail, raw+": ")
		f.Detail = strings.TrimSuffix(f.Detail, ": "+f.Hint)
	}
	return f
}

func (s *sink) checkBrokers(ctx context.Context) pipeline.Finding {
	const name = "brokers"
	versions, err := s.cluster.Versions(ctx)
	if err != nil {
		return s.fail(ctx, name, err)
	}
	old, err := release(versions)
	f := pipeline.Finding{Name: name, Status: "ok", Detail: s.bootstrap()}
	switch {
	case err != nil:
		f.Status, f.Detail = "fail", err.Error()
	case old:
		f.Status, f.Detail = "warn", fmt.Sprintf("%s: older than Kafka 3.7, or not Apache Kafka (Produce version %d)", s.bootstrap(), versions[protocol.Produce])
		f.Hint = "exactly once is promised from Kafka 3.7 on"
	}
	return f
}

// missing says what becomes of a topic that is not there.
func (s *sink) missing(finding, topic string, err error) (pipeline.Finding, bool) {
	if !isCode(err, wire.UnknownTopicOrPartition) {
		return pipeline.Finding{}, false
	}
	if s.config.CreateTopics {
		return pipeline.Finding{Name: finding, Status: "ok", Detail: topic + " will be made"}, true
	}
	return pipeline.Finding{Name: finding, Status: "fail", Detail: "topic " + topic + " does not exist", Hint: s.createCommand(topic)}, true
}

func (s *sink) checkTopic(ctx context.Context) (f pipeline.Finding, there bool) {
	const name = "topic"
	topic := s.config.Topic
	t, err := s.cluster.Topic(ctx, topic)
	if f, missing := s.missing(name, topic, err); missing {
		return f, false
	}
	if err != nil {
		return s.fail(ctx, name, err), false
	}
	f = pipeline.Finding{Name: name, Status: "ok", Detail: fmt.Sprintf("%s, %d partitions", topic, len(t.Leaders))}
	config, err := s.cluster.TopicConfig(ctx, topic, settingLimit, settingCleanup, "retention.ms", "message.timestamp.type")
	switch {
	case err != nil:
		f.Status, f.Detail, f.Hint = "warn", f.Detail+"; its settings cannot be read: "+err.Error(), s.topicACL("topic "+topic)
	case strings.Contains(config[settingCleanup], "delete") && config["retention.ms"] != "-1" && config["message.timestamp.type"] == "CreateTime":
		f.Status, f.Detail = "warn", fmt.Sprintf("%s; retention.ms is %s and records have the time of their event: older events are deleted soon after they arrive", f.Detail, config["retention.ms"])
		f.Hint = fmt.Sprintf("kafka-configs --bootstrap-server %s --alter --topic %s --add-config retention.ms=-1", s.bootstrap(), topic)
	case strings.Contains(config[settingCleanup], "compact") && s.config.Key != "event_id":
		f.Status, f.Detail = "warn", f.Detail+"; it is compacted: of each key only the newest event is kept"
		f.Hint = "set key to event_id, or cleanup.policy to delete"
	}
	return f, true
}

func (s *sink) checkMarkerTopic(ctx context.Context) (f pipeline.Finding, there bool) {
	const name = "marker topic"
	topic := s.config.markerTopic()
	_, err := s.cluster.Topic(ctx, topic)
	if f, missing := s.missing(name, topic, err); missing {
		return f, false
	}
	if err != nil {
		return s.fail(ctx, name, err), false
	}
	found, err := s.lastMarker(ctx, false)
	if err != nil {
		return s.fail(ctx, name, err), true
	}
	f = pipeline.Finding{Name: name, Status: "ok", Detail: topic + ", no marker of this lane yet"}
	if found.marker != nil {
		f.Detail = fmt.Sprintf("%s, the lane is at batch %d", topic, found.marker.Seq)
	}
	config, err := s.cluster.TopicConfig(ctx, topic, settingCleanup)
	if err != nil {
		f.Status, f.Detail = "warn", f.Detail+"; nobody can tell whether it is compacted: "+err.Error()
		f.Hint = s.topicACL("topic " + topic)
	} else if err := s.compacted(config[settingCleanup]); err != nil {
		return s.fail(ctx, name, err), true
	}
	return f, true
}

// checkTransaction asks for what every transaction begins with, as a producer that
// nobody knows: rights are looked at first, and nothing happens.
func (s *sink) checkTransaction(ctx context.Context) pipeline.Finding {
	const name = "transaction"
	err := txn.Probe(ctx, s.cluster, s.id, s.config.Topic, s.config.markerTopic())
	if err != nil {
		return s.fail(ctx, name, err)
	}
	return pipeline.Finding{Name: name, Status: "ok", Detail: "transactional id " + s.id}
}

func (s *sink) checkRegistry(ctx context.Context) pipeline.Finding {
	const name = "schema registry"
	detail, err := s.registry.Check(ctx, s.format.subject, schemas.Schema())
	if err != nil {
		return pipeline.Finding{Name: name, Status: "fail", Detail: err.Error()}
	}
	return pipeline.Finding{Name: name, Status: "ok", Detail: detail}
}
