package httpclient

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"auditlog-connector/pipeline"
)

// Response is a server's answer.
type Response struct {
	Status int
	Header http.Header
	Body   []byte // whole, decompressed

	secrets []string // of the request, to keep out of messages
}

// StatusError is an answer that is not a success.
type StatusError struct {
	Status  int
	Message string // what the server says, short, on one line, without credentials
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("HTTP %d", e.Status)
	if name := http.StatusText(e.Status); name != "" {
		text += " " + name
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Err returns nil for a 2xx answer and otherwise an error that wraps a
// [*StatusError], classified for the pipeline:
//
//   - 429: a [pipeline.ThrottledError] with the time of Retry-After
//   - 401, 403: Permanent and [pipeline.ErrRefused]
//   - 408, 409, 425, 5xx and what is no status at all: neither; it may work later
//   - a redirect and any other 4xx: Permanent
func (r *Response) Err() error {
	if r.Status >= 200 && r.Status <= 299 {
		return nil
	}
	err := error(&StatusError{Status: r.Status, Message: r.Message()})
	switch {
	case r.Status == http.StatusTooManyRequests:
		return &pipeline.ThrottledError{Err: err, After: RetryAfter(r.Header, time.Now())}
	case r.Status == http.StatusUnauthorized, r.Status == http.StatusForbidden:
		return pipeline.Permanent(fmt.Errorf("%w: %w", pipeline.ErrRefused, err))
	case r.Status >= 300 && r.Status <= 399:
		return pipeline.Permanent(fmt.Errorf("%w (redirects are not followed; is the address right?)", err))
	case r.Status == http.StatusRequestTimeout, r.Status == http.StatusConflict, r.Status == http.StatusTooEarly:
		return err
	case r.Status >= 400 && r.Status <= 499:
		return pipeline.Permanent(err)
	}
	return err
}

// Message returns what the body says, for a person: the message of an error
// object, else the text, short, on one line and without credentials.
func (r *Response) Message() string {
	return Short(Redact(message(r.Body), r.secrets...))
}

// Status returns the status of the answer that err is about, or 0.
func Status(err error) int {
	var se *StatusError
	if errors.As(err, &se) {
		return se.Status
	}
	return 0
}

// Hide returns err with the request's credentials hidden in its text, for errors
// about what is in the answer. It wraps err; nil stays nil.
func (r *Response) Hide(err error) error {
	if err == nil {
		return nil
	}
	return &redactedError{err, r.secrets}
}
