// Package sources is what every kind of audit log has in common: how its
// configuration is decoded, and how it is opened. The kinds themselves are in the
// packages below, and the program lists those it has in a [Registry].
package sources

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
)

// Env is what the program gives a source when it is opened.
type Env struct {
	Source string       // the configured name
	Logger *slog.Logger // never nil

	// Transport sends HTTP requests; nil: the default. Tests inject it.
	Transport http.RoundTripper

	// Registerer takes metrics of its own; never nil. The program adds the label
	// source. Names begin with connector_ and the type's name; labels have few values.
	Registerer prometheus.Registerer

	Now func() time.Time // never nil
}

// Definition describes one kind of source. C is its configuration: a struct with
// yaml tags, as [strictyaml.Decode] takes it, secrets as secret.String.
//
// The functions are called one at a time and get a C that is not shared; they do
// no I/O, except Open's source later.
type Definition[C any] struct {
	// Name is the type in the configuration: "openai".
	Name string

	// Defaults returns what applies where the configuration is silent. Nil: the
	// zero value.
	Defaults func() C

	// Validate returns everything that is wrong with c. An error may be a
	// [strictyaml.FieldError] to point at a field, or a warning about it. Secrets
	// are not revealed. Nil: everything is right.
	Validate func(c *C) []error

	// Concurrency returns how many spans one walk may read at the same time. Nil: 1.
	Concurrency func(c *C) int

	// Rate returns how many entries a second may be read at most. Nil: not known.
	Rate func(c *C) float64

	// Open makes the source; the caller closes it. It does no network I/O: the
	// API is first contacted by Streams or Page.
	Open func(ctx context.Context, c *C, env Env) (pipeline.Source, error)
}

// Type is a kind of source, made by [Define].
type Type struct {
	name     string
	defaults func() any
	decode   func(n *yaml.Node, path string, x *strictyaml.Expander) (Configured, []strictyaml.Problem)
}

// Define makes a Type of d. It panics if d has no name or no Open.
func Define[C any](d Definition[C]) Type {
	if d.Name == "" || d.Open == nil {
		panic("sources: a definition needs Name and Open")
	}
	return Type{name: d.Name, defaults: strictyaml.Defaults(d.Defaults), decode: func(n *yaml.Node, path string, x *strictyaml.Expander) (Configured, []strictyaml.Problem) {
		c, problems := strictyaml.DecodeConfig(n, path, x, d.Defaults, d.Validate)
		return &configured[C]{d, c}, problems
	}}
}

// Name returns the type's name in the configuration.
func (t Type) Name() string { return t.name }

// Defaults returns the configuration struct with what applies where the file is
// silent. Its fields are what a configuration may have.
func (t Type) Defaults() any { return t.defaults() }

// Decode reads the configuration in n (nil: defaults only), which lies at path in
// its document, and returns everything that is wrong with it. The Configured may
// be used if no problem is an error.
func (t Type) Decode(n *yaml.Node, path string, x *strictyaml.Expander) (Configured, []strictyaml.Problem) {
	return t.decode(n, path, x)
}

// Configured is a kind of source with its configuration.
type Configured interface {
	// Concurrency returns how many spans one walk may read at the same time, at
	// least 1.
	Concurrency() int

	// Rate returns how many entries a second may be read at most, 0 if that is not
	// known.
	Rate() float64

	// Open makes the source; the caller closes it. It does no network I/O.
	Open(ctx context.Context, env Env) (pipeline.Source, error)
}

type configured[C any] struct {
	def    Definition[C]
	config *C
}

func (c *configured[C]) Concurrency() int {
	if c.def.Concurrency == nil {
		return 1
	}
	return max(c.def.Concurrency(c.config), 1)
}

func (c *configured[C]) Rate() float64 {
	if c.def.Rate == nil {
		return 0
	}
	return c.def.Rate(c.config)
}

func (c *configured[C]) Open(ctx context.Context, env Env) (pipeline.Source, error) {
	if env.Logger == nil {
		env.Logger = slog.New(slog.DiscardHandler)
	}
	if env.Registerer == nil {
		env.Registerer = prometheus.NewRegistry() // nobody looks
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	return c.def.Open(ctx, c.config, env)
}
