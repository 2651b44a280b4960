package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) checkpointCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "checkpoint",
		Short: "Shows and repairs the lanes' checkpoints",
		Long: `checkpoint shows what the connector remembers of each lane, and lets an operator
decide what it cannot know. It works while a connector runs, which then goes on
from what the checkpoint holds, and while none does.`,
		Example: `  connector checkpoint show
  connector checkpoint resolve --lane acme/archive --as committed`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.checkpointShowCommand(), a.checkpointResolveCommand(), a.checkpointResetCommand())
	return cmd
}

// laneFlag adds --lane.
func laneFlag(cmd *cobra.Command, into *string, required bool) {
	what := "lane, as source/sink (default: all)"
	if required {
		what = "lane, as source/sink"
	}
	cmd.Flags().StringVar(into, "lane", "", what)
	if required {
		_ = cmd.MarkFlagRequired("lane")
	}
}

// withOperator runs f with the connector of the configuration, or what it left.
func (a *app) withOperator(ctx context.Context, file string, create bool, f func(*settings, operator) error) error {
	s, err := a.load(file, false)
	if err != nil {
		return err
	}
	o, err := a.operator(ctx, s, create)
	if err != nil {
		return err
	}
	return errors.Join(f(s, o), o.Close())
}

func (a *app) checkpointShowCommand() *cobra.Command {
	var file, output, lane string
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Prints the lanes' checkpoints",
		Long: `show prints each lane's epoch, the number of its next batch, how far it has
claimed to be, how many ids it remembers, and the batch that is prepared: being
delivered by a connector that runs, in doubt otherwise. A lane that cannot be
read makes the exit code 1.`,
		Example: `  connector checkpoint show --config connector.yaml
  connector checkpoint show --lane acme/archive -o json`,
		Args: cobra.NoArgs,
		RunE: a.verb(func(ctx context.Context, _ []string) error {
			return a.withOperator(ctx, file, false, func(_ *settings, o operator) error {
				all, err := o.checkpoints(ctx, laneQuestion{lane})
				if err != nil {
					return err
				}
				if output == "json" {
					err = writeJSON(a.stdout, all)
				} else {
					err = printCheckpoints(a.stdout, all)
				}
				if err == nil && slices.ContainsFunc(all, func(c laneCheckpoint) bool { return c.Error != "" }) {
					err = &exitError{code: exitFailure}
				}
				return err
			})
		}),
	}
	configFlag(cmd, &file)
	laneFlag(cmd, &lane, false)
	outputFlag(cmd, &output, "table", "json")
	return cmd
}

func printCheckpoints(w io.Writer, all []laneCheckpoint) error {
	var rows [][]string
	var notes []string
	for _, c := range all {
		if c.Error != "" {
			rows = append(rows, []string{printable(c.Lane), "unreadable"})
			notes = append(notes, fmt.Sprintf("%s: %s", printable(c.Lane), printable(c.Error)))
			continue
		}
		row := []string{printable(c.Lane), c.Epoch, strconv.FormatUint(c.Next, 10), grouped(uint64(c.Delivered)), "-", "-"}
		if b := c.Prepared; b != nil {
			row[5] = batchNumber(b.Batch)
			notes = append(notes, fmt.Sprintf("%s: prepared: %s", printable(c.Lane), b.describe()))
		}
		for i, stream := range slices.Sorted(maps.Keys(c.Streams)) {
			mark := c.Streams[stream].Watermark.UTC().Format(time.RFC3339)
			if stream != "" {
				mark = printable(stream) + " " + mark
			}
			if i > 0 {
				rows = append(rows, row)
				row = []string{"", "", "", "", "", ""}
			}
			row[4] = mark
		}
		rows = append(rows, row)
		if c.Takeover {
			notes = append(notes, printable(c.Lane)+": takes its destination over at the next start")
		}
	}
	if err := writeTable(w, []string{"LANE", "EPOCH", "NEXT BATCH", "IDS KEPT", "WATERMARK", "PREPARED"}, rows); err != nil {
		return err
	}
	for i, n := range notes {
		if i == 0 {
			n = "\n" + n
		}
		if _, err := fmt.Fprintln(w, n); err != nil {
			return err
		}
	}
	return nil
}

// describe says what the batch is: its id, events, their times, where it goes.
func (b *preparedBatch) describe() string {
	text := fmt.Sprintf("%s, %s events of %s to %s", b.Batch, grouped(uint64(b.Events)), b.First.UTC().Format(time.RFC3339), b.Last.UTC().Format(time.RFC3339))
	if b.Place != "" {
		text += ", to " + printable(b.Place)
	}
	return text
}

func (a *app) checkpointResolveCommand() *cobra.Command {
	var file, output, lane, as string
	cmd := &cobra.Command{
		Use:   "resolve",
		Short: "Says what became of a batch in doubt",
		Long: `resolve records what an operator has found out about a lane's prepared batch, which
the connector could not. Committed: it is at the destination, all of it, and
counts as delivered. Absent: none of it is there and no attempt is under way; its
events are read and delivered again, in other batches. What is wrong here is lost
or repeated. "connector checkpoint show" says which events to look for.`,
		Example: `  connector checkpoint resolve --lane acme/archive --as committed
  connector checkpoint resolve --lane acme/archive --as absent`,
		Args: cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error {
			if as != "committed" && as != "absent" {
				return fmt.Errorf("--as %s: want committed or absent", as)
			}
			return nil
		},
		RunE: a.verb(func(ctx context.Context, _ []string) error {
			return a.withOperator(ctx, file, false, func(_ *settings, o operator) error {
				before, err := o.resolve(ctx, resolveQuestion{lane, as == "committed"})
				if err != nil {
					return err
				}
				if output == "json" {
					return writeJSON(a.stdout, before.Prepared)
				}
				what := "delivered"
				if as == "absent" {
					what = "not delivered; its events will be read again"
				}
				_, err = fmt.Fprintf(a.stdout, "recorded as %s: %s\n", what, before.Prepared.describe())
				return err
			})
		}),
	}
	configFlag(cmd, &file)
	laneFlag(cmd, &lane, true)
	cmd.Flags().StringVar(&as, "as", "", "committed or absent")
	_ = cmd.MarkFlagRequired("as")
	_ = cmd.RegisterFlagCompletionFunc("as", cobra.FixedCompletions([]cobra.Completion{"committed", "absent"}, cobra.ShellCompDirectiveNoFileComp))
	outputFlag(cmd, &output, "text", "json")
	return cmd
}
