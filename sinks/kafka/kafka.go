// Package kafka delivers to a topic of Apache Kafka, exactly once for consumers that
// read what is committed: a batch and the lane's marker are one transaction.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go/compress"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/internal/secret"
	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas/document"
	"auditlog-connector/sinks"
)

// Config is the configuration of one sink.
type Config struct {
	Brokers               []string        `yaml:"brokers"`                 // host:port of some of them
	Topic                 string          `yaml:"topic"`                   // of the events
	MarkerTopic           string          `yaml:"marker_topic"`            // compacted, one partition; empty: the topic's name with -connector
	CreateTopics          bool            `yaml:"create_topics"`           // makes those that are missing
	Key                   string          `yaml:"key"`                     // event_id, actor, project or none
	Format                string          `yaml:"format"`                  // avro or json
	Schema                string          `yaml:"schema"`                  // of json: normalized, ecs, ocsf, cim or raw
	Compression           string          `yaml:"compression"`             // none, gzip, snappy, lz4 or zstd
	TransactionalIDPrefix string          `yaml:"transactional_id_prefix"` // of the ids prefix.source.sink; one installation of a cluster has it alone
	SchemaRegistry        Registry        `yaml:"schema_registry"`         // of format avro; without url every value is a single-object encoding
	TLS                   *httpclient.TLS `yaml:"tls"`                     // without it plain text; `{}` trusts the system's authorities
	SASL                  SASL            `yaml:"sasl"`                    // how to log in
}

// Registry is where Avro schemas are registered. Without a URL there is none.
type Registry struct {
	URL             string         `yaml:"url"`              // empty: no registry
	Username        string         `yaml:"username"`         // basic authentication; empty: none
	Password        secret.String  `yaml:"password"`         // of username
	SubjectStrategy string         `yaml:"subject_strategy"` // topic, record or topic_record
	AutoRegister    bool           `yaml:"auto_register"`    // off: the schema has to be registered already
	TLS             httpclient.TLS `yaml:"tls"`              // of the registry
}

// SASL is how to log in. Without a mechanism there is no login.
type SASL struct {
	Mechanism string        `yaml:"mechanism"` // plain, scram-sha-256, scram-sha-512 or aws-msk-iam; empty: no login
	Username  string        `yaml:"username"`  // not of aws-msk-iam, which takes the AWS chain's credentials
	Password  secret.String `yaml:"password"`  // of username
}

var (
	keys       = []string{"event_id", "actor", "project", "none"}
	formats    = []string{"avro", "json"}
	codecs     = []string{"none", "gzip", "snappy", "lz4", "zstd"}
	strategies = []string{"topic", "record", "topic_record"}
	mechanisms = []string{"plain", "scram-sha-256", "scram-sha-512", "aws-msk-iam"}
)

// Type is the sink type "kafka".
var Type = sinks.Define(sinks.Definition[Config]{
	Name:  "kafka",
	Batch: pipeline.BatchPolicy{MaxEvents: 5000, MaxBytes: 8 << 20, MaxAge: time.Second},
	Defaults: func() Config {
		return Config{
			Key: "event_id", Format: "avro", Schema: "normalized", Compression: "zstd", TransactionalIDPrefix: "connector",
			SchemaRegistry: Registry{SubjectStrategy: "topic", AutoRegister: true},
		}
	},
	Validate: validate,
	Guarantee: func(c *Config) (pipeline.Guarantee, []string) {
		return pipeline.ExactlyOnce, []string{
			"consumers read what is committed (isolation.level=read_committed)",
			"the brokers are Apache Kafka 3.7 or later, with min.insync.replicas of 2 or more where there are three",
			"nobody else writes " + c.markerTopic() + ", and nobody deletes it or changes its cleanup.policy from compact",
			"no other installation uses the transactional ids " + c.TransactionalIDPrefix + ".<source>.<sink> on this cluster",
		}
	},
	Open: func(_ context.Context, c *Config, env sinks.Env) (pipeline.Sink, error) { return newSink(c, env) },
})

func (c *Config) markerTopic() string {
	if c.MarkerTopic != "" {
		return c.MarkerTopic
	}
	return c.Topic + "-connector"
}

func (c *Config) codec() compress.Compression {
	return compress.Compression(max(0, slices.Index(codecs, c.Compression))) // Kafka counts them in this order
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func validate(c *Config) (errs []error) {
	field := func(path, format string, args ...any) { errs = append(errs, strictyaml.Field(path, format, args...)) }
	if len(c.Brokers) == 0 {
		errs = append(errs, strictyaml.FieldError{Path: "brokers", Err: errors.New("is missing"), Hint: "host:port of some brokers: [kafka-1:9092, kafka-2:9092]"})
	}
	for i, b := range c.Brokers {
		if host, port, err := net.SplitHostPort(b); err != nil || host == "" || port == "" {
			field(fmt.Sprintf("brokers[%d]", i), "%q is not host:port", b)
		}
	}
	topic := func(path, name string) {
		if !topicName.MatchString(name) || name == "." || name == ".." {
			field(path, "%q is no name of a topic: letters, digits, '.', '_' and '-', at most 249", name)
		}
	}
	if c.Topic == "" {
		field("topic", "is missing")
	} else {
		topic("topic", c.Topic)
		topic("marker_topic", c.markerTopic())
		if c.markerTopic() == c.Topic {
			field("marker_topic", "is the topic itself: the markers need one of their own")
		}
	}
	choice := func(path, value string, choices []string) {
		if !slices.Contains(choices, value) {
			errs = append(errs, strictyaml.Field(path, "unknown value %q", value).WithHint(strings.Join(choices, ", ")))
		}
	}
	choice("key", c.Key, keys)
	choice("format", c.Format, formats)
	choice("compression", c.Compression, codecs)
	if document.Lookup(c.Schema) == nil {
		errs = append(errs, strictyaml.Field("schema", "unknown schema %q", c.Schema).WithHint(document.Names()))
	}
	if c.TransactionalIDPrefix == "" {
		field("transactional_id_prefix", "is empty")
	}
	if c.TLS != nil {
		for _, err := range c.TLS.Validate() {
			errs = append(errs, strictyaml.FieldError{Path: "tls", Err: err})
		}
	}
	return append(append(errs, validateRegistry(c)...), validateLogin(c)...)
}

func validateRegistry(c *Config) (errs []error) {
	r := &c.SchemaRegistry
	if !slices.Contains(strategies, r.SubjectStrategy) {
		errs = append(errs, strictyaml.Field("schema_registry.subject_strategy", "unknown value %q", r.SubjectStrategy).WithHint(strings.Join(strategies, ", ")))
	}
	if r.URL == "" {
		if r.Username != "" || !r.Password.IsZero() {
			errs = append(errs, strictyaml.Field("schema_registry.url", "is missing"))
		}
		return errs
	}
	if !strings.HasPrefix(r.URL, "http://") && !strings.HasPrefix(r.URL, "https://") {
		errs = append(errs, strictyaml.Field("schema_registry.url", "%q is no http:// or https:// address", r.URL))
	}
	if c.Format != "avro" {
		errs = append(errs, strictyaml.Field("schema_registry", "is for format avro, and format is %s", c.Format))
	}
	if (r.Username == "") != r.Password.IsZero() {
		errs = append(errs, strictyaml.Field("schema_registry", "username and password belong together"))
	}
	for _, err := range r.TLS.Validate() {
		errs = append(errs, strictyaml.FieldError{Path: "schema_registry.tls", Err: err})
	}
	return errs
}

func validateLogin(c *Config) (errs []error) {
	s := &c.SASL
	switch {
	case s.Mechanism == "":
		if s.Username != "" || !s.Password.IsZero() {
			errs = append(errs, strictyaml.Field("sasl.mechanism", "is missing").WithHint(strings.Join(mechanisms, ", ")))
		}
	case !slices.Contains(mechanisms, s.Mechanism):
		errs = append(errs, strictyaml.Field("sasl.mechanism", "unknown value %q", s.Mechanism).WithHint(strings.Join(mechanisms, ", ")))
	case s.Mechanism == "aws-msk-iam":
		if s.Username != "" || !s.Password.IsZero() {
			errs = append(errs, strictyaml.Field("sasl", "aws-msk-iam takes its credentials from the AWS chain, not from username and password"))
		}
		if c.TLS == nil {
			errs = append(errs, strictyaml.Field("tls", "is needed for aws-msk-iam").WithHint("tls: {}"))
		}
	case s.Username == "" || s.Password.IsZero():
		errs = append(errs, strictyaml.Field("sasl", "%s needs username and password", s.Mechanism))
	}
	return errs
}
