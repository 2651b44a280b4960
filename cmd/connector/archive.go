package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"auditlog-connector/sinks"
	"auditlog-connector/sinks/s3"
)

func (a *app) archiveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "archive",
		Short: "Reads an S3 lane back from its bucket",
		Long: `archive reads what an s3 sink has written, from the bucket alone: no checkpoint
is needed, and a connector that runs is not disturbed. It needs s3:ListBucket and
s3:GetObject.

--from and --to select batches by the day (UTC) of their first event: from that
day on, and before that day.`,
		Example: `  connector archive ls --lane acme/archive --from 2026-11-01
  connector archive verify --lane acme/archive`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.archiveLsCommand(), a.archiveCatCommand(), a.archiveVerifyCommand())
	return cmd
}

// archiveQuestion says what of which archive is asked for.
type archiveQuestion struct {
	file, lane string
	from, to   string
	days       dayRange
}

// flags adds the flags that all of the verbs have.
func (q *archiveQuestion) flags(cmd *cobra.Command) {
	configFlag(cmd, &q.file)
	cmd.Flags().StringVar(&q.lane, "lane", "", "lane, as source/sink (default: the only one with an s3 sink)")
	cmd.Flags().StringVar(&q.from, "from", "", "first day, such as 2026-11-01")
	cmd.Flags().StringVar(&q.to, "to", "", "day after the last")
	check := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) (err error) {
		if q.days, err = parseDays(q.from, q.to); err != nil {
			return err
		}
		if check != nil {
			return check(cmd, args)
		}
		return nil
	}
}

// dayRange is a range of days; zero times bound nothing.
type dayRange struct{ from, to time.Time }

func parseDays(from, to string) (r dayRange, err error) {
	if r.from, err = parseDay("from", from); err != nil {
		return r, err
	}
	if r.to, err = parseDay("to", to); err != nil {
		return r, err
	}
	if !r.from.IsZero() && !r.to.IsZero() && !r.from.Before(r.to) {
		return r, fmt.Errorf("--to %s: it has to be after --from %s; it names the day after the last", to, from)
	}
	return r, nil
}

func parseDay(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC().Truncate(24 * time.Hour), nil
		}
	}
	return time.Time{}, fmt.Errorf("--%s %s: want a day such as 2026-11-01", flag, text)
}

func (r dayRange) has(e s3.Entry) bool {
	return !e.Day.Before(r.from) && (r.to.IsZero() || e.Day.Before(r.to))
}

// withArchive runs f with the archive of the lane that q names.
func (a *app) withArchive(ctx context.Context, q *archiveQuestion, f func(*s3.Archive) error) error {
	s, err := a.load(q.file, false) // the source's key is not needed
	if err != nil {
		return err
	}
	lane, err := archiveLane(s, q.lane)
	if err != nil {
		return err
	}
	log := a.logger(s.file.Log, a.stderr, isTerminal(a.stderr))
	sink, err := lane.configured.Open(ctx, sinks.Env{Source: lane.source, Sink: lane.sink.Name, Lane: lane.name(), Logger: log})
	if err != nil {
		return err
	}
	archived, ok := sink.(s3.Archived)
	if !ok {
		err = fmt.Errorf("archive: lane %s cannot be read back", lane.name())
	} else {
		err = f(archived.Archive())
	}
	return errors.Join(err, sink.Close())
}

// archiveLane is the lane of that name, which has to be one of an s3 sink; the only
// one if no name is given.
func archiveLane(s *settings, name string) (laneSettings, error) {
	var archives []laneSettings
	var known []string
	for _, l := range s.lanes {
		if l.sink.Type == "s3" {
			archives, known = append(archives, l), append(known, l.name())
		} else if l.name() == name {
			return l, usage(fmt.Errorf("archive: lane %s has a %s sink; archive is for s3", name, l.sink.Type))
		}
	}
	i := slices.Index(known, name)
	switch {
	case len(archives) == 0:
		return laneSettings{}, usage(fmt.Errorf("archive: %s has no s3 sink", s.name))
	case name == "" && len(archives) == 1:
		return archives[0], nil
	case name == "":
		return laneSettings{}, usage(fmt.Errorf("archive: name one with --lane: %s", strings.Join(known, ", ")))
	case i < 0:
		return laneSettings{}, unknownLane(name, known)
	}
	return archives[i], nil
}

// archivedBatch is what "archive ls" prints of a batch.
type archivedBatch struct {
	Batch    string    `json:"batch"`
	Day      string    `json:"day"`
	Bytes    int64     `json:"bytes"`
	Written  time.Time `json:"written"`
	Location string    `json:"location"`

	// With --long only.
	Events int        `json:"events,omitempty"`
	First  *time.Time `json:"first,omitempty"`
	Last   *time.Time `json:"last,omitempty"`
	Digest string     `json:"digest,omitempty"`
}

func (a *app) archiveLsCommand() *cobra.Command {
	var q archiveQuestion
	var output string
	var long bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "Lists batches",
		Long: `ls lists the batches of a lane: each epoch's in the order of their numbers. With
--long it asks the bucket about each, one request a batch, for the number of events
and the times of the earliest and the latest.`,
		Example: `  connector archive ls --lane acme/archive --from 2026-11-01 --to 2026-12-01
  connector archive ls --long -o json | jq 'map(.events) | add'`,
		Args: cobra.NoArgs,
		RunE: a.verb(func(ctx context.Context, _ []string) error {
			return a.withArchive(ctx, &q, func(archive *s3.Archive) error {
				return a.listArchive(ctx, archive, q.days, long, output)
			})
		}),
	}
	outputFlag(cmd, &output, "table", "json")
	q.flags(cmd)
	cmd.Flags().BoolVarP(&long, "long", "l", false, "with events and their times")
	return cmd
}

func (a *app) listArchive(ctx context.Context, archive *s3.Archive, days dayRange, long bool, output string) error {
	entries, err := archive.List(ctx)
	if err != nil {
		return err
	}
	header := []string{"BATCH", "DAY", "BYTES", "LOCATION"}
	if long {
		header = []string{"BATCH", "DAY", "BYTES", "EVENTS", "FIRST", "LAST", "LOCATION"}
	}
	all, rows := []archivedBatch{}, [][]string{}
	for _, e := range entries {
		if !days.has(e) {
			continue
		}
		b := archivedBatch{Batch: e.ID.String(), Day: e.Day.Format(time.DateOnly), Bytes: e.Bytes, Written: e.Written.UTC(), Location: e.Location}
		row := []string{b.Batch, b.Day, strconv.FormatInt(b.Bytes, 10)}
		if long {
			f, err := archive.Facts(ctx, e)
			if err != nil {
				return err
			}
			b.Events, b.First, b.Last, b.Digest = f.Events, &f.First, &f.Last, f.Digest
			row = append(row, strconv.Itoa(f.Events), f.First.Format(time.RFC3339), f.Last.Format(time.RFC3339))
		}
		all, rows = append(all, b), append(rows, append(row, printable(b.Location)))
	}
	if output == "json" {
		return writeJSON(a.stdout, all)
	}
	return writeTable(a.stdout, header, rows)
}

func (a *app) archiveCatCommand() *cobra.Command {
	var q archiveQuestion
	cmd := &cobra.Command{
		Use:   "cat",
		Short: "Prints events as JSON Lines",
		Long: `cat prints the events of a lane, one JSON document a line: normalized, whatever
the format of the objects, unless they were written in another schema.`,
		Example: `  connector archive cat --lane acme/archive --from 2026-11-22 | jq -r .event_type | sort | uniq -c`,
		Args:    cobra.NoArgs,
		RunE: a.verb(func(ctx context.Context, _ []string) error {
			return a.withArchive(ctx, &q, func(archive *s3.Archive) error {
				entries, err := archive.List(ctx)
				if err != nil {
					return err
				}
				out := bufio.NewWriterSize(a.stdout, 64<<10)
				for _, e := range entries {
					if !q.days.has(e) {
						continue
					}
					_, err := archive.Read(ctx, e, func(ev s3.Event) error {
						if _, err := out.Write(ev.Line); err != nil {
							return err
						}
						return out.WriteByte('\n')
					})
					if err != nil {
						return errors.Join(err, out.Flush())
					}
				}
				return out.Flush()
			})
		}),
	}
	q.flags(cmd)
	return cmd
}

func (a *app) archiveVerifyCommand() *cobra.Command {
	var q archiveQuestion
	var output string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Makes sure that an archive is whole",
		Long: `verify makes sure that the batches' numbers have no gap, that every object holds
what its metadata says, and that no event is there twice. With --from and --to it
looks for gaps in the whole lane and into the objects of those days. Every problem
is printed; one makes the exit code 1.

After "checkpoint reset" events may be there twice, once in each epoch. A batch that
an operator gave up ("checkpoint resolve") is missing, and said to be.`,
		Example: `  connector archive verify --lane acme/archive
  connector archive verify --from 2026-11-01 -o json`,
		Args: cobra.NoArgs,
		RunE: a.verb(func(ctx context.Context, _ []string) error {
			return a.withArchive(ctx, &q, func(archive *s3.Archive) error {
				return a.verifyArchive(ctx, archive, q.days, output)
			})
		}),
	}
	outputFlag(cmd, &output, "table", "json")
	q.flags(cmd)
	return cmd
}

func (a *app) verifyArchive(ctx context.Context, archive *s3.Archive, days dayRange, output string) error {
	problems := []s3.Problem{}
	v, err := archive.Verify(ctx, days.has, func(p s3.Problem) {
		if output == "json" {
			problems = append(problems, p)
			return
		}
		fmt.Fprintf(a.stdout, "%s: %s\n", printable(p.Where), printable(p.What))
	})
	if err != nil {
		return err
	}
	if output == "json" {
		err = writeJSON(a.stdout, struct {
			s3.Verification
			Found []s3.Problem `json:"found"`
		}{v, problems})
	} else {
		unproven := ""
		if v.Unproven > 0 {
			unproven = fmt.Sprintf("; %d batches have events without an id, so their digests were not compared", v.Unproven)
		}
		_, err = fmt.Fprintf(a.stdout, "%d batches of %d epochs, %d events, %d bytes: %d problems%s\n",
			v.Batches, v.Epochs, v.Events, v.Bytes, v.Problems, unproven)
	}
	if err == nil && v.Problems > 0 {
		err = &exitError{code: exitFailure}
	}
	return err
}
