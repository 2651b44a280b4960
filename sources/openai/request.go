package openai

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/internal/secret"
	"auditlog-connector/pipeline"
)

// keyring holds the admin key, and reads it again after it was refused.
type keyring struct {
	secret secret.String

	mu   sync.Mutex
	text string
}

func (k *keyring) get() (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.text == "" {
		text, err := k.secret.Reveal()
		if err != nil {
			return "", fmt.Errorf("admin_key: %w", err)
		}
		text = strings.TrimSpace(text)
		if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return "", fmt.Errorf("admin_key: %s does not hold a key", k.secret.Source())
		}
		k.text = text
	}
	return k.text, nil
}

// refuse makes the next request read the key again, if it is still the one that
// was refused.
func (k *keyring) refuse(text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.text == text {
		k.text = ""
	}
}

// answer is a 200.
type answer struct {
	*httpclient.Response
	sent time.Time // our clock, when the request left
	date time.Time // the server's; zero if it does not say
}

// about names the request in an error about what is in the answer.
func (a *answer) about(err error) error {
	return a.Hide(fmt.Errorf("%w%s", err, requestID(a.Response)))
}

func requestID(r *httpclient.Response) string {
	id := r.Header.Get("X-Request-Id")
	if id == "" {
		return ""
	}
	return " (request " + httpclient.Short(id) + ")"
}

// get waits for its turn and sends one request. It does not retry; a server that
// asks to wait makes everybody wait.
func (s *Source) get(ctx context.Context, q url.Values, urgent bool) (*answer, error) {
	if err := s.budget.wait(ctx, urgent); err != nil {
		return nil, err
	}
	key, err := s.key.get()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.endpoint+"?"+q.Encode(), nil)
	if err != nil {
		return nil, pipeline.Permanent(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Accept", "application/json")
	if s.org != "" {
		req.Header.Set("OpenAI-Organization", s.org)
	}
	sent := s.now()
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.Status == http.StatusOK {
		a := &answer{Response: resp, sent: sent}
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			a.date = date.UTC()
		}
		return a, nil
	}
	return nil, s.refusal(resp, key)
}

// pauseWithoutHint is how long nobody asks after a 429 that does not say.
const pauseWithoutHint = time.Second

// refusal turns an answer that is not a 200 into an error, and sees to what the
// other requests have to know of it.
func (s *Source) refusal(resp *httpclient.Response, key string) error {
	err := resp.Err()
	if err == nil {
		err = fmt.Errorf("HTTP %d: want 200", resp.Status)
	}
	var throttled *pipeline.ThrottledError
	switch after := httpclient.RetryAfter(resp.Header, s.now()); {
	case errors.As(err, &throttled):
		s.budget.pause(max(throttled.After, pauseWithoutHint))
	case resp.Status >= 500 && after > 0:
		// Reading has no effect, so to wait is always safe.
		s.budget.pause(after)
		err = &pipeline.ThrottledError{Err: err, After: after}
	}
	if errors.Is(err, pipeline.ErrRefused) {
		s.key.refuse(key)
	}
	err = resp.Hide(fmt.Errorf("%w%s", err, requestID(resp)))
	if hint := hint(resp.Status, resp.Message(), key); hint != "" {
		return fmt.Errorf("%w (%s)", err, hint)
	}
	return err
}

// hint says what a person can do about a refusal.
func hint(status int, message, key string) string {
	refused := status == http.StatusUnauthorized || status == http.StatusForbidden
	lower := strings.ToLower(message)
	switch {
	case refused && (strings.HasPrefix(key, "sk-proj-") || strings.HasPrefix(key, "sk-svcacct-")):
		return "admin_key is a project's key; the audit log needs an admin key, which starts with sk-admin-"
	case refused && strings.Contains(lower, "scope"):
		return "the admin key needs the scope api.audit_logs.read"
	case refused && strings.Contains(lower, "ip ") && strings.Contains(lower, "not authorized"):
		return "the organization's IP allowlist does not have this host's address"
	case refused && strings.Contains(lower, "country"):
		return "the API is not offered where this host is"
	case refused:
		return "admin_key must be a valid admin key of an organization owner with the scope api.audit_logs.read"
	case status == http.StatusNotFound:
		return "is base_url right?"
	case status == http.StatusTooManyRequests && (strings.Contains(lower, "quota") || strings.Contains(lower, "credit_balance")):
		return "waiting does not help: see the organization's billing"
	}
	return ""
}
