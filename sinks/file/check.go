package file

import (
	"context"
	"path/filepath"

	"auditlog-connector/internal/durable"
	"auditlog-connector/pipeline"
)

// Check implements [pipeline.Checker]. It takes no lock: the connector may be running.
func (s *sink) Check(context.Context) []pipeline.Finding {
	folder := pipeline.Finding{Name: "folder", Status: "ok", Detail: filepath.Dir(s.path)}
	if err := durable.Writable(filepath.Dir(s.path)); err != nil {
		folder.Status, folder.Detail, folder.Hint = "fail", err.Error(), "the connector has to be able to make files in this folder"
	}
	record := pipeline.Finding{Name: "side record", Status: "ok", Detail: s.sidePath()}
	size, _, err := sizeOf(s.path)
	var r *side
	if err == nil {
		r, err = readSide(s.sidePath())
	}
	switch {
	case err != nil:
		record.Status, record.Detail = "fail", err.Error()
	case r == nil && size > 0:
		record.Status, record.Detail = "fail", s.foreign(s.path).Error()
	case r == nil:
		record.Detail += " will be made"
	case r.Lane != s.lane:
		record.Status, record.Detail = "fail", s.sidePath()+" belongs to lane "+r.Lane
		record.Hint = "give each lane a path of its own"
	}
	return []pipeline.Finding{folder, record}
}
