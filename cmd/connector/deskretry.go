package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint"
	"auditlog-connector/schemas"
)

// retry delivers a batch in quarantine again, as a batch of its own that goes
// through the checkpoint like any other:
//
//	name the file after the new batch ─▶ prepare ─▶ deliver ─▶ quarantine what is refused again ─▶ done ─▶ remove the file
//
// Its members are in the lane's seen set since they were refused, and its manifest
// claims the progress that the lane has anyway. If it is left in doubt, the lane's
// next life settles it like every batch in doubt.
func (d *desk) retry(ctx context.Context, q retryQuestion) (retryAnswer, error) {
	answer := retryAnswer{Batch: q.Batch}
	lane := q.Batch.Lane
	l, ok := d.settings.lane(lane)
	if !ok {
		return answer, fmt.Errorf("lane %s is not in the configuration, which is needed to deliver to it", lane)
	}
	if err := d.known(lane, false); err != nil {
		return answer, err
	}
	err := d.repair(ctx, lane, func() error {
		ctx, cancel := context.WithTimeout(ctx, q.Timeout)
		defer cancel()
		return d.deliverAgain(ctx, l, q.Batch, &answer)
	})
	if err != nil {
		return answer, fmt.Errorf("deliver %s again: %w", q.Batch, err)
	}
	d.log.Info("operator delivered a batch again", "lane", lane, "batch", q.Batch.String(), "as", answer.As.String(),
		"delivered", answer.Delivered, "refused", answer.Refused)
	return answer, nil
}

func (d *desk) deliverAgain(ctx context.Context, l laneSettings, id pipeline.BatchID, answer *retryAnswer) (err error) {
	store := checkpoint.WithQuarantine(d.store, d.quarantine)
	cp, err := store.Load(ctx, id.Lane, time.Time{})
	if err != nil {
		return err
	}
	if cp.Prepared != nil {
		return fmt.Errorf("batch %s of the lane is in doubt, and comes first: a connector that runs settles it; else see: connector checkpoint resolve", cp.Prepared.ID)
	}
	src, err := d.source(ctx, l)
	if err != nil {
		return err
	}
	b, err := d.batchAgain(src, cp, l, id)
	if err != nil {
		return err
	}
	sink, err := d.sink(ctx, l)
	if err != nil {
		return err
	}
	if p, ok := sink.(pipeline.Placer); ok {
		b.Place = p.Place(b.Manifest)
	}
	if c, ok := sink.(pipeline.Claimer); ok {
		if err := c.Claim(ctx, cp, cp.Takeover); err != nil {
			return fmt.Errorf("claim: %w", err)
		}
	}
	// From here on the names in quarantine say what is going on; whatever happens,
	// they are brought up to date with the checkpoint.
	if err := d.quarantine.BeginRetry(id, b.ID); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.tidy(context.WithoutCancel(ctx), id.Lane)) }()
	// Invariant 1: no byte of the batch leaves before its manifest is durable.
	if err := store.Advance(ctx, id.Lane, false, &b.Manifest); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	rejected, doubt, err := pipeline.Settle(ctx, sink, b, pipeline.DoubtPolicy(l.sink.InDoubt), d.quarantine)
	switch {
	case err == nil:
		// Invariant 3: recorded on evidence.
		if err := store.Advance(context.WithoutCancel(ctx), id.Lane, true, nil); err != nil {
			return fmt.Errorf("write checkpoint: %w", err)
		}
		answer.As, answer.Refused, answer.Delivered = b.ID, len(rejected), len(b.Members)-len(rejected)
		return nil
	case doubt:
		return fmt.Errorf("it is in doubt now as batch %s, which a connector that runs settles; else see: connector checkpoint resolve: %w", b.ID.String(), err)
	}
	// It is not at the destination for certain: it stays in quarantine.
	prepared := cp
	prepared.Prepared = &b.Manifest
	if dropErr := d.settle(id.Lane, prepared, false); dropErr != nil {
		return errors.Join(err, dropErr)
	}
	return fmt.Errorf("it stays in quarantine: %w", err)
}

// batchAgain makes the batch that delivers the refused records of id, from what
// the source served and by the normalizer and the redaction of today.
func (d *desk) batchAgain(src pipeline.Source, cp pipeline.Checkpoint, l laneSettings, id pipeline.BatchID) (pipeline.Batch, error) {
	refused, err := d.quarantine.Read(id)
	if errors.Is(err, fs.ErrNotExist) {
		return pipeline.Batch{}, errors.New("it is not in quarantine")
	}
	if err != nil {
		return pipeline.Batch{}, err
	}
	if len(refused) == 0 {
		return pipeline.Batch{}, errors.New("it has no records")
	}
	b := pipeline.Batch{Manifest: pipeline.Manifest{
		ID:         pipeline.BatchID{Lane: id.Lane, Epoch: cp.Epoch, Seq: cp.Next},
		Watermarks: make(map[string]time.Time), Floors: make(map[string]time.Time),
	}}
	for s, p := range cp.Streams {
		b.Watermarks[s], b.Floors[s] = p.Watermark, p.Floor
		if !p.Joined.IsZero() {
			if b.Joined == nil {
				b.Joined = make(map[string]time.Time)
			}
			b.Joined[s] = p.Joined
		}
	}
	again, err := l.again(src)
	if err != nil {
		return pipeline.Batch{}, err
	}
	for _, r := range refused {
		at := pipeline.Position{Time: r.Event.EffectiveAt.UTC().Truncate(time.Second), ID: r.Event.EventID}
		if id.Epoch != cp.Epoch && !at.Time.Before(cp.Start) {
			return b, fmt.Errorf("the lane was reset since, and has got event %s again, or will: refusing to deliver it twice", at.ID)
		}
		b.Members = append(b.Members, at)
		b.Records = append(b.Records, again(at, r.Event))
	}
	return b, nil
}

// again returns what makes a record of the lane from one in quarantine. A redacted
// one has no entry to begin with: it is taken as it is, less what is dropped today.
func (l laneSettings) again(src pipeline.Source) (func(pipeline.Position, schemas.AuditEvent) pipeline.Record, error) {
	redactor, err := l.redactor()
	if err != nil {
		return nil, err
	}
	dropper, err := l.dropper()
	if err != nil {
		return nil, err
	}
	return func(at pipeline.Position, quarantined schemas.AuditEvent) pipeline.Record {
		if len(quarantined.Raw) == 0 {
			r := pipeline.Record{Event: pipeline.Event{Raw: pipeline.Raw{Position: at}, Audit: quarantined}}
			dropper(&r)
			return r
		}
		e := src.Normalize(pipeline.Raw{Position: at, Body: quarantined.Raw})
		r := pipeline.Record{Event: e, Avro: schemas.Encode(nil, &e.Audit)}
		if redactor != nil {
			redactor(&r)
		}
		return r
	}, nil
}
