package splunkhec

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/pipeline"
)

// The parts of a collector, below its address.
const (
	pathEvents = "/services/collector/event"
	pathAck    = "/services/collector/ack"
	pathHealth = "/services/collector/health"
)

// slowPause is how long to wait before the next request where the server says that
// it is near its capacity.
const slowPause = time.Second

// session is this process's standing with one address.
type session struct {
	base    string
	channel string            // acknowledgements are counted per channel
	cookies map[string]string // a load balancer knows the indexer by them
	healthy bool              // false: health is asked before anything is sent
	acks    ackMode
	slow    bool
}

// ackMode is whether requests are acknowledged.
type ackMode int

const (
	acksUnknown ackMode = iota
	acksYes
	acksNo
)

func newSession(base string, ack Ack) *session {
	s := &session{base: strings.TrimRight(base, "/"), cookies: make(map[string]string), channel: newChannel()}
	if ack == AckOff {
		s.acks = acksNo
	}
	return s
}

// renew begins a channel of its own for what is sent from here on, because the
// server has forgotten the old one, or does not say true of it any more.
func (s *session) renew() { s.channel = newChannel() }

// newChannel returns a random GUID.
func newChannel() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // does not fail
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// call is one request to a collector.
type call struct {
	method, path string
	channel      string // empty: none is named
	body         []byte
	gzip         bool // body is compressed
}

// ask sends one request to the address of x. Any answer is one; an error means that
// there was none, and is clean if no connection was made.
func (s *sink) ask(ctx context.Context, x *session, c call) (*answer, error) {
	token, err := s.token.get()
	if err != nil {
		return nil, clean(err)
	}
	// The transport of a test does not tell: then nothing is known to be clean.
	asked, connected := false, false
	trace := &httptrace.ClientTrace{
		GetConn: func(string) { asked, connected = true, false },
		GotConn: func(httptrace.GotConnInfo) { connected = true },
	}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), c.method, x.base+c.path, bytes.NewReader(c.body))
	if err != nil {
		return nil, pipeline.Permanent(err)
	}
	req.Header.Set("Authorization", "Splunk "+token)
	if c.channel != "" {
		req.Header.Set("X-Splunk-Request-Channel", c.channel)
	}
	if c.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	for name, value := range x.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	resp, err := s.client.Do(req)
	if err != nil {
		x.healthy = false
		if asked && !connected && ctx.Err() == nil {
			return nil, clean(err)
		}
		return nil, err
	}
	x.keepCookies(resp.Header)
	a := read(resp)
	if a.class() == classRefused && s.token.refuse() {
		return nil, clean(fmt.Errorf("%w; %s holds another token by now, which is used from here on", a.failure(), s.token.secret.Source()))
	}
	return a, nil
}

// keepCookies remembers what a load balancer set.
func (s *session) keepCookies(h http.Header) {
	for _, c := range (&http.Response{Header: h}).Cookies() {
		if c.MaxAge < 0 {
			delete(s.cookies, c.Name)
		} else if len(s.cookies) < 64 || s.cookies[c.Name] != "" {
			s.cookies[c.Name] = c.Value
		}
	}
}

// ready finds out what has to be known of x before events are sent to it. Errors
// are clean or permanent: nothing was sent.
func (s *sink) ready(ctx context.Context, x *session) error {
	if !x.healthy {
		if err := s.health(ctx, x); err != nil {
			return err
		}
		x.healthy = true
	}
	if x.acks == acksUnknown {
		return s.probeAcks(ctx, x)
	}
	return nil
}

// health asks whether x takes events.
func (s *sink) health(ctx context.Context, x *session) error {
	a, err := s.ask(ctx, x, call{method: http.MethodGet, path: pathHealth})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return clean(fmt.Errorf("ask for health: %w", err))
	case a.Status >= 200 && a.Status <= 299:
		x.slow = a.class() == classSlow
		return nil
	case a.Status == http.StatusNotFound || a.Status == http.StatusMethodNotAllowed:
		return nil // a gateway that lets through what events need, and nothing else
	case a.Status == http.StatusServiceUnavailable:
		return &pipeline.ThrottledError{Err: fmt.Errorf("the collector is not healthy: %w", a.failure()), After: httpclient.RetryAfter(a.Header, s.now())}
	case a.class() == classAmbiguous:
		return clean(fmt.Errorf("ask for health: %w", a.failure()))
	}
	return fmt.Errorf("ask for health: %w", a.err())
}

// probeAcks finds out whether the token has acknowledgements, by asking for one that
// there cannot be: the channel is new.
func (s *sink) probeAcks(ctx context.Context, x *session) error {
	a, err := s.ask(ctx, x, call{method: http.MethodPost, path: pathAck, channel: x.channel, body: []byte(`{"acks":[0]}`)})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return clean(fmt.Errorf("ask for acknowledgements: %w", err))
	}
	_, isAnswer := a.acks()
	switch {
	case isAnswer:
		s.setAcks(x, acksYes)
		return nil
	case a.known() && a.code == codeAckDisabled && s.config.Ack == AckAuto:
		s.setAcks(x, acksNo)
		return nil
	case a.class() == classAmbiguous:
		return clean(fmt.Errorf("ask for acknowledgements: %w", a.failure()))
	}
	return fmt.Errorf("ask for acknowledgements: %w", a.err())
}

// setAcks notes what was found out, and says so.
func (s *sink) setAcks(x *session, mode ackMode) {
	x.acks = mode
	if mode == s.said {
		return
	}
	s.said = mode
	if mode == acksYes {
		s.log.Info("the token has indexer acknowledgement: events count when they are indexed", "lane", s.lane, "url", x.base)
		return
	}
	s.log.Warn("the token has no indexer acknowledgement: an answer means taken, not indexed", "lane", s.lane, "url", x.base,
		"hint", "enable it for the token, or write ack: off to have this said no more")
}

// errNotAcked is why a batch is in doubt although every request was answered.
var errNotAcked = errors.New("taken and not acknowledged")
