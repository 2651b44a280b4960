package s3

import (
	"context"
	"errors"
	"fmt"

	"auditlog-connector/pipeline"
)

// errUnconditional says that the store wrote over an object that must not be there.
var errUnconditional = errors.New("the store does not honour If-None-Match: it has written over an object that was there; " +
	"set conditional_writes: off, and the lane is at least once")

// probe is an object of no meaning, which stays where it is: nothing has to be
// deleted, and the same one serves the next start.
func (s *sink) probe() *object {
	return &object{
		key: s.keys.probe(), contentType: "text/plain",
		content: []byte("The connector makes sure with this object that the store does not write over what is there. It holds no data.\n"),
	}
}

// prove makes sure that the store refuses to write over an object. It asks twice if
// the object was not there yet.
func (s *sink) prove(ctx context.Context) error {
	for range 2 {
		switch _, err := s.put(ctx, s.probe()); {
		case errors.Is(err, errExists):
			return nil
		case err != nil:
			return err
		}
	}
	return pipeline.Permanent(errUnconditional)
}

// proveParts is prove for an object that goes up in parts, which some stores treat
// otherwise. The probe has to be there.
func (s *sink) proveParts(ctx context.Context) error {
	o := s.probe()
	upload, err := s.begin(ctx, o)
	if err != nil {
		return err
	}
	err = s.fill(ctx, o, upload)
	if err == nil {
		return pipeline.Permanent(fmt.Errorf("upload in parts: %w", errUnconditional))
	}
	s.orphans = append(s.orphans, orphan{o.key, upload})
	s.abortOrphans(ctx)
	if errors.Is(err, errExists) {
		return nil
	}
	return err
}
