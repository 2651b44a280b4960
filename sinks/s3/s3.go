// Package s3 delivers to a bucket of S3 or of a store that speaks its protocol,
// exactly once: one object per batch, named by the manifest alone, which the store
// makes only if it is not there.
package s3

import (
	"context"
	"time"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
	"auditlog-connector/sinks"
	"auditlog-connector/sinks/s3/format"
)

// Config is the configuration of one sink.
type Config struct {
	Bucket    string `yaml:"bucket"`     // its name
	Prefix    string `yaml:"prefix"`     // of every key; empty: none
	Region    string `yaml:"region"`     // empty: as the AWS environment says
	Endpoint  string `yaml:"endpoint"`   // http or https; empty: as the AWS environment says, else AWS's own
	PathStyle bool   `yaml:"path_style"` // the bucket in the path instead of the host: for MinIO and the like
	DualStack bool   `yaml:"dual_stack"` // AWS's endpoints with IPv6
	FIPS      bool   `yaml:"fips"`       // AWS's FIPS endpoints

	Format      string `yaml:"format"`      // avro, jsonl or parquet
	Schema      string `yaml:"schema"`      // of jsonl and parquet: normalized, ecs, ocsf, cim or raw
	Compression string `yaml:"compression"` // avro: deflate (default), snappy, none; jsonl: gzip (default), zstd, none; parquet: zstd (default), snappy
	Partition   string `yaml:"partition"`   // dt or dt/hour: of the first event of a batch, UTC

	ConditionalWrites bool `yaml:"conditional_writes"` // off, for a store that does not honour If-None-Match, makes the lane at least once

	SSE           string            `yaml:"sse"`            // AES256, aws:kms, or none: as the bucket says
	KMSKeyID      string            `yaml:"kms_key_id"`     // of sse aws:kms; empty: AWS's own key
	StorageClass  string            `yaml:"storage_class"`  // such as STANDARD_IA; empty: as the bucket says
	ObjectLock    ObjectLock        `yaml:"object_lock"`    // keeps every object of a batch from being deleted or replaced
	Tags          map[string]string `yaml:"tags"`           // of every object, names and values
	ExpectedOwner string            `yaml:"expected_owner"` // account that owns the bucket; another one's bucket is refused
	AssumeRole    AssumeRole        `yaml:"assume_role"`    // role to take on with the credentials of the AWS chain
	TLS           httpclient.TLS    `yaml:"tls"`            // of a store of one's own
}

// ObjectLock keeps every object of a batch from being deleted or replaced.
type ObjectLock struct {
	Mode   string        `yaml:"mode"`   // governance or compliance; empty: as the bucket says
	Retain time.Duration `yaml:"retain"` // from the write on
}

// AssumeRole is a role to take on with the credentials of the AWS chain.
type AssumeRole struct {
	ARN        string `yaml:"arn"`         // of the role
	ExternalID string `yaml:"external_id"` // what the role's policy asks for
}

const (
	partitionDay  = "dt"
	partitionHour = "dt/hour"

	sseBucket = "none"
	sseS3     = "AES256"
	sseKMS    = "aws:kms"
)

// Type is the sink type "s3".
var Type = sinks.Define(sinks.Definition[Config]{
	Name:      "s3",
	Batch:     pipeline.BatchPolicy{MaxEvents: 5000, MaxBytes: 8 << 20, MaxAge: 30 * time.Second},
	Defaults:  defaults,
	Validate:  validate,
	Guarantee: guarantee,
	// Two sinks of one source under one prefix would show a reader every event twice.
	Exclusive: func(c *Config, source string) string {
		return "s3 " + c.Endpoint + " " + location(c.Bucket, c.prefix()) + "source=" + source
	},
	Open: func(_ context.Context, c *Config, env sinks.Env) (pipeline.Sink, error) {
		return newSink(c, env), nil
	},
})

func defaults() Config {
	return Config{Format: format.Avro, Schema: "normalized", Partition: partitionDay, ConditionalWrites: true, SSE: sseBucket}
}

func guarantee(c *Config) (pipeline.Guarantee, []string) {
	if !c.ConditionalWrites {
		return pipeline.AtLeastOnce, []string{
			"conditional_writes is off: an object may be written again over itself, with the same events",
		}
	}
	conditions := []string{
		"the store honours If-None-Match (\"connector check\" tries it, and so does every start)",
		"nobody deletes or writes objects of the lane",
		"after a takeover the former process is dead",
	}
	return pipeline.ExactlyOnce, conditions
}

// format is how objects are written.
func (c *Config) format() format.Format {
	return format.Format{Container: c.Format, Schema: c.Schema, Compression: c.Compression}
}

func validate(c *Config) (errs []error) {
	errs = append(errs, validateBucket(c)...)
	errs = append(errs, c.format().Validate()...)
	if c.Partition != partitionDay && c.Partition != partitionHour {
		errs = append(errs, strictyaml.Field("partition", "unknown partition %q", c.Partition).WithHint("dt or dt/hour"))
	}
	errs = append(errs, validateEncryption(c)...)
	errs = append(errs, validateLock(c.ObjectLock)...)
	errs = append(errs, validateTags(c.Tags)...)
	errs = append(errs, validateAccess(c)...)
	return append(errs, c.TLS.Validate()...)
}
