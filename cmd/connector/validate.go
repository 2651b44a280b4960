package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"auditlog-connector/internal/strictyaml"
)

// validation is what "validate -o json" prints.
type validation struct {
	Config   string           `json:"config"`
	Valid    bool             `json:"valid"`
	Lanes    []validatedLane  `json:"lanes"`
	Problems []problemMessage `json:"problems"`
}

type validatedLane struct {
	Lane       string   `json:"lane"`
	Source     string   `json:"source"`
	Sink       string   `json:"sink"`
	Type       string   `json:"type"`
	Guarantee  string   `json:"guarantee"`
	Conditions []string `json:"conditions"`
	Start      string   `json:"start"`
	Filter     string   `json:"filter"`
	Redaction  string   `json:"redaction"` // fields that the sink does not get as they are
}

type problemMessage struct {
	Level   string `json:"level"` // error, warning
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Path    string `json:"path"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (a *app) validateCommand() *cobra.Command {
	var file, output string
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Checks the configuration and prints what each lane promises",
		Long: `validate reads the configuration and reports everything that is wrong with it at
once. It reads no secret and contacts nobody. If nothing is wrong it prints each
lane, a source feeding a sink, with its delivery guarantee, the conditions under
which that holds, and the fields that the sink does not get. Warnings leave the exit code at 0; errors make it 2.`,
		Example: `  connector validate --config connector.yaml
  connector validate --config connector.yaml -o json | jq '.lanes[].guarantee'`,
		Args: cobra.NoArgs,
		RunE: a.verb(func(ctx context.Context, _ []string) error {
			s, err := a.load(file, false)
			var ce *configError
			if err != nil && (output != "json" || !errors.As(err, &ce)) {
				if s != nil {
					printWarnings(a.stderr, s.name, s.problems)
				}
				return err
			}
			if err == nil {
				s.problems = append(s.problems, forgottenLanes(s)...)
				s.problems = append(s.problems, a.crowdedSources(ctx, s)...)
			}
			if output == "json" {
				return errors.Join(writeJSON(a.stdout, describe(s, err == nil)), reported(err))
			}
			printWarnings(a.stderr, s.name, s.problems)
			return printLanes(a.stdout, describe(s, true).Lanes)
		}),
	}
	configFlag(cmd, &file)
	outputFlag(cmd, &output, "table", "json")
	return cmd
}

// reported keeps err's exit code and leaves out its text, which was printed.
func reported(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: exitUsage}
}

func describe(s *settings, valid bool) validation {
	v := validation{Config: s.name, Valid: valid, Lanes: []validatedLane{}, Problems: []problemMessage{}}
	for _, p := range s.problems {
		level := "error"
		if p.Warning {
			level = "warning"
		}
		v.Problems = append(v.Problems, problemMessage{level, p.Line, p.Column, p.Path, p.Message, p.Hint})
	}
	if !valid {
		return v
	}
	for _, l := range s.lanes {
		guarantee, conditions := l.configured.Guarantee()
		v.Lanes = append(v.Lanes, validatedLane{
			Lane: l.name(), Source: l.source, Sink: l.sink.Name, Type: l.sink.Type,
			Guarantee: guarantee.String(), Conditions: append([]string{}, conditions...),
			Start: l.sink.Start.String(), Filter: l.sink.Filter.String(), Redaction: l.sink.redaction(),
		})
	}
	return v
}

// printLanes writes a table with one line per condition, and below it which lanes
// do not get the whole record.
func printLanes(w io.Writer, lanes []validatedLane) error {
	var rows [][]string
	for _, l := range lanes {
		row := []string{l.Lane, l.Type, l.Guarantee}
		conditions := l.Conditions
		if len(conditions) == 0 {
			conditions = []string{"-"}
		}
		for _, c := range conditions {
			rows = append(rows, append(row, c))
			row = []string{"", "", ""}
		}
	}
	if err := writeTable(w, []string{"LANE", "TYPE", "GUARANTEE", "CONDITIONS"}, rows); err != nil {
		return err
	}
	first := "\n"
	for _, l := range lanes {
		if l.Redaction != "" {
			if _, err := fmt.Fprintf(w, "%s%s gets less than the record; %s\n", first, l.Lane, l.Redaction); err != nil {
				return err
			}
			first = ""
		}
	}
	return nil
}

// forgottenLanes warns of lanes that the checkpoint has and the configuration has
// not any more: a sink that was renamed would receive everything again. It looks
// only at a checkpoint that is there and not in use.
func forgottenLanes(s *settings) []strictyaml.Problem {
	path := s.file.Checkpoint.Path
	lanes, err := checkpointLanes(path)
	if err != nil {
		return nil // "run" says what is wrong with it, or is using it
	}
	var problems []strictyaml.Problem
	for _, lane := range lanes {
		if !slices.ContainsFunc(s.lanes, func(l laneSettings) bool { return l.name() == lane }) {
			problems = append(problems, strictyaml.Problem{
				Path: "checkpoint.path", Warning: true,
				Message: fmt.Sprintf("%s has lane %s, which the configuration has not any more", path, lane),
				Hint:    "a source or sink that was renamed receives everything again",
			})
		}
	}
	return problems
}
