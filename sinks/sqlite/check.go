package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"auditlog-connector/internal/durable"
	"auditlog-connector/pipeline"
)

// Check implements [pipeline.Checker].
func (s *sink) Check(ctx context.Context) []pipeline.Finding {
	finding := pipeline.Finding{Name: "database", Status: "ok", Detail: s.path}
	if _, err := os.Stat(s.path); errors.Is(err, os.ErrNotExist) {
		finding.Detail += " will be made"
		if err := durable.Writable(filepath.Dir(s.path)); err != nil {
			finding.Status, finding.Detail, finding.Hint = "fail", err.Error(), "the connector has to be able to make files in this folder"
		}
		return []pipeline.Finding{finding}
	}
	err := s.in(ctx, s.path, func(ctx context.Context, d *database) error {
		_, err := d.lane(ctx, s.lane)
		return err
	})
	if err != nil {
		finding.Status, finding.Detail = "fail", err.Error()
	}
	return []pipeline.Finding{finding}
}
