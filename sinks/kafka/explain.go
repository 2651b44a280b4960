package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go/protocol"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/kafka/internal/markers"
	"auditlog-connector/sinks/kafka/internal/txn"
	"auditlog-connector/sinks/kafka/internal/wire"
)

// explain classifies err for the pipeline and says what to do about it. Nil stays nil.
func (s *sink) explain(ctx context.Context, err error) error {
	var answer *wire.Error
	var silence *wire.NetError
	var partitions *markers.PartitionsError
	switch {
	case err == nil || pipeline.IsPermanent(err) || errors.Is(err, pipeline.ErrFenced):
		return err
	case errors.Is(err, txn.ErrLost):
		return s.explainLoss(ctx, err)
	case errors.As(err, &partitions):
		return pipeline.Permanent(fmt.Errorf("%w: delete it and make it again: %s", err, s.createCommand(partitions.Topic)))
	case errors.As(err, &answer):
		return s.explainAnswer(err, answer)
	case errors.As(err, &silence) && silence.Sent && slices.Contains(coordination, silence.API):
		return fmt.Errorf("%w: the coordinator of %s does not answer: does it wait for replicas of __transaction_state? Start the missing brokers", err, s.id)
	}
	return explainTLS(err)
}

// coordination is what the coordinator of a transaction is asked.
var coordination = []string{protocol.InitProducerId.String(), protocol.AddPartitionsToTxn.String(), protocol.EndTxn.String()}

// explainLoss tells a takeover from a transaction that was open for too long: whoever
// takes over writes a marker of its own first.
func (s *sink) explainLoss(ctx context.Context, loss error) error {
	found, err := s.lastMarker(ctx, false)
	if err == nil {
		err = s.mayTakeOver(found)
	}
	if errors.Is(err, pipeline.ErrFenced) {
		return err
	}
	return fmt.Errorf("%w: nobody else seems to deliver; the transaction was open for longer than %s, or the id expired", loss, txn.TransactionTimeout)
}

func (s *sink) explainAnswer(err error, answer *wire.Error) error {
	stop := func(format string, args ...any) error {
		return pipeline.Permanent(fmt.Errorf("%w: "+format, append([]any{err}, args...)...))
	}
	refused := func(format string, args ...any) error {
		return pipeline.Permanent(fmt.Errorf("%w: %w: "+format, append([]any{pipeline.ErrRefused, err}, args...)...))
	}
	switch answer.Code {
	case wire.SASLAuthentication, wire.IllegalSASLState:
		return refused("check sasl.username, sasl.password and sasl.mechanism")
	case wire.UnsupportedMechanism:
		return stop("set sasl.mechanism to one of them")
	case wire.TransactionalIDAuthz:
		return refused("add the right: %s", s.transactionalACL())
	case wire.TopicAuthorization:
		return refused("add the rights: %s", s.topicACL(answer.What))
	case wire.ClusterAuthorization:
		return refused("add the right: %s", s.acl("--operation Create --cluster"))
	case wire.InvalidTxnTimeout:
		return stop("the brokers' transaction.max.timeout.ms is below %s: raise it", txn.TransactionTimeout)
	case wire.UnsupportedVersion:
		return stop("Kafka 3.7 or later is needed")
	case wire.NotEnoughReplicas, wire.NotEnoughAfterAppend:
		if strings.Contains(answer.Message, "verify") {
			// Brokers have no other code for it in the version that is spoken.
			return fmt.Errorf("%w: the broker cannot ask the transaction's coordinator: start the missing brokers", err)
		}
		return fmt.Errorf("%w: fewer replicas are in sync than min.insync.replicas of the topic asks for: start the missing brokers, or lower it", err)
	case wire.ConcurrentTransactions:
		return fmt.Errorf("%w: the transaction before cannot be finished on all of its partitions: fewer replicas are in sync than "+
			"min.insync.replicas of %s or %s asks for: start the missing brokers, or lower it", err, s.config.Topic, s.config.markerTopic())
	case wire.UnknownTopicOrPartition:
		return fmt.Errorf("%w: was the topic deleted, or made again with fewer partitions? %s", err, s.createCommand(s.about(answer.What)))
	case wire.CoordinatorNotAvailable:
		return fmt.Errorf("%w: the brokers cannot keep transactions: fewer replicas of __transaction_state are in sync than its min.insync.replicas asks for: "+
			"start the missing brokers (with fewer than three, transaction.state.log.replication.factor and .min.isr have to be lower)", err)
	case wire.InvalidTopic, wire.InvalidConfig, wire.InvalidReplicationFactor, wire.PolicyViolation, wire.CorruptMessage:
		return stop("the brokers do not take it")
	case wire.InvalidTimestamp, wire.InvalidRecord:
		if len(answer.Rejected) > 0 {
			return fmt.Errorf("%w: %d records are refused, and left out next time", err, len(answer.Rejected))
		}
		return stop("see message.timestamp.before.max.ms and .after.max.ms of the topic; a compacted topic needs a key")
	}
	return err
}

// explainTLS says what a failed handshake means, and leaves other errors alone.
func explainTLS(err error) error {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var alert tls.AlertError
	switch {
	case errors.As(err, &unknown):
		return pipeline.Permanent(fmt.Errorf("%w: set tls.ca_file to the authority that signed the brokers' certificates", err))
	case errors.As(err, &name):
		return pipeline.Permanent(fmt.Errorf("%w: set tls.server_name, or the brokers' advertised.listeners, to a name in the certificate", err))
	case errors.As(err, &invalid):
		return pipeline.Permanent(err)
	case errors.As(err, &alert), strings.Contains(err.Error(), "remote error: tls:"):
		return pipeline.Permanent(fmt.Errorf("%w: the broker refuses the client's certificate: set tls.cert_file and tls.key_file", err))
	}
	return err
}

// acl is a command that gives the sink a right.
func (s *sink) acl(what string) string {
	user := s.config.SASL.Username
	if user == "" {
		user = "<the connector's>"
	}
	return fmt.Sprintf("kafka-acls --bootstrap-server %s --add --allow-principal User:%s %s", s.bootstrap(), user, what)
}

func (s *sink) transactionalACL() string {
	return s.acl("--operation Write --operation Describe --transactional-id " + s.id)
}

// about is the topic that an answer names.
func (s *sink) about(what string) string {
	if strings.HasSuffix(what, "topic "+s.config.markerTopic()) {
		return s.config.markerTopic()
	}
	return s.config.Topic
}

// topicACL is the rights of the topic that an answer is about.
func (s *sink) topicACL(what string) string {
	if s.about(what) == s.config.markerTopic() {
		return s.acl("--operation Read --operation Write --operation Describe --operation DescribeConfigs --topic " + s.config.markerTopic())
	}
	return s.acl("--operation Write --operation Describe --operation DescribeConfigs --topic " + s.config.Topic)
}
