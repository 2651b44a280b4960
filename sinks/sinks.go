// Package sinks is what every kind of destination has in common: how its
// configuration is decoded, and how it is opened. The kinds themselves are in the
// packages below, and the program lists those it has in a [Registry].
package sinks

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
)

// Env is what the program gives a sink when it is opened.
type Env struct {
	Source string       // the configured source's name
	Sink   string       // the configured sink's name
	Lane   string       // source/sink
	Logger *slog.Logger // never nil

	// Transport sends HTTP requests; nil: the default. Tests inject it.
	Transport http.RoundTripper

	// Registerer takes metrics of its own; never nil. The program adds the label
	// lane. Names begin with connector_ and the type's name; labels have few values.
	Registerer prometheus.Registerer
}

// Definition describes one kind of sink. C is its configuration: a struct with
// yaml tags, as [strictyaml.Decode] takes it, secrets as secret.String.
//
// The functions are called one at a time and get a C that is not shared; they do
// no I/O, except Open's sink later.
type Definition[C any] struct {
	// Name is the type in the configuration: "sqlite".
	Name string

	// Batch is how batches are cut unless the configuration says otherwise.
	Batch pipeline.BatchPolicy

	// Defaults returns what applies where the configuration is silent. Nil: the
	// zero value.
	Defaults func() C

	// Validate returns everything that is wrong with c. An error may be a
	// [strictyaml.FieldError] to point at a field, or a warning about it. Secrets
	// are not revealed. Nil: everything is right.
	Validate func(c *C) []error

	// Guarantee returns what a sink with this configuration promises, and the
	// conditions, in words, for "connector validate". Nil: at least once.
	Guarantee func(c *C) (pipeline.Guarantee, []string)

	// Exclusive returns the identity of the place that only one lane may write
	// when source feeds this sink, or "" if there is none. Two lanes with the same
	// place are a configuration error. Nil: there is none.
	Exclusive func(c *C, source string) string

	// Open makes a sink for one lane; the caller closes it. It does no network
	// I/O: the destination is first contacted by Claim, Deliver or Resolve.
	Open func(ctx context.Context, c *C, env Env) (pipeline.Sink, error)
}

// Type is a kind of sink, made by [Define].
type Type struct {
	name     string
	batch    pipeline.BatchPolicy
	defaults func() any
	decode   func(n *yaml.Node, path string, x *strictyaml.Expander) (Configured, []strictyaml.Problem)
}

// Define makes a Type of d. It panics if d has no name or no Open.
func Define[C any](d Definition[C]) Type {
	if d.Name == "" || d.Open == nil {
		panic("sinks: a definition needs Name and Open")
	}
	return Type{name: d.Name, batch: d.Batch, defaults: strictyaml.Defaults(d.Defaults), decode: func(n *yaml.Node, path string, x *strictyaml.Expander) (Configured, []strictyaml.Problem) {
		c, problems := strictyaml.DecodeConfig(n, path, x, d.Defaults, d.Validate)
		return &configured[C]{d, c}, problems
	}}
}

// Name returns the type's name in the configuration.
func (t Type) Name() string { return t.name }

// Batch returns the default batch policy.
func (t Type) Batch() pipeline.BatchPolicy { return t.batch }

// Defaults returns the configuration struct with what applies where the file is
// silent. Its fields are what a configuration may have.
func (t Type) Defaults() any { return t.defaults() }

// Decode reads the configuration in n (nil: defaults only), which lies at path in
// its document, and returns everything that is wrong with it. The Configured may
// be used if no problem is an error.
func (t Type) Decode(n *yaml.Node, path string, x *strictyaml.Expander) (Configured, []strictyaml.Problem) {
	return t.decode(n, path, x)
}

// Configured is a kind of sink with its configuration.
type Configured interface {
	// Guarantee returns what the sink promises and the conditions, in words.
	Guarantee() (pipeline.Guarantee, []string)

	// Exclusive returns the identity of the place that only one lane may write
	// when source feeds the sink, or "".
	Exclusive(source string) string

	// Batch returns the default batch policy.
	Batch() pipeline.BatchPolicy

	// Open makes a sink for one lane; the caller closes it. It does no network I/O.
	Open(ctx context.Context, env Env) (pipeline.Sink, error)
}

type configured[C any] struct {
	def    Definition[C]
	config *C
}

func (c *configured[C]) Guarantee() (pipeline.Guarantee, []string) {
	if c.def.Guarantee == nil {
		return pipeline.AtLeastOnce, nil
	}
	return c.def.Guarantee(c.config)
}

func (c *configured[C]) Exclusive(source string) string {
	if c.def.Exclusive == nil {
		return ""
	}
	return c.def.Exclusive(c.config, source)
}

func (c *configured[C]) Batch() pipeline.BatchPolicy { return c.def.Batch }

func (c *configured[C]) Open(ctx context.Context, env Env) (pipeline.Sink, error) {
	if env.Logger == nil {
		env.Logger = slog.New(slog.DiscardHandler)
	}
	if env.Registerer == nil {
		env.Registerer = prometheus.NewRegistry() // nobody looks
	}
	return c.def.Open(ctx, c.config, env)
}
