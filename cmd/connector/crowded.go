package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"auditlog-connector/internal/strictyaml"
)

// sweepShare is the share of a source's requests that sweeps may take before
// "validate" warns. Beyond it the pipeline sweeps less often than sweep_interval says.
const sweepShare = 4

// crowdedSources warns of sources whose overlap holds more events than a sweep, which
// reads all of them again, gets through in a quarter of its interval. How many there
// are is known from the ids that the checkpoint keeps: it is asked of the connector
// that runs, or read from what a stopped one left.
func (a *app) crowdedSources(ctx context.Context, s *settings) []strictyaml.Problem {
	o, err := a.operator(ctx, s, false)
	if err != nil {
		return nil // nothing was exported yet, or "run" says what is wrong
	}
	all, err := o.checkpoints(ctx, laneQuestion{})
	if closeErr := o.Close(); err != nil || closeErr != nil {
		return nil
	}
	kept := make(map[string]int) // by source; of lanes with a filter there are fewer
	for _, c := range all {
		source, _, _ := strings.Cut(c.Lane, "/")
		kept[source] = max(kept[source], c.Delivered)
	}
	var problems []strictyaml.Problem
	p := s.file.Pipeline
	for i, c := range s.sources {
		rate := c.Rate()
		if rate <= 0 {
			continue
		}
		took := time.Duration(float64(kept[c.name]) / rate * float64(time.Second))
		if took <= p.SweepInterval/sweepShare {
			continue
		}
		problems = append(problems, strictyaml.Problem{
			Path: strictyaml.Index("sources", i) + ".config", Warning: true,
			Message: fmt.Sprintf("overlap (%s) holds %s events: a sweep takes %s or longer, more than a quarter of sweep_interval (%s)",
				short(p.Overlap), grouped(uint64(kept[c.name])), short(took.Round(time.Second)), short(p.SweepInterval)),
			Hint: "late entries arrive later than that; more requests a second, or a shorter overlap, make it quicker",
		})
	}
	return problems
}
