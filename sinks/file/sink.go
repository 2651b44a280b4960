package file

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"auditlog-connector/internal/durable"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas/document"
	"auditlog-connector/sinks"
)

// sink delivers one lane to files.
//
//	side record ─▶ judge ─ committed ─▶ done
//	                 └ absent ─▶ write at the recorded length ─▶ sync ─▶ side record
type sink struct {
	path   string // not dated
	lane   string
	rotate string
	line   document.Append
	log    *slog.Logger

	lock  *os.File        // nil: not ours yet
	side  *side           // as on the disk; nil: there is none, or it was not read
	read  bool            // side was read, and nothing failed since
	clean map[string]bool // paths that end where the record says: this process saw to it
	buf   []byte

	step func(name string) error // tests stop a delivery here
}

var (
	_ pipeline.Sink    = (*sink)(nil)
	_ pipeline.Claimer = (*sink)(nil)
	_ pipeline.Placer  = (*sink)(nil)
	_ pipeline.Checker = (*sink)(nil)
)

func newSink(c *Config, env sinks.Env) *sink {
	return &sink{
		path: c.pathOf(env.Source), lane: env.Lane, rotate: c.Rotate, line: document.Lookup(c.Schema), log: env.Logger,
		step: func(string) error { return nil },
	}
}

func (s *sink) sidePath() string { return s.path + ".lane.json" }

// Claim implements [pipeline.Claimer].
func (s *sink) Claim(ctx context.Context, cp pipeline.Checkpoint, takeover bool) error {
	return s.do(ctx, func() error {
		old := s.side
		if old != nil && old.Lane != s.lane && !takeover {
			return fmt.Errorf("%w: %s belongs to lane %s", pipeline.ErrForeignEpoch, s.sidePath(), old.Lane)
		}
		marker, write, err := old.marker().Claim(cp, takeover)
		if err != nil {
			return err
		}
		if old == nil {
			if size, _, err := sizeOf(s.path); err != nil {
				return err
			} else if size > 0 && !takeover {
				return s.foreign(s.path)
			}
			if cp.HasDelivered() {
				s.log.Warn("there is no side record of this lane, which has delivered before: were its files deleted, or path changed? Earlier events are not in them",
					"lane", s.lane, "path", s.path, "hint", "to deliver them again: connector checkpoint reset --lane "+s.lane+" --start earliest")
			}
			old = &side{Version: sideVersion}
		}
		if write || takeover && !old.TakenOver || old.Lane != s.lane {
			claimed := old.clone()
			claimed.Lane, claimed.Marker = s.lane, marker
			claimed.TakenOver = takeover || old.TakenOver && old.Epoch == marker.Epoch
			if takeover {
				if err := claimed.accept(filepath.Dir(s.path)); err != nil {
					return err
				}
			}
			if err := s.record(claimed); err != nil {
				return err
			}
		}
		return s.examine()
	})
}

// Deliver implements [pipeline.Sink].
func (s *sink) Deliver(ctx context.Context, b pipeline.Batch) error {
	return s.do(ctx, func() (err error) {
		path, err := s.file(b.Manifest)
		if err != nil {
			return err
		}
		if out, err := s.side.marker().Judge(b.Manifest); err != nil || out == pipeline.OutcomeCommitted {
			return err
		}
		if err := s.step("begin"); err != nil {
			return err
		}
		f, offset, err := s.openData(path)
		if err != nil {
			return err
		}
		length, err := s.write(ctx, f, offset, b)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		r := s.side.clone()
		r.Marker = pipeline.NewMarker(b.Manifest, nil)
		r.File, r.Offset, r.Length = filepath.Base(path), offset, length
		r.Files[r.File] = length
		if err := s.record(r); err != nil {
			return err
		}
		s.clean[path] = true
		return s.step("committed")
	})
}

// recordsPerWrite bounds the memory that a batch takes once more as text.
const recordsPerWrite = 200

// write puts the batch at offset, and returns where it ends.
func (s *sink) write(ctx context.Context, f *os.File, offset int64, b pipeline.Batch) (int64, error) {
	s.buf = s.buf[:0]
	torn, err := needsNewline(f, offset)
	if err != nil {
		return 0, err
	}
	if torn {
		s.buf = append(s.buf, '\n')
	}
	for records := b.Records; len(records) > 0 || len(s.buf) > 0; {
		n := min(len(records), recordsPerWrite)
		s.buf = lines(s.buf, s.line, records[:n])
		if _, err := f.WriteAt(s.buf, offset); err != nil {
			return 0, err
		}
		offset += int64(len(s.buf))
		s.buf, records = s.buf[:0], records[n:]
	}
	if err := s.step("written"); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	return offset, s.step("synced")
}

// Resolve implements [pipeline.Sink].
func (s *sink) Resolve(ctx context.Context, m pipeline.Manifest) (pipeline.Outcome, error) {
	out := pipeline.OutcomeUnknown
	err := s.do(ctx, func() (err error) {
		if _, err := s.file(m); err != nil {
			return err
		}
		out, err = s.side.marker().Judge(m)
		return err
	})
	return out, err
}

// Close implements [pipeline.Sink].
func (s *sink) Close() error {
	if s.lock == nil {
		return nil
	}
	err := s.lock.Close()
	s.lock = nil
	return err
}

// do runs f with the lock held and the side record read. After an error the record
// is read again, whatever state the disk was left in. Errors name the file; the
// pipeline adds the lane and the batch.
func (s *sink) do(ctx context.Context, f func() error) error {
	err := ctx.Err()
	if err == nil {
		err = s.ready()
	}
	if err == nil {
		err = f()
	}
	if err != nil {
		s.read = false
		if !strings.Contains(err.Error(), s.path) {
			err = fmt.Errorf("%s: %w", s.path, err)
		}
	}
	return err
}

func (s *sink) ready() (err error) {
	if s.lock == nil {
		if err := durable.MakeFolder(filepath.Dir(s.path)); err != nil {
			return err
		}
		if s.lock, err = lock(s.path + ".lane.lock"); err != nil {
			return err
		}
	}
	if s.read {
		return nil
	}
	s.clean = make(map[string]bool)
	s.side, err = readSide(s.sidePath())
	s.read = err == nil
	return err
}

// record makes r the side record.
func (s *sink) record(r *side) error {
	if err := writeSide(s.sidePath(), r, s.step); err != nil {
		return err
	}
	s.side = r
	return nil
}
