package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"auditlog-connector/pipeline"
)

// laneRow is a lane's row in the table lanes.
type laneRow struct {
	pipeline.Marker
	takenOver bool  // rows of an earlier owner may be there: they are skipped
	skipped   int64 // how many were
}

// marker is the row's marker; nil if there is no row.
func (r *laneRow) marker() *pipeline.Marker {
	if r == nil {
		return nil
	}
	return &r.Marker
}

// lane reads the lane's row; nil if there is none.
func (d *database) lane(ctx context.Context, lane string) (*laneRow, error) {
	var r laneRow
	var seq int64
	var watermarks, rejected string
	err := d.conn.QueryRowContext(ctx,
		"SELECT epoch, seq, digest, watermarks, rejected, taken_over, skipped FROM lanes WHERE lane = ?", lane).
		Scan(&r.Epoch, &seq, &r.Digest, &watermarks, &rejected, &r.takenOver, &r.skipped)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	}
	r.Seq = uint64(seq)
	if err := errors.Join(json.Unmarshal([]byte(watermarks), &r.Watermarks), json.Unmarshal([]byte(rejected), &r.Rejected)); err != nil {
		return nil, pipeline.Permanent(fmt.Errorf("%w: row of lane %s in table lanes of %s: %w", pipeline.ErrCorrupt, lane, d.path, err))
	}
	return &r, nil
}

// setLane writes the lane's row.
func (d *database) setLane(ctx context.Context, lane string, r laneRow) error {
	watermarks, err := json.Marshal(r.Watermarks)
	if err != nil {
		return err
	}
	rejected, err := json.Marshal(r.Rejected)
	if err != nil {
		return err
	}
	_, err = d.conn.ExecContext(ctx, `INSERT INTO lanes (lane, epoch, seq, digest, watermarks, rejected, taken_over, skipped)
VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (lane) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, digest = excluded.digest,
watermarks = excluded.watermarks, rejected = excluded.rejected, taken_over = excluded.taken_over, skipped = excluded.skipped`,
		lane, r.Epoch, int64(r.Seq), r.Digest, string(watermarks), string(rejected), r.takenOver, r.skipped)
	return err
}
