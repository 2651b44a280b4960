package file

import (
	"context"
	"fmt"
	"io"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas/document"
)

// stream delivers to standard output, which cannot be asked what arrived.
type stream struct {
	out  io.Writer
	line document.Append
	buf  []byte
}

var (
	_ pipeline.Sink   = (*stream)(nil)
	_ pipeline.Placer = (*stream)(nil)
)

// Place implements [pipeline.Placer].
func (s *stream) Place(pipeline.Manifest) string { return standardOutput }

// Deliver implements [pipeline.Sink]. It blocks while the reader does.
func (s *stream) Deliver(ctx context.Context, b pipeline.Batch) error {
	if err := s.reach(b.Manifest); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.buf = lines(s.buf[:0], s.line, b.Records)
	if _, err := s.out.Write(s.buf); err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}

// Resolve implements [pipeline.Sink].
func (s *stream) Resolve(_ context.Context, m pipeline.Manifest) (pipeline.Outcome, error) {
	if err := s.reach(m); err != nil {
		return pipeline.OutcomeUnknown, err
	}
	return pipeline.OutcomeUnknown, nil
}

// Close implements [pipeline.Sink]. Standard output stays open.
func (s *stream) Close() error { return nil }

func (s *stream) reach(m pipeline.Manifest) error {
	if m.Place != "" && m.Place != standardOutput {
		return unreachable(m, standardOutput)
	}
	return nil
}
