package openai

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/pipeline"
)

// The parts of the API, below base_url.
const (
	pathAuditLogs = "/organization/audit_logs"
	pathUsers     = "/organization/users"
	pathAdminKeys = "/organization/admin_api_keys"
)

// request asks for a part of the API.
type request struct {
	path  string
	query url.Values
	key   string // empty: none is sent
}

// answer is what came back, of whatever status.
type answer struct {
	*httpclient.Response
	request
	sent     time.Time // our clock, when the request left
	answered time.Time // and when all of the answer was there
	date     time.Time // the server's clock; zero if it does not say
}

// page adds to p what is known of the request and its answer; nothing if there was none.
func (a *answer) page(p pipeline.Page) pipeline.Page {
	if a != nil {
		p.Now, p.Sent, p.Status, p.Bytes = a.date, a.sent, a.Status, len(a.Body)
	}
	return p
}

// get sends one request with the key. Without an error the answer is a 200; with one
// it is what came instead, or nil.
func (s *Source) get(ctx context.Context, q url.Values, urgent bool) (*answer, error) {
	if err := s.budget.wait(ctx, urgent); err != nil {
		return nil, err
	}
	key, err := s.key.get()
	if err != nil {
		return nil, err
	}
	a, err := s.send(ctx, request{path: pathAuditLogs, query: q, key: key})
	if err != nil {
		return nil, err
	}
	s.compareClocks(a)
	return a, s.refusal(a)
}

// send sends r at once and does not retry. An error means that there was no
// answer.
func (s *Source) send(ctx context.Context, r request) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+r.path+"?"+r.query.Encode(), nil)
	if err != nil {
		return nil, pipeline.Permanent(err)
	}
	if r.key != "" {
		req.Header.Set("Authorization", "Bearer "+r.key)
	}
	req.Header.Set("Accept", "application/json")
	if s.org != "" {
		req.Header.Set("OpenAI-Organization", s.org)
	}
	a := &answer{request: r, sent: s.now()}
	if a.Response, err = s.client.Do(req); err != nil {
		return nil, s.unanswered(ctx, err)
	}
	a.answered = s.now()
	if date, err := http.ParseTime(a.Header.Get("Date")); err == nil {
		a.date = date.UTC()
	}
	return a, nil
}

// pauseWithoutHint is how long nobody asks after a 429 that does not say.
const pauseWithoutHint = time.Second

// refusal returns nil for a 200 and makes an error of any other answer. It sees to
// what other requests have to know of it: everybody waits if the server asks to,
// and the key is read again if it was refused.
func (s *Source) refusal(a *answer) error {
	if a.Status == http.StatusOK {
		return nil
	}
	err := a.Err()
	if err == nil {
		err = fmt.Errorf("HTTP %d: want 200", a.Status)
	}
	about := s.about(a)
	advice := find(about)
	hint := s.fill(advice.hint, about.param)
	var throttled *pipeline.ThrottledError
	switch after := httpclient.RetryAfter(a.Header, s.now()); {
	case errors.As(err, &throttled):
		s.budget.pause(max(throttled.After, pauseWithoutHint))
	case a.Status >= 500 && after > 0:
		// Reading has no effect, so to wait is always safe.
		s.budget.pause(after)
		err = &pipeline.ThrottledError{Err: err, After: after}
	case errors.Is(err, pipeline.ErrRefused) && s.key.refuse(a.key):
		err, hint = statusError(a), s.key.source()+" holds another key by now, which is used from here on"
	case advice.transient:
		err = statusError(a)
	}
	return a.explain(err, hint)
}

// statusError is the answer as an error of no class: it may work the next time.
func statusError(a *answer) error {
	return &httpclient.StatusError{Status: a.Status, Message: a.Message()}
}

// notAPage explains what is wrong with the body of a 200.
func (s *Source) notAPage(a *answer, err error) error {
	about := s.about(a)
	about.text = strings.ToLower(err.Error())
	return a.explain(err, s.fill(find(about).hint, ""))
}
