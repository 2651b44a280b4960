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
	Sources    []sourceConfig   `yaml:"sources"`
	Pipeline   pipelineConfig   `yaml:"pipeline"`
	Checkpoint checkpointConfig `yaml:"checkpoint"`
	HTTP       httpConfig       `yaml:"http"`
	Log        logConfig        `yaml:"log"`
	Sinks      []sinkConfig     `yaml:"sinks"`
}

type sourceConfig struct {
	Name   string    `yaml:"name"`
	Type   string    `yaml:"type"`
	Config yaml.Node `yaml:"config"`
}

type pipelineConfig struct {
	PollInterval  time.Duration `yaml:"poll_interval"`
	Recent        time.Duration `yaml:"recent"`
	SweepInterval time.Duration `yaml:"sweep_interval"`
	Overlap       time.Duration `yaml:"overlap"`
	DrainTimeout  time.Duration `yaml:"drain_timeout"`
}

type checkpointConfig struct {
	Type string `yaml:"type"`
	Path string `yaml:"path"`
}

type httpConfig struct {
	Listen string        `yaml:"listen"`
	Token  secret.String `yaml:"token"`
	TLS    *tlsConfig    `yaml:"tls"`
}

type tlsConfig struct {
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

type logConfig struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

type sinkConfig struct {
	Name     string        `yaml:"name"`
	Type     string        `yaml:"type"`
	Sources  *[]string     `yaml:"sources"` // nil: all
	Start    startTime     `yaml:"start"`
	Filter   filterConfig  `yaml:"filter"`
	Drop     []string      `yaml:"drop"` // fields of the record, see package redact
	Hash     []string      `yaml:"hash"`
	HashKey  secret.String `yaml:"hash_key"`
	Batch    batchConfig   `yaml:"batch"`
	Buffer   *int          `yaml:"buffer"`
	OnReject rejectPolicy  `yaml:"on_reject"`
	InDoubt  doubtPolicy   `yaml:"in_doubt"`
	Config   yaml.Node     `yaml:"config"`
}

type batchConfig struct {
	MaxEvents *int             `yaml:"max_events"`
	MaxBytes  *strictyaml.Size `yaml:"max_bytes"`
	MaxAge    *time.Duration   `yaml:"max_age"`
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
