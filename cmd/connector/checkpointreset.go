package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"auditlog-connector/pipeline"
)

func (a *app) checkpointResetCommand() *cobra.Command {
	var file, output, lane, start string
	var takeover, yes bool
	cmd := &cobra.Command{
		Use:   "reset",
		Short: "Makes a lane begin anew",
		Long: `reset forgets what a lane has delivered and makes it begin again at --start, in a
new epoch. It says what may be repeated or missed, and asks.

A destination that remembers the lane (a SQLite database, a file, …) refuses the
new epoch unless --takeover is given. Make sure then that no other connector
delivers to it any more. What is at the destination stays there: sqlite skips the
events that it has, a file gets them again.`,
		Example: `  connector checkpoint reset --lane acme/archive --start earliest --takeover
  connector checkpoint reset --lane acme/archive --start 2026-11-01T00:00:00Z --yes`,
		Args: cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error {
			var s startTime
			if err := s.UnmarshalScalar(start); err != nil {
				return fmt.Errorf("--start %s: want earliest, now, or a time such as 2026-11-01T00:00:00Z", start)
			}
			return nil
		},
		RunE: a.verb(func(ctx context.Context, _ []string) error {
			return a.withOperator(ctx, file, true, func(s *settings, o operator) error {
				before, err := laneBefore(ctx, s, o, lane)
				if err != nil {
					return err
				}
				if err := a.confirmReset(before, start, takeover, yes, s.file.Pipeline.Overlap); err != nil {
					return err
				}
				after, err := o.reset(ctx, resetQuestion{lane, start, takeover})
				if err != nil {
					return err
				}
				if output == "json" {
					return writeJSON(a.stdout, after)
				}
				_, err = fmt.Fprintf(a.stdout, "lane %s begins anew at %s, in epoch %s\n", printable(lane), after.Start.UTC().Format(time.RFC3339), after.Epoch)
				return err
			})
		}),
	}
	configFlag(cmd, &file)
	laneFlag(cmd, &lane, true)
	cmd.Flags().StringVar(&start, "start", "", "where to begin: earliest, now, or a time (RFC 3339)")
	_ = cmd.MarkFlagRequired("start")
	_ = cmd.RegisterFlagCompletionFunc("start", cobra.FixedCompletions([]cobra.Completion{"earliest", "now"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().BoolVar(&takeover, "takeover", false, "take the destination over from the epoch it knows")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	outputFlag(cmd, &output, "text", "json")
	return cmd
}

// laneBefore returns the checkpoint of a lane that is about to be reset, which may
// have none yet if it is configured.
func laneBefore(ctx context.Context, s *settings, o operator, lane string) (laneCheckpoint, error) {
	all, err := o.checkpoints(ctx, laneQuestion{})
	if err != nil {
		return laneCheckpoint{}, err
	}
	var known []string
	for _, c := range all {
		if c.Lane == lane {
			return c, nil
		}
		known = append(known, c.Lane)
	}
	if _, ok := s.lane(lane); ok {
		return laneCheckpoint{Lane: lane}, nil
	}
	for _, l := range s.lanes {
		known = append(known, l.name())
	}
	return laneCheckpoint{}, unknownLane(lane, known)
}

// confirmReset says what a reset does, and returns an error unless the operator
// wants it.
func (a *app) confirmReset(c laneCheckpoint, start string, takeover, yes bool, overlap time.Duration) error {
	for _, line := range resetConsequences(c, start, takeover, overlap) {
		fmt.Fprintln(a.stderr, line)
	}
	if yes {
		return nil
	}
	in, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) || !isTerminal(a.stderr) {
		return usage(errors.New("nothing was changed: repeat the command with --yes"))
	}
	fmt.Fprint(a.stderr, "Go on? [y/N] ")
	answer, err := bufio.NewReader(in).ReadString('\n')
	if answer = strings.ToLower(strings.TrimSpace(answer)); err != nil || answer != "y" && answer != "yes" {
		return &exitError{exitFailure, errors.New("nothing was changed")}
	}
	return nil
}

// resetConsequences says in words what may be repeated and what may be missed.
func resetConsequences(c laneCheckpoint, start string, takeover bool, overlap time.Duration) []string {
	say := func(format string, args ...any) string { return fmt.Sprintf(format, args...) }
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	lines := []string{say("lane %s forgets what it has delivered and begins anew at %s", printable(c.Lane), start)}
	var s startTime
	_ = s.UnmarshalScalar(start) // it was checked
	begin := s.At
	if !s.Now && begin.IsZero() {
		begin = pipeline.Earliest
	}
	mark := c.lowestWatermark()
	switch {
	case c.Error != "":
		lines = append(lines, "  its checkpoint cannot be read: "+printable(c.Error),
			"  repeated: every event from then on that is at the destination",
			"  missed:   every event before then that is not")
	case mark.IsZero() && c.Prepared == nil && c.Next <= 1:
		lines = append(lines, "  it has delivered nothing in this epoch")
	case s.Now:
		lines = append(lines, say("  missed:   everything after %s that was not delivered by now, and entries that appear late", at(mark)))
	case begin.After(mark):
		lines = append(lines, say("  missed:   everything between %s, where it is now, and then", at(mark)),
			"  repeated: events dated later that it has delivered already")
	default:
		lines = append(lines, say("  repeated: every event between then and %s, where it is now, and later ones that it has delivered already", at(mark)))
		if late := mark.Add(-overlap); begin.After(late) {
			lines = append(lines, say("  missed:   entries dated before then that have not appeared yet (overlap: %s)", short(overlap)))
		}
	}
	if c.Prepared != nil {
		lines = append(lines, "  in doubt: "+c.Prepared.describe()+"; nobody will ask what became of it")
	}
	if takeover {
		lines = append(lines, "  the destination is taken over: no other connector may deliver to this lane any more")
	} else {
		lines = append(lines, "  a destination that remembers the lane refuses it from now on, unless --takeover is given")
	}
	return lines
}
