package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"auditlog-connector/pipeline"
)

// operatorStatus is what "status -o json" prints: the document of the HTTP
// endpoint's /status, and where it is from.
type operatorStatus struct {
	Running bool   `json:"running"`           // otherwise the lanes are as the checkpoint has them
	Problem string `json:"problem,omitempty"` // why there is nothing to tell
	statusDocument
}

func (a *app) statusCommand() *cobra.Command {
	var file, output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Prints what each source and lane does",
		Long: `status asks the connector that runs with the configuration's checkpoint, through
the socket beside it. If none is running it prints what the checkpoint holds. The
exit code is 0 whatever the lanes' state; only a configuration that cannot be
read makes it 2.

LAG is the age of the oldest entry read and not yet delivered, BATCH the number of
the batch in delivery or else the last one. Counters are those of the process.`,
		Example: `  connector status --config connector.yaml
  connector status --config connector.yaml -o json | jq '.lanes[] | select(.state == "halted")'`,
		Args: cobra.NoArgs,
		RunE: a.verb(func(ctx context.Context, _ []string) error {
			s, err := a.load(file, false)
			if err != nil {
				return err
			}
			st := a.askStatus(ctx, s)
			if output == "json" {
				return writeJSON(a.stdout, st)
			}
			return printStatus(a.stdout, st, a.now())
		}),
	}
	configFlag(cmd, &file)
	outputFlag(cmd, &output, "table", "json")
	return cmd
}

// askStatus describes what s names, also if nobody can be asked.
func (a *app) askStatus(ctx context.Context, s *settings) operatorStatus {
	o, err := a.operator(ctx, s, false)
	if errors.Is(err, errNoCheckpoint) {
		return stoppedStatus(s, nil, a.now())
	}
	if err == nil {
		var st operatorStatus
		st, err = o.status(ctx)
		if err = errors.Join(err, o.Close()); err == nil {
			return st
		}
	}
	st := stoppedStatus(s, nil, a.now())
	st.Problem = err.Error()
	for i := range st.Lanes {
		st.Lanes[i].State, st.Lanes[i].Reason = "unknown", st.Problem
	}
	for i := range st.Sources {
		st.Sources[i].State = "unknown"
	}
	return st
}

func (d *desk) status(context.Context) (operatorStatus, error) {
	if d.running != nil {
		return operatorStatus{Running: true, statusDocument: describeStatus(d.running())}, nil
	}
	lanes, err := d.lanes(false)
	if err != nil {
		return operatorStatus{}, err
	}
	all := make(map[string]laneCheckpoint)
	for _, lane := range lanes {
		all[lane] = d.inspect(lane)
	}
	return stoppedStatus(d.settings, all, d.now()), nil
}

// stoppedStatus describes the lanes of the configuration and of the checkpoint
// while no connector runs.
func stoppedStatus(s *settings, checkpoints map[string]laneCheckpoint, now time.Time) operatorStatus {
	var st pipeline.Status
	for _, c := range s.sources {
		st.Sources = append(st.Sources, pipeline.SourceStatus{Name: c.name, State: "stopped"})
	}
	for _, l := range s.lanes {
		guarantee, _ := l.configured.Guarantee()
		lane := stoppedLane(l.name(), checkpoints, now)
		lane.Guarantee = guarantee.String()
		st.Lanes = append(st.Lanes, lane)
	}
	for _, name := range slices.Sorted(maps.Keys(checkpoints)) {
		if _, ok := s.lane(name); ok {
			continue
		}
		lane := stoppedLane(name, checkpoints, now)
		if lane.Reason == "" {
			lane.Reason = "the checkpoint has this lane, and the configuration has not"
		}
		st.Lanes = append(st.Lanes, lane)
	}
	return operatorStatus{statusDocument: describeStatus(st)}
}

func stoppedLane(name string, checkpoints map[string]laneCheckpoint, now time.Time) pipeline.LaneStatus {
	st := pipeline.LaneStatus{Lane: name, State: "stopped", Watermarks: map[string]time.Time{}}
	cp, ok := checkpoints[name]
	switch {
	case !ok:
		st.Reason = "nothing was exported yet"
		return st
	case cp.Error != "":
		st.State, st.Reason = "halted", cp.Error
		st.Hint = "restore the checkpoint from a backup, or: connector checkpoint reset --lane " + name + " --start earliest --takeover"
		return st
	}
	for stream, p := range cp.Streams {
		st.Watermarks[stream] = p.Watermark
	}
	if cp.Next > 1 {
		st.Batch = pipeline.BatchID{Lane: name, Epoch: cp.Epoch, Seq: cp.Next - 1}.String()
	}
	st.Seen = cp.Delivered
	if b := cp.Prepared; b != nil {
		st.State, st.Batch, st.LagSeconds = "in_doubt", b.Batch, max(now.Sub(b.First).Seconds(), 0)
		st.InFlight = uint64(b.Events)
		st.Reason = fmt.Sprintf("a batch of %d events was prepared and is not known to be delivered", b.Events)
		st.Hint = "the next start settles it"
	}
	return st
}

// printStatus writes tables of sources and lanes, and what is wrong with them.
func printStatus(w io.Writer, st operatorStatus, now time.Time) error {
	if st.Problem != "" {
		fmt.Fprintln(w, "nothing can be told: "+printable(st.Problem))
	} else if !st.Running {
		fmt.Fprintln(w, "no connector is running with this checkpoint")
	} else {
		var rows [][]string
		for _, s := range st.Sources {
			rows = append(rows, []string{printable(s.Name), s.State, "", age(s.LastEvent, now), "", ""})
			for _, stream := range s.Streams {
				rows = append(rows, []string{"  " + printable(stream.Name), stream.State, age(stream.LastPoll, now), "", age(stream.LastDeep, now), printable(stream.Reason)})
			}
		}
		if err := writeTable(w, []string{"SOURCE", "STATE", "LAST POLL", "LAST EVENT", "LAST SWEEP", "REASON"}, rows); err != nil {
			return err
		}
	}
	fmt.Fprintln(w)
	rows := make([][]string, 0, len(st.Lanes))
	var notes strings.Builder
	for _, l := range st.Lanes {
		row := []string{printable(l.Lane), l.State, watermark(l.Watermarks), lag(l), batchNumber(l.Batch)}
		for _, n := range []uint64{l.Read, l.Delivered, l.InFlight, l.Quarantined, l.LateLost} {
			if st.Running {
				row = append(row, grouped(n))
			} else {
				row = append(row, "-")
			}
		}
		rows = append(rows, row)
		if l.Reason != "" && l.Reason != st.Problem {
			fmt.Fprintf(&notes, "\n%s: %s", printable(l.Lane), printable(l.Reason))
			if l.Hint != "" {
				fmt.Fprintf(&notes, "\n  to do: %s", printable(l.Hint))
			}
		}
	}
	header := []string{"LANE", "STATE", "WATERMARK", "LAG", "BATCH", "READ", "DELIVERED", "IN FLIGHT", "QUARANTINED", "LATE LOST"}
	if err := writeTable(w, header, rows); err != nil {
		return err
	}
	if notes.Len() > 0 {
		notes.WriteByte('\n')
	}
	_, err := io.WriteString(w, notes.String())
	return err
}

func age(t *time.Time, now time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return short(max(now.Sub(*t), 0).Round(time.Second)) + " ago"
}

// watermark is the least advanced stream's.
func watermark(marks map[string]time.Time) string {
	var low time.Time
	for _, t := range marks {
		if low.IsZero() || t.Before(low) {
			low = t
		}
	}
	if low.IsZero() {
		return "-"
	}
	return low.UTC().Format(time.RFC3339)
}

func lag(l pipeline.LaneStatus) string {
	if l.LagSeconds <= 0 {
		return "-"
	}
	return short(time.Duration(l.LagSeconds * float64(time.Second)).Round(time.Second))
}

func batchNumber(id string) string {
	b, err := pipeline.ParseBatchID(id)
	if err != nil {
		return "-"
	}
	return strconv.FormatUint(b.Seq, 10)
}
