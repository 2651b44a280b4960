package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint"
	"auditlog-connector/schemas"
)

// quarantined is one line of "quarantine ls".
type quarantined struct {
	Kind   string `json:"kind"`            // refused, set_aside
	Batch  string `json:"batch,omitempty"` // of refused records
	Lane   string `json:"lane,omitempty"`
	Source string `json:"source"`
	ID     string `json:"id,omitempty"` // of an entry set aside
	Events int    `json:"events"`
	Reason string `json:"reason"`       // of the first
	As     string `json:"as,omitempty"` // the batch as which it is being delivered again
	Error  string `json:"error,omitempty"`
}

func (a *app) quarantineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "Shows what destinations refused, and delivers it again",
		Long: `quarantine is about what was kept instead of delivered: records that a destination
refused for good (on_reject: quarantine), and entries that a source was told to
set aside (ignore_ids).`,
		Example: `  connector quarantine ls
  connector quarantine cat --lane acme/search | jq .reason`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.quarantineListCommand(), a.quarantineCatCommand(), a.quarantineRetryCommand())
	return cmd
}

func (a *app) quarantineListCommand() *cobra.Command {
	var file, output, lane string
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "Lists what is in quarantine",
		Long: `ls lists the batches of which records were refused, and the entries that were set
aside. The reason is that of the batch's first refused record.`,
		Example: `  connector quarantine ls --config connector.yaml
  connector quarantine ls -o json | jq 'map(.events) | add'`,
		Args: cobra.NoArgs,
		RunE: a.verb(func(context.Context, []string) error {
			s, err := a.load(file, false)
			if err != nil {
				return err
			}
			all, err := listQuarantine(s.quarantine(), lane)
			if err != nil {
				return err
			}
			if output == "json" {
				return writeJSON(a.stdout, all)
			}
			var rows [][]string
			for _, q := range all {
				name, reason := q.Batch, q.Reason
				if q.Kind == "set_aside" {
					name = q.Source + " " + q.ID
				}
				if q.As != "" {
					reason = "being delivered again as " + q.As
				}
				if q.Error != "" {
					reason = q.Error
				}
				rows = append(rows, []string{q.Kind, printable(name), strconv.Itoa(q.Events), printable(reason)})
			}
			return writeTable(a.stdout, []string{"KIND", "BATCH OR ENTRY", "EVENTS", "REASON"}, rows)
		}),
	}
	configFlag(cmd, &file)
	laneFlag(cmd, &lane, false)
	outputFlag(cmd, &output, "table", "json")
	return cmd
}

// listQuarantine lists batches, of one lane if it is named, and, if none is,
// entries set aside.
func listQuarantine(q *checkpoint.Quarantine, lane string) ([]quarantined, error) {
	all := []quarantined{}
	batches, err := refusedBatches(q, lane)
	if err != nil {
		return nil, err
	}
	for _, id := range batches {
		source, _, _ := strings.Cut(id.Lane, "/")
		e := quarantined{Kind: "refused", Batch: id.String(), Lane: id.Lane, Source: source}
		refused, err := q.Read(id)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // delivered meanwhile
		case err != nil:
			e.Error = err.Error()
		case len(refused) > 0:
			e.Events, e.Reason = len(refused), refused[0].Reason
		}
		all = append(all, e)
	}
	retries, err := q.AllRetries()
	if err != nil {
		return nil, err
	}
	for _, r := range retries {
		if lane == "" || r.Batch.Lane == lane {
			source, _, _ := strings.Cut(r.Batch.Lane, "/")
			all = append(all, quarantined{Kind: "refused", Batch: r.Batch.String(), Lane: r.Batch.Lane, Source: source, As: r.As.String()})
		}
	}
	if lane != "" {
		return all, nil
	}
	asides, err := q.SetAsides()
	for _, e := range asides {
		all = append(all, quarantined{Kind: "set_aside", Source: e.Source, ID: e.ID, Events: 1, Reason: e.Reason})
	}
	return all, err
}

// refusedBatches returns the batches in quarantine, of one lane if it is named.
func refusedBatches(q *checkpoint.Quarantine, lane string) ([]pipeline.BatchID, error) {
	batches, err := q.Batches()
	return slices.DeleteFunc(batches, func(id pipeline.BatchID) bool { return lane != "" && id.Lane != lane }), err
}

func (a *app) quarantineCatCommand() *cobra.Command {
	var file, lane string
	cmd := &cobra.Command{
		Use:   "cat [BATCH…]",
		Short: "Prints what is in quarantine as JSON Lines",
		Long: `cat prints one JSON object a line: {"batch", "reason", "event"} for a refused record,
the event in the schema "normalized", and {"source", "id", "reason", "body"} for an entry
that was set aside, its body as text. Without a batch or --lane it prints everything.`,
		Example: `  connector quarantine cat
  connector quarantine cat acme/search/3f2a9c01/00000000000000000017 | jq -r .event.event_id`,
		RunE: a.verb(func(_ context.Context, args []string) error {
			s, err := a.load(file, false)
			if err != nil {
				return err
			}
			q := s.quarantine()
			ids, err := batchArguments(args)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				if ids, err = refusedBatches(q, lane); err != nil {
					return err
				}
			}
			for _, id := range ids {
				if err := printRefused(a.stdout, q, id); err != nil {
					return err
				}
			}
			if len(args) > 0 || lane != "" {
				return nil
			}
			return printSetAsides(a.stdout, q)
		}),
	}
	configFlag(cmd, &file)
	laneFlag(cmd, &lane, false)
	return cmd
}

// batchArguments reads batch ids from the command line.
func batchArguments(args []string) ([]pipeline.BatchID, error) {
	var ids []pipeline.BatchID
	for _, arg := range args {
		id, err := pipeline.ParseBatchID(arg)
		if err != nil {
			return nil, usage(fmt.Errorf("%w (see: connector quarantine ls)", err))
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func printRefused(w io.Writer, q *checkpoint.Quarantine, id pipeline.BatchID) error {
	refused, err := q.Read(id)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("batch %s is not in quarantine", id)
	}
	if err != nil {
		return err
	}
	for i := range refused {
		line := struct {
			Batch  string          `json:"batch"`
			Reason string          `json:"reason"`
			Event  json.RawMessage `json:"event"`
		}{id.String(), refused[i].Reason, schemas.AppendNormalized(nil, &refused[i].Event)}
		if err := writeJSONLine(w, line); err != nil {
			return err
		}
	}
	return nil
}

func printSetAsides(w io.Writer, q *checkpoint.Quarantine) error {
	asides, err := q.SetAsides()
	if err != nil {
		return err
	}
	for _, e := range asides {
		line := struct {
			Source     string `json:"source"`
			ID         string `json:"id"`
			Reason     string `json:"reason"`
			Body       string `json:"body"`
			BodyBase64 bool   `json:"body_base64,omitempty"` // it is not UTF-8
		}{e.Source, e.ID, e.Reason, string(e.Body), false}
		if !utf8.Valid(e.Body) {
			line.Body, line.BodyBase64 = base64.StdEncoding.EncodeToString(e.Body), true
		}
		if err := writeJSONLine(w, line); err != nil {
			return err
		}
	}
	return nil
}
