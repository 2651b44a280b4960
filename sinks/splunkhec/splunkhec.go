// Package splunkhec delivers to a Splunk HTTP event collector: at least once, every
// copy with the same event_id, because the collector cannot be asked to refuse what
// it has. Doubt is settled by indexer acknowledgements where the token has them,
// and by searching for what is there where a search is configured.
package splunkhec

import (
	"context"
	"fmt"
	"time"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/internal/secret"
	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
	"auditlog-connector/sinks"
)

// Config is the configuration of one sink.
type Config struct {
	URL              string          `yaml:"url"`                // https://host:8088
	URLs             []string        `yaml:"urls"`               // instead of url: several, tried in order when one does not take events
	Token            secret.String   `yaml:"token"`              // of the event collector
	Index            string          `yaml:"index"`              // empty: the token's
	Sourcetype       string          `yaml:"sourcetype"`         // the app's, unless you have your own
	Source           string          `yaml:"source"`             // empty: the configured source's name
	Host             string          `yaml:"host"`               // likewise
	Schema           string          `yaml:"schema"`             // cim, normalized, ecs, ocsf or raw
	Ack              Ack             `yaml:"ack"`                // auto, on or off: whether to wait until events are indexed; auto if the token has acknowledgements
	AckTimeout       time.Duration   `yaml:"ack_timeout"`        // for one request's acknowledgement, before the batch is in doubt
	Gzip             bool            `yaml:"gzip"`               // compresses requests
	MaxContentLength strictyaml.Size `yaml:"max_content_length"` // bytes of a request, uncompressed; Splunk Cloud takes no more than 5 MB
	Search           Search          `yaml:"search"`             // how to look for what is in doubt
	TLS              httpclient.TLS  `yaml:"tls"`                // of https, for the search too
}

// Search says where to look for what has been indexed.
type Search struct {
	URL    string        `yaml:"url"`    // https://host:8089; empty: no searches
	Token  secret.String `yaml:"token"`  // of a user who may search the index
	Settle time.Duration `yaml:"settle"` // how long a count has to stay as it is before what is missing counts as absent
}

// Ack says whether to wait for indexer acknowledgements.
type Ack string

// The values of ack. AckAuto waits if the token has them.
const (
	AckAuto Ack = "auto"
	AckOn   Ack = "on"
	AckOff  Ack = "off"
)

// UnmarshalScalar reads auto, on or off; true and false mean on and off.
func (a *Ack) UnmarshalScalar(text string) error {
	switch text {
	case "auto":
		*a = AckAuto
	case "on", "true":
		*a = AckOn
	case "off", "false":
		*a = AckOff
	default:
		return fmt.Errorf("%q: want auto, on or off", text)
	}
	return nil
}

// Type is the sink type "splunk_hec".
var Type = sinks.Define(sinks.Definition[Config]{
	Name:  "splunk_hec",
	Batch: pipeline.BatchPolicy{MaxEvents: 10000, MaxBytes: 64 << 20, MaxAge: time.Second},
	Defaults: func() Config {
		return Config{
			Sourcetype: "openai:audit", Schema: "cim", Ack: AckAuto, AckTimeout: 10 * time.Minute, Gzip: true, MaxContentLength: 1e6,
			Search: Search{Settle: 5 * time.Minute},
		}
	},
	Validate:  validate,
	Guarantee: guarantee,
	Open:      func(_ context.Context, c *Config, env sinks.Env) (pipeline.Sink, error) { return newSink(c, env) },
})

func guarantee(c *Config) (pipeline.Guarantee, []string) {
	conditions := []string{"every copy of an event has the same event_id: searches leave repeats out with \"dedup event_id\""}
	if c.Search.URL != "" {
		conditions = append(conditions, fmt.Sprintf(
			"what is in doubt is looked for: it is repeated only if it can be found later than %s (search.settle) after it was sent", c.Search.Settle))
	} else {
		conditions = append(conditions, "a request whose answer is lost is sent again, and may be there twice; search would tell (search.url)")
	}
	const unacked = "an answer means taken, not indexed: what an indexer loses in between is lost"
	switch c.Ack {
	case AckOn:
		conditions = append(conditions, "the token has indexer acknowledgement: events count when they are indexed")
	case AckAuto:
		conditions = append(conditions, "if the token has indexer acknowledgement, events count when they are indexed; if not, "+unacked+" (the log and \"connector check\" say which)")
	default:
		conditions = append(conditions, unacked+" (ack: off)")
	}
	return pipeline.AtLeastOnce, conditions
}

// addresses returns the collectors, in the order of preference.
func (c *Config) addresses() []string {
	if len(c.URLs) > 0 {
		return c.URLs
	}
	return []string{c.URL}
}
