package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks"
)

// sink delivers one lane.
//
//	BEGIN IMMEDIATE ─▶ lane's marker ─▶ judge ─ committed ─▶ ROLLBACK, done
//	                                      └ absent ─▶ rows ─▶ marker ─▶ COMMIT
type sink struct {
	path string
	lane string
	log  *slog.Logger
	open map[string]*database // by place: the configured path, and where a batch in doubt belongs

	connect func(ctx context.Context, place string) (*database, error)

	step func(name string) error // tests stop a delivery here; nil otherwise
}

var (
	_ pipeline.Sink    = (*sink)(nil)
	_ pipeline.Claimer = (*sink)(nil)
	_ pipeline.Placer  = (*sink)(nil)
	_ pipeline.Checker = (*sink)(nil)
)

func newSink(path string, env sinks.Env) *sink {
	s := &sink{path: path, lane: env.Lane, log: env.Logger, open: make(map[string]*database)}
	s.connect = func(ctx context.Context, place string) (*database, error) {
		return openDatabase(ctx, place, place == path)
	}
	return s
}

// Place implements [pipeline.Placer]: the path of the database. If the
// configuration names another one later, a batch in doubt is settled in the old.
func (s *sink) Place(pipeline.Manifest) string { return s.path }

// Claim implements [pipeline.Claimer].
func (s *sink) Claim(ctx context.Context, cp pipeline.Checkpoint, takeover bool) error {
	return s.in(ctx, s.path, func(ctx context.Context, d *database) error {
		return d.transaction(ctx, func(ctx context.Context) error {
			found, err := d.lane(ctx, s.lane)
			if err != nil {
				return err
			}
			if found == nil && cp.HasDelivered() {
				s.log.Warn("the database does not know this lane, which has delivered before: was it deleted, or path changed? Earlier events are not in it",
					"lane", s.lane, "path", s.path, "hint", "to deliver them again: connector checkpoint reset --lane "+s.lane+" --start earliest --takeover")
			}
			marker, write, err := found.marker().Claim(cp, takeover)
			if err != nil {
				return err
			}
			claimed := laneRow{Marker: marker, takenOver: takeover}
			if found != nil && !write {
				claimed = *found
				claimed.takenOver = found.takenOver || takeover
				write = claimed.takenOver != found.takenOver
			}
			if !write {
				return nil
			}
			return d.setLane(ctx, s.lane, claimed)
		})
	})
}

// Deliver implements [pipeline.Sink].
func (s *sink) Deliver(ctx context.Context, b pipeline.Batch) error {
	var skipped int64
	err := s.in(ctx, b.Place, func(ctx context.Context, d *database) error {
		if err := d.there(); err != nil {
			return err
		}
		if err := s.reach("begin"); err != nil {
			return err
		}
		err := d.transaction(ctx, func(ctx context.Context) (err error) {
			skipped, err = s.write(ctx, d, b)
			return err
		})
		if errors.Is(err, errDone) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.reach("committed"); err != nil {
			return err
		}
		return d.there()
	})
	if err == nil && skipped > 0 {
		s.log.Warn("events were there before the lane was taken over", "lane", s.lane, "batch", b.ID.String(), "events", skipped)
	}
	return err
}

// errDone ends a transaction of a batch that is there already.
var errDone = errors.New("delivered before")

func (s *sink) write(ctx context.Context, d *database, b pipeline.Batch) (skipped int64, err error) {
	row, err := d.lane(ctx, s.lane)
	if err != nil {
		return 0, err
	}
	switch out, err := row.marker().Judge(b.Manifest); {
	case err != nil:
		return 0, err
	case out == pipeline.OutcomeCommitted:
		return 0, errDone
	}
	skipped, err = d.rows.insert(ctx, b.Records, row.takenOver)
	var conflict *conflictError
	if errors.As(err, &conflict) {
		return 0, fmt.Errorf("%w: event %s of batch %d is in the database, and the lane's marker does not know it",
			pipeline.ErrFenced, conflict.id, b.ID.Seq)
	}
	if err != nil {
		return 0, err
	}
	if err := s.reach("inserted"); err != nil {
		return 0, err
	}
	row.Marker = pipeline.NewMarker(b.Manifest, nil)
	row.skipped += skipped
	if err := d.setLane(ctx, s.lane, *row); err != nil {
		return 0, err
	}
	return skipped, s.reach("marked")
}

// Resolve implements [pipeline.Sink].
func (s *sink) Resolve(ctx context.Context, m pipeline.Manifest) (pipeline.Outcome, error) {
	out := pipeline.OutcomeUnknown
	err := s.in(ctx, m.Place, func(ctx context.Context, d *database) error {
		row, err := d.lane(ctx, s.lane)
		if err != nil {
			return err
		}
		out, err = row.marker().Judge(m)
		return err
	})
	return out, err
}

// Close implements [pipeline.Sink].
func (s *sink) Close() error {
	var errs []error
	for place, d := range s.open {
		errs = append(errs, d.close())
		delete(s.open, place)
	}
	return errors.Join(errs...)
}

// in runs f on the database at place, which is opened if need be. After an error
// that is not a judgement the connection is given up, and with it whatever state
// it was left in. Errors name the file; the pipeline adds the lane and the batch.
func (s *sink) in(ctx context.Context, place string, f func(context.Context, *database) error) error {
	if place == "" {
		place = s.path
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	d := s.open[place]
	if d == nil {
		var err error
		if d, err = s.connect(ctx, place); err != nil {
			return err
		}
		s.open[place] = d
	}
	err := f(ctx, d)
	if err == nil {
		return nil
	}
	if !errors.Is(err, pipeline.ErrFenced) && !errors.Is(err, pipeline.ErrForeignEpoch) {
		delete(s.open, place)
		_ = d.close() // what matters is err
	}
	return d.explain(err)
}

func (s *sink) reach(step string) error {
	if s.step == nil {
		return nil
	}
	return s.step(step)
}
