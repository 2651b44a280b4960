package s3

import (
	"context"
	"errors"
	"fmt"
	"time"

	"auditlog-connector/pipeline"
)

// patience is how long a request may take: a minute, and what its body needs on a
// slow line.
func patience(size int) time.Duration {
	const slowest = 64 << 10 // bytes per second
	return time.Minute + time.Duration(size)*time.Second/slowest
}

// call sends one request, with a body of size bytes, and classifies its error.
// It connects first if that has to be done.
func (s *sink) call(ctx context.Context, what string, size int, f func(context.Context, *connection) error) error {
	limit := patience(size)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if s.conn == nil {
		conn, err := connect(ctx, s.config, s.lane, s.transport)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		s.conn = conn
	}
	secrets, err := s.secrets(ctx)
	if err != nil {
		return fmt.Errorf("%s: get credentials: %w", what, s.unusable(ctx, err))
	}
	err = f(ctx, s.conn)
	if err == nil {
		s.refused = false
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%s: %w: %w", what, cause, ctx.Err())
	}
	err = classify(err, secrets)
	var c *credentialsError
	if errors.As(err, &c) {
		err = s.unusable(ctx, err)
	} else {
		s.refused = false
	}
	return fmt.Errorf("%s: %w", what, err)
}

// secrets returns what no error may show. Providers keep credentials until they
// expire, so this asks nobody as a rule.
func (s *sink) secrets(ctx context.Context) ([]string, error) {
	c, err := s.conn.credentials.Retrieve(ctx)
	if err != nil {
		return nil, classify(err, nil)
	}
	return []string{c.SecretAccessKey, c.SessionToken}, nil
}

// unusable is what becomes of a request whose credentials cannot be had or are
// refused. All that was read of them is forgotten, so that the next request reads
// the environment's files again and asks its providers: keys rotate. Once this is
// worth an attempt; then an operator has to see to it.
func (s *sink) unusable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	s.disconnect()
	if s.refused || pipeline.IsPermanent(err) {
		return refused(err)
	}
	s.refused = true
	return &pipeline.ThrottledError{Err: err}
}

// owner is the account that the bucket has to belong to; nil: any.
func (s *sink) owner() *string {
	if s.config.ExpectedOwner == "" {
		return nil
	}
	return &s.config.ExpectedOwner
}
