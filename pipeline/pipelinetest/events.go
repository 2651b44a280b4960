package pipelinetest

import (
	"strings"

	"auditlog-connector/pipeline"
)

// create writes the events that are not there; those that are count as written.
func (s *Sink) create(b pipeline.Batch) error {
	a, err := s.take(b)
	source := s.lane[:max(strings.LastIndexByte(s.lane, '/'), 0)]
	events := a.Events
	a.Events = nil
	for _, id := range events {
		if doc := source + ":" + id; !s.d.docs[doc] {
			s.d.docs[doc] = true
			a.Events = append(a.Events, id)
		}
	}
	if len(a.Events) > 0 {
		s.d.applied = append(s.d.applied, a)
	}
	return err
}

// append writes everything, again if need be.
func (s *Sink) append(b pipeline.Batch) error {
	a, err := s.take(b)
	s.d.applied = append(s.d.applied, a)
	return err
}
