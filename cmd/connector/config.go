package main

import (
	"errors"
	"time"

	"go.yaml.in/yaml/v3"

	"auditlog-connector/internal/secret"
	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
)

// fileConfig is the configuration file. The config blocks of sources and sinks
// stay as they are: their types decode them.
type fileConfig struct {
	Sources    []sourceConfig   `yaml:"sources"`    // organizations to read
	Pipeline   pipelineConfig   `yaml:"pipeline"`   // what is read when
	Checkpoint checkpointConfig `yaml:"checkpoint"` // where progress is kept
	HTTP       httpConfig       `yaml:"http"`       // metrics, status and probes
	Log        logConfig        `yaml:"log"`        // what goes to standard error
	Sinks      []sinkConfig     `yaml:"sinks"`      // destinations
}

type sourceConfig struct {
	Name   string    `yaml:"name"`   // a-z, 0-9 and -; part of every lane and object key, never to be changed
	Type   string    `yaml:"type"`   // openai
	Config yaml.Node `yaml:"config"` // what the type takes, below
}

type pipelineConfig struct {
	PollInterval  time.Duration `yaml:"poll_interval"`  // how often the newest entries are asked for
	Recent        time.Duration `yaml:"recent"`         // how far back a poll looks after a gap; otherwise from the last poll on
	SweepInterval time.Duration `yaml:"sweep_interval"` // how often all that overlap covers is read again; less often if that takes long
	Overlap       time.Duration `yaml:"overlap"`        // how late an entry may appear and still be caught
	DrainTimeout  time.Duration `yaml:"drain_timeout"`  // how long deliveries under way may take when the connector is told to stop
}

type checkpointConfig struct {
	Type string `yaml:"type"` // file
	Path string `yaml:"path"` // on a local disk; the quarantine and the control socket are beside it
}

type httpConfig struct {
	Listen string        `yaml:"listen"` // host:port; empty: off
	Token  secret.String `yaml:"token"`  // asked for by all but /livez and /readyz, as bearer token or as password; empty: nothing is asked for
	TLS    *tlsConfig    `yaml:"tls"`    // without it plain HTTP
}

type tlsConfig struct {
	CertFile string `yaml:"cert_file"` // PEM, with intermediates; read again when it changes
	KeyFile  string `yaml:"key_file"`  // PEM
}

type logConfig struct {
	Level  string `yaml:"level"`  // debug, info, warn or error; `info,acme/archive=debug` for a lane of its own; --log-level overrides
	Format string `yaml:"format"` // auto, text or json; auto is text on a terminal
}

type sinkConfig struct {
	Name     string        `yaml:"name"`      // a-z, 0-9 and -; the lane is source/name; a renamed sink receives everything again
	Type     string        `yaml:"type"`      // elasticsearch, file, kafka, s3, splunk_hec or sqlite
	Sources  *[]string     `yaml:"sources"`   // names of the sources that feed it; without it all
	Start    startTime     `yaml:"start"`     // earliest, now or a time such as 2026-11-01T00:00:00Z; read only when the lane is new
	Filter   filterConfig  `yaml:"filter"`    // what this sink gets; without it everything
	Drop     []string      `yaml:"drop"`      // fields left out of this sink's records, and the entry as served with them
	Hash     []string      `yaml:"hash"`      // fields replaced by a keyed hash, likewise
	HashKey  secret.String `yaml:"hash_key"`  // of hash, at least 16 bytes
	Batch    batchConfig   `yaml:"batch"`     // when a batch is cut; the defaults are the type's
	Buffer   *int          `yaml:"buffer"`    // events held for this lane before it is detached and reads by itself
	OnReject rejectPolicy  `yaml:"on_reject"` // halt or quarantine what the destination refuses for good
	InDoubt  doubtPolicy   `yaml:"in_doubt"`  // redeliver or halt; only matters if the destination cannot tell what it has
	Config   yaml.Node     `yaml:"config"`    // what the type takes, below
}

type batchConfig struct {
	MaxEvents *int             `yaml:"max_events"` // events of one batch
	MaxBytes  *strictyaml.Size `yaml:"max_bytes"`  // bytes of its records, uncompressed
	MaxAge    *time.Duration   `yaml:"max_age"`    // how long the first event waits for others
}

// defaultBuffer is how many events are held for a lane before it is detached.
const defaultBuffer = 10000

// defaultConfig returns what applies where the file is silent.
func defaultConfig() fileConfig {
	return fileConfig{
		Pipeline: pipelineConfig{
			PollInterval:  30 * time.Second,
			Recent:        10 * time.Minute,
			SweepInterval: time.Hour,
			Overlap:       24 * time.Hour,
			DrainTimeout:  25 * time.Second,
		},
		Checkpoint: checkpointConfig{Type: "file", Path: "./connector-data/checkpoint.db"},
		HTTP:       httpConfig{Listen: "127.0.0.1:9464"},
		Log:        logConfig{Level: "info", Format: "auto"},
	}
}

// policy returns the type's default batch policy with what is configured.
func (c batchConfig) policy(d pipeline.BatchPolicy) pipeline.BatchPolicy {
	if c.MaxEvents != nil {
		d.MaxEvents = *c.MaxEvents
	}
	if c.MaxBytes != nil {
		d.MaxBytes = int(*c.MaxBytes)
	}
	if c.MaxAge != nil {
		d.MaxAge = *c.MaxAge
	}
	return d
}

// buffer returns the configured buffer, or the default.
func (c sinkConfig) buffer() int {
	if c.Buffer == nil {
		return defaultBuffer
	}
	return *c.Buffer
}

// startTime is where a lane that is new begins; see [pipeline.Start].
type startTime struct {
	pipeline.Start
}

// UnmarshalScalar implements [strictyaml.ScalarUnmarshaler].
func (s *startTime) UnmarshalScalar(text string) error {
	switch text {
	case "earliest":
		s.Start = pipeline.Start{}
		return nil
	case "now":
		s.Start = pipeline.Start{Now: true}
		return nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return strictyaml.FieldError{Err: errors.New("not a start"), Hint: "write earliest, now or a time such as 2026-11-01T00:00:00Z"}
	}
	s.Start = pipeline.Start{At: at.UTC()}
	return nil
}

// String returns s as it is written in the file.
func (s startTime) String() string {
	switch {
	case s.Now:
		return "now"
	case s.At.IsZero():
		return "earliest"
	}
	return s.At.Format(time.RFC3339)
}

// rejectPolicy is a [pipeline.RejectPolicy] as it is written in the file.
type rejectPolicy pipeline.RejectPolicy

// UnmarshalScalar implements [strictyaml.ScalarUnmarshaler].
func (p *rejectPolicy) UnmarshalScalar(text string) error {
	switch text {
	case "halt":
		*p = rejectPolicy(pipeline.RejectHalt)
	case "quarantine":
		*p = rejectPolicy(pipeline.RejectQuarantine)
	default:
		return notOneOf(text, "halt", "quarantine")
	}
	return nil
}

// doubtPolicy is a [pipeline.DoubtPolicy] as it is written in the file.
type doubtPolicy pipeline.DoubtPolicy

// UnmarshalScalar implements [strictyaml.ScalarUnmarshaler].
func (p *doubtPolicy) UnmarshalScalar(text string) error {
	switch text {
	case "redeliver":
		*p = doubtPolicy(pipeline.DoubtRedeliver)
	case "halt":
		*p = doubtPolicy(pipeline.DoubtHalt)
	default:
		return notOneOf(text, "redeliver", "halt")
	}
	return nil
}

func notOneOf(text string, known ...string) error {
	return strictyaml.FieldError{Err: errors.New("unknown value"), Hint: strictyaml.DidYouMean(text, known)}
}
