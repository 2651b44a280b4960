package wire

import (
	"fmt"
	"strings"
)

// Code is an error code of Kafka's protocol.
type Code int16

// The codes that somebody here decides by.
const (
	OffsetOutOfRange         Code = 1
	CorruptMessage           Code = 2
	UnknownTopicOrPartition  Code = 3
	LeaderNotAvailable       Code = 5
	NotLeader                Code = 6
	RequestTimedOut          Code = 7
	BrokerNotAvailable       Code = 8
	ReplicaNotAvailable      Code = 9
	MessageTooLarge          Code = 10
	CoordinatorLoading       Code = 14
	CoordinatorNotAvailable  Code = 15
	NotCoordinator           Code = 16
	InvalidTopic             Code = 17
	RecordListTooLarge       Code = 18
	NotEnoughReplicas        Code = 19
	NotEnoughAfterAppend     Code = 20
	TopicAuthorization       Code = 29
	ClusterAuthorization     Code = 31
	InvalidTimestamp         Code = 32
	UnsupportedMechanism     Code = 33
	IllegalSASLState         Code = 34
	UnsupportedVersion       Code = 35
	TopicExists              Code = 36
	InvalidReplicationFactor Code = 38
	InvalidConfig            Code = 40
	NotController            Code = 41
	PolicyViolation          Code = 44
	OutOfOrderSequence       Code = 45
	DuplicateSequence        Code = 46
	InvalidProducerEpoch     Code = 47
	InvalidTxnState          Code = 48
	InvalidProducerIDMapping Code = 49
	InvalidTxnTimeout        Code = 50
	ConcurrentTransactions   Code = 51
	TransactionalIDAuthz     Code = 53
	OperationNotAttempted    Code = 55
	StorageError             Code = 56
	SASLAuthentication       Code = 58
	UnknownProducerID        Code = 59
	FencedLeaderEpoch        Code = 74
	UnknownLeaderEpoch       Code = 75
	InvalidRecord            Code = 87
	ProducerFenced           Code = 90
)

var codeNames = map[Code]string{
	OffsetOutOfRange: "OFFSET_OUT_OF_RANGE", CorruptMessage: "CORRUPT_MESSAGE", UnknownTopicOrPartition: "UNKNOWN_TOPIC_OR_PARTITION",
	LeaderNotAvailable: "LEADER_NOT_AVAILABLE", NotLeader: "NOT_LEADER_OR_FOLLOWER", RequestTimedOut: "REQUEST_TIMED_OUT",
	BrokerNotAvailable: "BROKER_NOT_AVAILABLE", ReplicaNotAvailable: "REPLICA_NOT_AVAILABLE", MessageTooLarge: "MESSAGE_TOO_LARGE",
	CoordinatorLoading: "COORDINATOR_LOAD_IN_PROGRESS", CoordinatorNotAvailable: "COORDINATOR_NOT_AVAILABLE", NotCoordinator: "NOT_COORDINATOR",
	InvalidTopic: "INVALID_TOPIC_EXCEPTION", RecordListTooLarge: "RECORD_LIST_TOO_LARGE", NotEnoughReplicas: "NOT_ENOUGH_REPLICAS",
	NotEnoughAfterAppend: "NOT_ENOUGH_REPLICAS_AFTER_APPEND", TopicAuthorization: "TOPIC_AUTHORIZATION_FAILED",
	ClusterAuthorization: "CLUSTER_AUTHORIZATION_FAILED", InvalidTimestamp: "INVALID_TIMESTAMP", UnsupportedMechanism: "UNSUPPORTED_SASL_MECHANISM",
	IllegalSASLState: "ILLEGAL_SASL_STATE", UnsupportedVersion: "UNSUPPORTED_VERSION", TopicExists: "TOPIC_ALREADY_EXISTS",
	InvalidReplicationFactor: "INVALID_REPLICATION_FACTOR", InvalidConfig: "INVALID_CONFIG", NotController: "NOT_CONTROLLER", PolicyViolation: "POLICY_VIOLATION",
	OutOfOrderSequence: "OUT_OF_ORDER_SEQUENCE_NUMBER", DuplicateSequence: "DUPLICATE_SEQUENCE_NUMBER", InvalidProducerEpoch: "INVALID_PRODUCER_EPOCH",
	InvalidTxnState: "INVALID_TXN_STATE", InvalidProducerIDMapping: "INVALID_PRODUCER_ID_MAPPING", InvalidTxnTimeout: "INVALID_TRANSACTION_TIMEOUT",
	ConcurrentTransactions: "CONCURRENT_TRANSACTIONS", TransactionalIDAuthz: "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
	OperationNotAttempted: "OPERATION_NOT_ATTEMPTED", StorageError: "KAFKA_STORAGE_ERROR", SASLAuthentication: "SASL_AUTHENTICATION_FAILED",
	UnknownProducerID: "UNKNOWN_PRODUCER_ID", FencedLeaderEpoch: "FENCED_LEADER_EPOCH", UnknownLeaderEpoch: "UNKNOWN_LEADER_EPOCH",
	InvalidRecord: "INVALID_RECORD", ProducerFenced: "PRODUCER_FENCED",
}

// String returns the code's name in Kafka's documentation, with its number.
func (c Code) String() string {
	if name := codeNames[c]; name != "" {
		return fmt.Sprintf("%s [%d]", name, int16(c))
	}
	return fmt.Sprintf("error [%d]", int16(c))
}

// Moving reports whether a broker answers so while the cluster moves a partition or a
// coordinator, or until it has heard of a new one: the request had no effect, and may
// have in a moment.
func (c Code) Moving() bool {
	switch c {
	case CoordinatorLoading, CoordinatorNotAvailable, NotCoordinator, UnknownTopicOrPartition, LeaderNotAvailable, NotLeader,
		BrokerNotAvailable, ReplicaNotAvailable, FencedLeaderEpoch, UnknownLeaderEpoch, StorageError, NotController:
		return true
	}
	return false
}

// Error is a broker's answer that is not a success: the request had no effect,
// except where the code says otherwise.
type Error struct {
	Code    Code
	What    string // what the answer is about: "topic audit", "transactional id x"
	Message string // the broker's words, if any

	// Rejected are the records that the answer names, by index into the record
	// batch, with the broker's words.
	Rejected map[int]string
}

func (e *Error) Error() string {
	text := e.What + ": " + e.Code.String()
	if m := strings.Join(strings.Fields(e.Message), " "); m != "" {
		text += ": " + m[:min(len(m), 300)]
	}
	return text
}

// Failure returns the error of an answer with code; nil for 0.
func Failure(code int16, what, message string) error {
	if code == 0 {
		return nil
	}
	return &Error{Code: Code(code), What: what, Message: message}
}

// NetError means that there is no answer.
type NetError struct {
	Addr string // of the broker
	API  string // what was asked
	Sent bool   // the request may have arrived, and have its effect, now or later
	Err  error
	Hint string // what it usually means; may be empty
}

func (e *NetError) Error() string {
	text := fmt.Sprintf("broker %s: %s: %v", e.Addr, e.API, e.Err)
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

func (e *NetError) Unwrap() error { return e.Err }
