package sources_test

import (
	"context"
	"slices"
	"testing"

	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
	"auditlog-connector/sources"
)

type config struct {
	URL  string `yaml:"url"`
	Many int    `yaml:"many"`
}

type source struct {
	pipeline.Source
	config config
	env    sources.Env
}

func kind(name string) sources.Type {
	return sources.Define(sources.Definition[config]{
		Name:        name,
		Defaults:    func() config { return config{Many: 4} },
		Concurrency: func(c *config) int { return c.Many },
		Validate: func(c *config) []error {
			if c.URL == "" {
				return []error{strictyaml.Field("url", "is required")}
			}
			return nil
		},
		Open: func(_ context.Context, c *config, env sources.Env) (pipeline.Source, error) {
			return source{config: *c, env: env}, nil
		},
	})
}

func TestTypeDecodesAndOpens(t *testing.T) {
	n, _ := strictyaml.Parse([]byte("url: here"))
	c, ps := kind("k").Decode(n, "sources[0].config", nil)
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	if got, want := c.Concurrency(), 4; got != want {
		t.Errorf("Concurrency = %d, want %d", got, want)
	}
	s, err := c.Open(t.Context(), sources.Env{Source: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.(source); got.config.URL != "here" || got.env.Source != "acme" || got.env.Logger == nil || got.env.Now == nil {
		t.Errorf("opened with %+v", got)
	}
}

func TestTypeReportsProblemsWithTheirPath(t *testing.T) {
	n, _ := strictyaml.Parse([]byte("many: 0"))
	c, ps := kind("k").Decode(n, "sources[0].config", nil)
	if len(ps) != 1 || ps[0].Path != "sources[0].config.url" || ps[0].Line != 1 {
		t.Errorf("problems = %v", ps)
	}
	if got := c.Concurrency(); got != 1 {
		t.Errorf("Concurrency = %d, want at least 1", got)
	}
}

func TestRegistry(t *testing.T) {
	r := sources.NewRegistry(kind("b"), kind("a"))
	if got, want := r.Names(), []string{"a", "b"}; !slices.Equal(got, want) {
		t.Errorf("Names = %v, want %v", got, want)
	}
	if typ, ok := r.Lookup("a"); !ok || typ.Name() != "a" {
		t.Errorf("Lookup(a) = %v, %v", typ.Name(), ok)
	}
}

func TestMistakesOfTheProgramPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"duplicate name":      func() { sources.NewRegistry(kind("a"), kind("a")) },
		"definition, no Open": func() { sources.Define(sources.Definition[config]{Name: "a"}) },
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
