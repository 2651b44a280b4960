package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint"
	"auditlog-connector/sinks"
	"auditlog-connector/sources"
)

// checked is a finding with what it is about.
type checked struct {
	Subject string `json:"subject"` // source acme, lane acme/archive, checkpoint
	pipeline.Finding
}

func (a *app) checkCommand() *cobra.Command {
	var file, output string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Contacts sources and sinks without writing events",
		Long: `check tries what "run" will need: that keys are valid and may read, and that
destinations are there and keep what they promise. It writes no events. One line
for each thing tried: ok, warn or fail, and what to do about it. A fail makes the
exit code 1.`,
		Example: `  connector check --config connector.yaml
  connector check --config connector.yaml -o json | jq '.[] | select(.status != "ok")'`,
		Args: cobra.NoArgs,
		RunE: a.verb(func(ctx context.Context, _ []string) error {
			s, err := a.load(file, true)
			if s != nil {
				printWarnings(a.stderr, s.name, s.problems)
			}
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			return a.printFindings(a.check(ctx, s), output)
		}),
	}
	configFlag(cmd, &file)
	outputFlag(cmd, &output, "table", "json")
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long all of it may take")
	return cmd
}

// check tries everything that s names, in the order of the file.
func (a *app) check(ctx context.Context, s *settings) []checked {
	log := a.logger(s.file.Log, a.stderr, isTerminal(a.stderr))
	var all []checked
	for _, c := range s.sources {
		subject := "source " + c.name
		src, err := c.Open(ctx, sources.Env{Source: c.name, Logger: log, Now: a.now})
		if err != nil {
			all = append(all, failed(subject, "open", err, ""))
			continue
		}
		all = append(all, findings(ctx, subject, src)...)
		if err := src.Close(); err != nil {
			all = append(all, failed(subject, "close", err, ""))
		}
	}
	all = append(all, checkCheckpoint(s.file.Checkpoint.Path))
	for _, l := range s.lanes {
		subject := "lane " + l.name()
		sink, err := l.configured.Open(ctx, sinks.Env{Source: l.source, Sink: l.sink.Name, Lane: l.name(), Logger: log})
		if err != nil {
			all = append(all, failed(subject, "open", err, ""))
			continue
		}
		all = append(all, findings(ctx, subject, sink)...)
		if err := sink.Close(); err != nil {
			all = append(all, failed(subject, "close", err, ""))
		}
	}
	return all
}

// findings asks a source or sink that is open.
func findings(ctx context.Context, subject string, opened any) []checked {
	c, ok := opened.(pipeline.Checker)
	if !ok {
		return []checked{{subject, pipeline.Finding{Name: "open", Status: "ok", Detail: "there is nothing to try"}}}
	}
	var all []checked
	for _, f := range c.Check(ctx) {
		all = append(all, checked{subject, f})
	}
	return all
}

func failed(subject, name string, err error, hint string) checked {
	return checked{subject, pipeline.Finding{Name: name, Status: "fail", Detail: err.Error(), Hint: hint}}
}

// checkCheckpoint looks at a checkpoint that is there; it makes none.
func checkCheckpoint(path string) checked {
	ok := func(format string, args ...any) checked {
		return checked{"checkpoint", pipeline.Finding{Name: "file", Status: "ok", Detail: fmt.Sprintf(format, args...)}}
	}
	lanes, err := checkpointLanes(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ok("%s has no lanes yet", path)
	case errors.Is(err, pipeline.ErrFenced):
		return ok("%s is in use by another process", path)
	case err != nil:
		return failed("checkpoint", "file", err, "")
	}
	return ok("%s has %d lanes", path, len(lanes))
}

// checkpointLanes returns the lanes of a checkpoint that is not in use. Opening a
// file that holds none would make it one, so without the witness that every
// checkpoint with a lane has it is left alone: [fs.ErrNotExist].
func checkpointLanes(path string) ([]string, error) {
	if _, err := os.Stat(path + ".generation"); err != nil {
		return nil, err
	}
	store, err := checkpoint.Open(path, checkpoint.WithLockWait(50*time.Millisecond))
	if err != nil {
		return nil, err
	}
	lanes, err := store.Lanes()
	return lanes, errors.Join(err, store.Close())
}

// printFindings prints one line each; a fail is an error that was printed.
func (a *app) printFindings(all []checked, output string) error {
	var rows [][]string
	fails := 0
	for _, f := range all {
		if f.Status == "fail" {
			fails++
		}
		detail := printable(f.Detail)
		if f.Hint != "" {
			detail += " (" + printable(f.Hint) + ")"
		}
		rows = append(rows, []string{f.Status, f.Subject, f.Name, detail})
	}
	var err error
	if output == "json" {
		err = writeJSON(a.stdout, append([]checked{}, all...))
	} else {
		err = writeTable(a.stdout, []string{"STATUS", "SUBJECT", "CHECK", "DETAIL"}, rows)
	}
	if err == nil && fails > 0 {
		err = &exitError{code: exitFailure}
	}
	return err
}
