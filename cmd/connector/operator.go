package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"auditlog-connector/internal/control"
	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint"
)

// operator is what an operator can ask of a connector: of one that runs, through
// its socket, or of what a stopped one left.
type operator interface {
	status(ctx context.Context) (operatorStatus, error)
	checkpoints(ctx context.Context, q laneQuestion) ([]laneCheckpoint, error)
	resolve(ctx context.Context, q resolveQuestion) (laneCheckpoint, error)
	reset(ctx context.Context, q resetQuestion) (laneCheckpoint, error)
	retry(ctx context.Context, q retryQuestion) (retryAnswer, error)
	Close() error
}

type laneQuestion struct {
	Lane string `json:"lane"` // empty: all
}

type resolveQuestion struct {
	Lane      string `json:"lane"`
	Committed bool   `json:"committed"`
}

type resetQuestion struct {
	Lane     string `json:"lane"`
	Start    string `json:"start"` // as in the configuration
	Takeover bool   `json:"takeover"`
}

type retryQuestion struct {
	Batch   pipeline.BatchID `json:"batch"`
	Timeout time.Duration    `json:"timeout"`
}

// retryAnswer says what became of a batch that was delivered again.
type retryAnswer struct {
	Batch     pipeline.BatchID `json:"batch"`
	As        pipeline.BatchID `json:"as"`
	Delivered int              `json:"delivered"`
	Refused   int              `json:"refused"` // again; in quarantine as batch As
}

// laneCheckpoint is a lane's checkpoint as operators see it.
type laneCheckpoint struct {
	Lane      string                    `json:"lane"`
	Epoch     string                    `json:"epoch"`
	Next      uint64                    `json:"next"` // number of the next batch
	Start     time.Time                 `json:"start"`
	Takeover  bool                      `json:"takeover"` // of the destination, at the next start
	Streams   map[string]streamProgress `json:"streams"`
	Delivered int                       `json:"delivered"` // ids that are remembered
	Prepared  *preparedBatch            `json:"prepared"`
	Error     string                    `json:"error,omitempty"` // it cannot be read
}

type streamProgress struct {
	Watermark time.Time  `json:"watermark"`
	Floor     time.Time  `json:"floor"`
	Joined    *time.Time `json:"joined,omitempty"`
}

// preparedBatch is a batch that is in doubt if nobody is delivering it.
type preparedBatch struct {
	Batch  string    `json:"batch"`
	Events int       `json:"events"`
	First  time.Time `json:"first"` // event times
	Last   time.Time `json:"last"`
	Place  string    `json:"place,omitempty"`
	Digest string    `json:"digest"`
}

func describeCheckpoint(lane string, cp pipeline.Checkpoint) laneCheckpoint {
	c := laneCheckpoint{
		Lane: lane, Epoch: cp.Epoch, Next: cp.Next, Start: cp.Start, Takeover: cp.Takeover,
		Delivered: len(cp.Delivered), Streams: make(map[string]streamProgress),
	}
	for s, p := range cp.Streams {
		sp := streamProgress{Watermark: p.Watermark, Floor: p.Floor}
		if !p.Joined.IsZero() {
			sp.Joined = &p.Joined
		}
		c.Streams[s] = sp
	}
	if m := cp.Prepared; m != nil {
		b := &preparedBatch{Batch: m.ID.String(), Events: len(m.Members), Place: m.Place, Digest: fmt.Sprintf("%x", m.Digest())}
		for i, p := range m.Members {
			if i == 0 || p.Time.Before(b.First) {
				b.First = p.Time
			}
			if i == 0 || p.Time.After(b.Last) {
				b.Last = p.Time
			}
		}
		c.Prepared = b
	}
	return c
}

// lowestWatermark is the time up to which everything is delivered, zero if nothing is.
func (c laneCheckpoint) lowestWatermark() time.Time {
	var low time.Time
	for _, p := range c.Streams {
		if low.IsZero() || p.Watermark.Before(low) {
			low = p.Watermark
		}
	}
	return low
}

// operator returns the running connector of s, or what it left. The caller
// closes it. With create set a checkpoint that does not exist yet is made.
func (a *app) operator(ctx context.Context, s *settings, create bool) (operator, error) {
	path := s.file.Checkpoint.Path
	client, err := control.Dial(ctx, path)
	switch {
	case err == nil:
		return &remoteOperator{client}, nil
	case !errors.Is(err, control.ErrNotRunning):
		return nil, err
	}
	if _, err := os.Stat(path + ".generation"); errors.Is(err, fs.ErrNotExist) && !create {
		return nil, fmt.Errorf("%w at %s", errNoCheckpoint, path)
	}
	store, err := checkpoint.Open(path)
	if errors.Is(err, pipeline.ErrFenced) {
		return nil, fmt.Errorf("%w; it does not answer at %s: it is just starting or stopping, or of another version", err, control.SocketPath(path))
	}
	if err != nil {
		return nil, err
	}
	return a.stoppedDesk(s, store), nil
}

// errNoCheckpoint: nothing was exported yet, or checkpoint.path is another one.
var errNoCheckpoint = errors.New("there is no checkpoint")

// unknownLane is the error about a lane that is not among known.
func unknownLane(lane string, known []string) error {
	known = slices.Clone(known)
	slices.Sort(known)
	if len(known) == 0 {
		return usage(fmt.Errorf("there is no lane %q; there are none yet", lane))
	}
	return usage(fmt.Errorf("there is no lane %q; there are: %s", lane, strings.Join(slices.Compact(known), ", ")))
}

// remoteOperator asks a connector that runs.
type remoteOperator struct{ client *control.Client }

// The names of what can be asked.
const (
	askStatus      = "status"
	askCheckpoints = "checkpoint/show"
	askResolve     = "checkpoint/resolve"
	askReset       = "checkpoint/reset"
	askRetry       = "quarantine/retry"
)

// call asks the connector that runs; a question that was wrong is a usage error
// here as well.
func call[A any](ctx context.Context, c *control.Client, what string, question any) (A, error) {
	var answer A
	err := c.Call(ctx, what, question, &answer)
	var e *control.Error
	if errors.As(err, &e) && e.Usage {
		err = usage(err)
	}
	return answer, err
}

func (r *remoteOperator) status(ctx context.Context) (operatorStatus, error) {
	return call[operatorStatus](ctx, r.client, askStatus, nil)
}

func (r *remoteOperator) checkpoints(ctx context.Context, q laneQuestion) ([]laneCheckpoint, error) {
	return call[[]laneCheckpoint](ctx, r.client, askCheckpoints, q)
}

func (r *remoteOperator) resolve(ctx context.Context, q resolveQuestion) (laneCheckpoint, error) {
	return call[laneCheckpoint](ctx, r.client, askResolve, q)
}

func (r *remoteOperator) reset(ctx context.Context, q resetQuestion) (laneCheckpoint, error) {
	return call[laneCheckpoint](ctx, r.client, askReset, q)
}

func (r *remoteOperator) retry(ctx context.Context, q retryQuestion) (retryAnswer, error) {
	return call[retryAnswer](ctx, r.client, askRetry, q)
}

// Close implements [operator].
func (r *remoteOperator) Close() error { return nil }

// newControlMux answers the questions of a remoteOperator from o.
func newControlMux(o operator) *control.Mux {
	m := control.NewMux()
	wrong := func(err error) bool {
		var e *exitError
		return errors.As(err, &e) && e.code == exitUsage
	}
	control.Handle(m, askStatus, wrong, func(ctx context.Context, _ struct{}) (operatorStatus, error) { return o.status(ctx) })
	control.Handle(m, askCheckpoints, wrong, o.checkpoints)
	control.Handle(m, askResolve, wrong, o.resolve)
	control.Handle(m, askReset, wrong, o.reset)
	control.Handle(m, askRetry, wrong, o.retry)
	return m
}
