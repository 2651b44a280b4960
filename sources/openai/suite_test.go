package openai_test

import (
	"log/slog"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
	"auditlog-connector/sources"
	"auditlog-connector/sources/openai"
	"auditlog-connector/sources/sourcetest"
)

func configured(t *testing.T, text string) sources.Configured {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	c, problems := openai.Type.Decode(doc.Content[0], "config", &strictyaml.Expander{})
	if strictyaml.HasErrors(problems) {
		t.Fatal(problems)
	}
	return c
}

func TestSourcePassesTheSuite(t *testing.T) {
	for name, change := range map[string]func(*openaisim.Config){
		"as documented":                 func(*openaisim.Config) {},
		"oldest first, ties changing":   func(c *openaisim.Config) { c.Order, c.TieOrder = openaisim.OrderOldest, openaisim.TieRandom },
		"in no order":                   func(c *openaisim.Config) { c.Order = openaisim.OrderNone },
		"no object and no null cursors": func(c *openaisim.Config) { c.BareEnvelope, c.NoDate = true, true },
		"several documents in a body": func(c *openaisim.Config) {
			c.Faults = openaisim.Faults{Rates: map[openaisim.Fault]float64{openaisim.FaultConcatenated: 0.5}}
		},
		"odd times and entries": func(c *openaisim.Config) { c.OddTimes, c.Odd, c.Unknown = 0.3, 0.3, 0.3 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := openaisim.Config{Seed: 7, Events: 400}
			change(&cfg)
			sim, err := openaisim.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			held := make(map[string][]pipeline.Position)
			for e := range sim.Events() {
				for _, stream := range e.Streams() {
					held[stream] = append(held[stream], pipeline.Position{Time: e.EffectiveAt, ID: e.ID})
				}
			}
			c := configured(t, "{admin_key: "+openaisim.DefaultAdminKey+", base_url: http://localhost/v1, requests_per_second: 100000}")
			sourcetest.Run(t, sourcetest.Harness{
				Streams: []string{openai.StreamOrganization, openai.StreamTenant},
				Held:    held,
				Open: func(t *testing.T) pipeline.Source {
					s, err := c.Open(t.Context(), sources.Env{Source: "acme", Logger: slog.New(slog.DiscardHandler), Transport: sim, Now: time.Now})
					if err != nil {
						t.Fatal(err)
					}
					return s
				},
			})
		})
	}
}
