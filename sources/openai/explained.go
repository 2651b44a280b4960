package openai

import (
	"errors"
	"strings"

	"auditlog-connector/internal/httpclient"
)

// explained is an error with what a person needs to act on it. None of its parts
// has the key in it.
type explained struct {
	err     error
	request string // the server's name of the request; empty if it did not answer
	hint    string // what to do; empty if nobody knows
}

func (e *explained) Error() string {
	var about []string
	if e.request != "" {
		about = append(about, "request "+e.request)
	}
	if e.hint != "" {
		about = append(about, e.hint)
	}
	if len(about) == 0 {
		return e.err.Error()
	}
	return e.err.Error() + " (" + strings.Join(about, "; ") + ")"
}

func (e *explained) Unwrap() error { return e.err }

// split returns err's text without the hint, and the hint.
func split(err error) (text, hint string) {
	var e *explained
	if !errors.As(err, &e) {
		return err.Error(), ""
	}
	bare := *e
	bare.hint = ""
	return strings.Replace(err.Error(), e.Error(), bare.Error(), 1), e.hint
}

// explain adds to an error about a which request that was, and the hint, and hides
// the key in all of it.
func (a *answer) explain(err error, hint string) error {
	return &explained{
		err:     a.Hide(err),
		request: httpclient.Short(httpclient.Redact(a.Header.Get("X-Request-Id"), a.key)),
		hint:    httpclient.Redact(hint, a.key),
	}
}
