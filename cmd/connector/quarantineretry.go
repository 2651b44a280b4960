package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"auditlog-connector/pipeline"
)

// retryResult is what "quarantine retry -o json" prints of a batch.
type retryResult struct {
	Batch     string `json:"batch"`
	As        string `json:"as,omitempty"`
	Delivered int    `json:"delivered"`
	Refused   int    `json:"refused"`
	Error     string `json:"error,omitempty"`
}

func (a *app) quarantineRetryCommand() *cobra.Command {
	var file, output, lane string
	var all bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "retry [BATCH…]",
		Short: "Delivers what was refused again",
		Long: `retry delivers the refused records of batches again, each as a batch of its own,
once the destination would take them. The records are made anew from the entries
as they were served. What is refused again stays in quarantine, under the new
batch's number. The lane is stopped for the time that it takes.

A retry that ends in the middle leaves a batch in doubt, which the connector
settles when it runs: nothing is delivered twice to a destination that promises
exactly once. The exit code is 1 if a record is still in quarantine.`,
		Example: `  connector quarantine retry acme/search/3f2a9c01/00000000000000000017
  connector quarantine retry --lane acme/search
  connector quarantine retry --all`,
		PreRunE: func(_ *cobra.Command, args []string) error {
			chosen := 0
			for _, c := range []bool{len(args) > 0, lane != "", all} {
				if c {
					chosen++
				}
			}
			if chosen != 1 {
				return errors.New("name batches, or a lane with --lane, or everything with --all")
			}
			if timeout <= 0 {
				return fmt.Errorf("--timeout %s: want more than nothing", timeout)
			}
			return nil
		},
		RunE: a.verb(func(ctx context.Context, args []string) error {
			return a.withOperator(ctx, file, false, func(s *settings, o operator) error {
				ids, err := batchArguments(args)
				if err == nil && len(args) == 0 {
					ids, err = refusedBatches(s.quarantine(), lane)
				}
				if err != nil {
					return err
				}
				return a.retryAll(ctx, o, ids, timeout, output)
			})
		}),
	}
	configFlag(cmd, &file)
	laneFlag(cmd, &lane, false)
	cmd.Flags().BoolVar(&all, "all", false, "every batch in quarantine")
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long one batch may take")
	outputFlag(cmd, &output, "table", "json")
	return cmd
}

// retryAll delivers batches again, one after the other; one that fails does not
// keep the others.
func (a *app) retryAll(ctx context.Context, o operator, ids []pipeline.BatchID, timeout time.Duration, output string) error {
	results := []retryResult{}
	var rows [][]string
	left := false
	for _, id := range ids {
		answer, err := o.retry(ctx, retryQuestion{id, timeout})
		r := retryResult{Batch: id.String(), Delivered: answer.Delivered, Refused: answer.Refused}
		if err != nil {
			r.Error = err.Error()
		} else {
			r.As = answer.As.String()
		}
		left = left || err != nil || r.Refused > 0
		results = append(results, r)
		rows = append(rows, []string{printable(r.Batch), batchNumber(r.As), strconv.Itoa(r.Delivered), strconv.Itoa(r.Refused), printable(r.Error)})
		if ctx.Err() != nil {
			break
		}
	}
	var err error
	if output == "json" {
		err = writeJSON(a.stdout, results)
	} else {
		err = writeTable(a.stdout, []string{"BATCH", "AS", "DELIVERED", "REFUSED", "ERROR"}, rows)
	}
	if err == nil && left {
		err = &exitError{code: exitFailure}
	}
	return err
}
