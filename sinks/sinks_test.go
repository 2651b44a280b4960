package sinks_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"auditlog-connector/internal/secret"
	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
	"auditlog-connector/sinks"
)

type config struct {
	Path  string        `yaml:"path"`
	Token secret.String `yaml:"token"`
}

type sink struct {
	pipeline.Sink
	config config
	env    sinks.Env
}

func kind(name string) sinks.Type {
	return sinks.Define(sinks.Definition[config]{
		Name:     name,
		Batch:    pipeline.BatchPolicy{MaxEvents: 10, MaxBytes: 20, MaxAge: time.Second},
		Defaults: func() config { return config{Path: "default"} },
		Validate: func(c *config) []error {
			if c.Path == "bad" {
				return []error{strictyaml.Field("path", "is bad")}
			}
			return nil
		},
		Guarantee: func(*config) (pipeline.Guarantee, []string) { return pipeline.ExactlyOnce, []string{"while it lasts"} },
		Exclusive: func(c *config, source string) string { return c.Path + source },
		Open: func(_ context.Context, c *config, env sinks.Env) (pipeline.Sink, error) {
			if c.Path == "closed" {
				return nil, errors.New("closed")
			}
			return sink{config: *c, env: env}, nil
		},
	})
}

func TestTypeDecodesAndOpens(t *testing.T) {
	n, _ := strictyaml.Parse([]byte("path: here"))
	c, ps := kind("k").Decode(n, "sinks[0].config", nil)
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	if g, conditions := c.Guarantee(); g != pipeline.ExactlyOnce || len(conditions) != 1 {
		t.Errorf("Guarantee = %v, %v", g, conditions)
	}
	if got, want := c.Exclusive("!"), "here!"; got != want {
		t.Errorf("Exclusive = %q, want %q", got, want)
	}
	if got, want := c.Batch().MaxEvents, 10; got != want {
		t.Errorf("Batch().MaxEvents = %d, want %d", got, want)
	}
	s, err := c.Open(t.Context(), sinks.Env{Lane: "a/b"})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.(sink); got.config.Path != "here" || got.env.Lane != "a/b" || got.env.Logger == nil {
		t.Errorf("opened with %+v", got)
	}
}

func TestTypeDecodesNothingToDefaults(t *testing.T) {
	c, ps := kind("k").Decode(nil, "sinks[0].config", nil)
	if len(ps) > 0 || c.Exclusive("") != "default" {
		t.Errorf("Exclusive = %q, problems %v", c.Exclusive(""), ps)
	}
}

func TestTypeReportsProblemsWithTheirPath(t *testing.T) {
	n, _ := strictyaml.Parse([]byte("path: bad\npaht: x"))
	_, ps := kind("k").Decode(n, "sinks[0].config", nil)
	var paths []string
	for _, p := range ps {
		paths = append(paths, p.Path)
	}
	if want := []string{"sinks[0].config.paht", "sinks[0].config.path"}; !slices.Equal(paths, want) {
		t.Errorf("paths = %v, want %v", paths, want)
	}
}

func TestBareDefinitionPromisesLittle(t *testing.T) {
	typ := sinks.Define(sinks.Definition[config]{Name: "bare", Open: func(context.Context, *config, sinks.Env) (pipeline.Sink, error) { return nil, nil }})
	c, ps := typ.Decode(nil, "", nil)
	g, conditions := c.Guarantee()
	if g != pipeline.AtLeastOnce || conditions != nil || c.Exclusive("x") != "" || len(ps) > 0 {
		t.Errorf("Guarantee = %v, %v, Exclusive = %q, problems %v", g, conditions, c.Exclusive("x"), ps)
	}
}

func TestRegistry(t *testing.T) {
	r := sinks.NewRegistry(kind("b"), kind("a"))
	if got, want := r.Names(), []string{"a", "b"}; !slices.Equal(got, want) {
		t.Errorf("Names = %v, want %v", got, want)
	}
	if typ, ok := r.Lookup("b"); !ok || typ.Name() != "b" || typ.Batch().MaxBytes != 20 {
		t.Errorf("Lookup(b) = %v, %v", typ.Name(), ok)
	}
	if _, ok := r.Lookup("c"); ok {
		t.Error("Lookup(c) found something")
	}
}

func TestMistakesOfTheProgramPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"duplicate name":      func() { sinks.NewRegistry(kind("a"), kind("a")) },
		"definition, no Open": func() { sinks.Define(sinks.Definition[config]{Name: "a"}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}
