// Package elasticsearch delivers to Elasticsearch or OpenSearch, exactly once: every
// document has an id that follows from its event, the index follows from the event's
// date, and a second create of an id is refused there.
//
// It speaks to both over net/http, because the official clients refuse each other's
// servers, one of them after the document is stored.
package elasticsearch

import (
	"context"
	"time"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/internal/secret"
	"auditlog-connector/pipeline"
	"auditlog-connector/sinks"
)

// Config is the configuration of one sink.
type Config struct {
	URLs            []string       `yaml:"urls"`             // https://host:9200; another one is tried when one does not take documents
	CloudID         string         `yaml:"cloud_id"`         // instead of urls: of a deployment in Elastic's cloud
	Index           string         `yaml:"index"`            // with %{month} or %{date} of the event, UTC; empty: audit-openai-%{month}
	DataStream      string         `yaml:"data_stream"`      // instead of index: such as logs-openai.audit-default
	APIKey          secret.String  `yaml:"api_key"`          // as Elasticsearch shows it encoded
	Username        string         `yaml:"username"`         // instead of api_key
	Password        secret.String  `yaml:"password"`         // of username
	Schema          string         `yaml:"schema"`           // ecs, normalized, ocsf, cim or raw
	Gzip            bool           `yaml:"gzip"`             // compresses requests
	InstallTemplate bool           `yaml:"install_template"` // puts the index template with the mapping at the start
	TLS             httpclient.TLS `yaml:"tls"`              // of https
}

// defaultIndex has one index a month: years of history are some dozens of shards.
const defaultIndex = "audit-openai-%{month}"

// Type is the sink type "elasticsearch".
var Type = sinks.Define(sinks.Definition[Config]{
	Name:      "elasticsearch",
	Batch:     pipeline.BatchPolicy{MaxEvents: 2000, MaxBytes: 5 << 20, MaxAge: time.Second},
	Defaults:  func() Config { return Config{Schema: "ecs", Gzip: true, InstallTemplate: true} },
	Validate:  validate,
	Guarantee: guarantee,
	Open:      func(_ context.Context, c *Config, env sinks.Env) (pipeline.Sink, error) { return newSink(c, env) },
})

func guarantee(c *Config) (pipeline.Guarantee, []string) {
	conditions := []string{
		`index.translog.durability is "request", the default ("connector check" looks)`,
		"nobody deletes documents or an index while a batch for it is in doubt",
		"no ingest pipeline changes _id or _index (the lane stops at the first that does)",
	}
	if c.DataStream != "" {
		conditions = append(conditions,
			"an id is refused within one backing index only: what is in doubt is looked up in all of them, which needs read, delete and view_index_metadata on the stream",
			"no request is still on its way when the stream rolls over and its batch has been settled")
	}
	return pipeline.ExactlyOnce, conditions
}

// place is where batches go under this configuration: a pattern of indices, or a
// data stream.
func (c *Config) place() string {
	switch {
	case c.DataStream != "":
		return streamPlace + c.DataStream
	case c.Index != "":
		return c.Index
	}
	return defaultIndex
}
