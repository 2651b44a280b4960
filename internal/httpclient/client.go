package httpclient

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Options say how a [Client] works. The zero value is right for most.
type Options struct {
	TLS       TLS
	Timeout   time.Duration     // for one request, its body included; default one minute
	MaxBody   int64             // bytes of an answer; default 64 MiB
	UserAgent string            // default "auditlog-connector"
	Transport http.RoundTripper // nil: the network, with TLS and the environment's proxy
}

// Client sends requests. It may be used concurrently; Close lets go of idle
// connections.
type Client struct {
	http    *http.Client
	own     *http.Transport // nil if it was injected
	timeout time.Duration
	maxBody int64
	agent   string
}

// New returns a client. It reads the files of o.TLS and contacts nobody.
func New(o Options) (*Client, error) {
	c := &Client{timeout: o.Timeout, maxBody: o.MaxBody, agent: o.UserAgent}
	if c.timeout <= 0 {
		c.timeout = time.Minute
	}
	if c.maxBody <= 0 {
		c.maxBody = 64 << 20
	}
	if c.agent == "" {
		c.agent = "auditlog-connector"
	}
	transport := o.Transport
	if transport == nil {
		config, err := o.TLS.Config()
		if err != nil {
			return nil, err
		}
		c.own = &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:       config,
			TLSHandshakeTimeout:   10 * time.Second,
			ForceAttemptHTTP2:     true,
			MaxIdleConns:          64,
			MaxIdleConnsPerHost:   16,
			IdleConnTimeout:       90 * time.Second,
			ExpectContinueTimeout: time.Second,
		}
		transport = c.own
	}
	c.http = &http.Client{
		Transport: transport,
		// A redirect could carry the credentials elsewhere. It is an answer like
		// any other, and Response.Err explains it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// Close lets go of idle connections. Requests under way are not affected.
func (c *Client) Close() error {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
	return nil
}

// Do sends req and reads the whole answer. Any answer is a Response, whatever its
// status; see [Response.Err]. An error means that there was none, or not all of
// it: nobody knows whether the server acted. It wraps the context's error if that
// is done, and never shows credentials of req.
func (c *Client) Do(req *http.Request) (*Response, error) {
	ctx, cancel := context.WithTimeoutCause(req.Context(), c.timeout, fmt.Errorf("no answer within %s", c.timeout))
	defer cancel()
	secrets := credentials(req)
	req = req.Clone(ctx)
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", c.agent)
	}
	fail := func(err error) (*Response, error) {
		if ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)) {
			err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		return nil, fmt.Errorf("%s %s: %w", req.Method, place(req.URL), &redactedError{err, secrets})
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var ue *url.Error // it repeats method and address, query included
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return fail(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if n := resp.ContentLength; n > 0 && n < c.maxBody {
		body.Grow(int(n) + bytes.MinRead)
	}
	if _, err = body.ReadFrom(io.LimitReader(resp.Body, c.maxBody+1)); err != nil {
		return fail(fmt.Errorf("read answer: %w", err))
	}
	if int64(body.Len()) > c.maxBody {
		return fail(fmt.Errorf("read answer: more than %d bytes", c.maxBody))
	}
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: body.Bytes(), secrets: secrets}, nil
}

// place is the address of a request without what may be secret or long.
func place(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// redactedError hides credentials in the text of an error and leaves its identity.
type redactedError struct {
	err     error
	secrets []string
}

func (e *redactedError) Error() string { return Redact(e.err.Error(), e.secrets...) }

func (e *redactedError) Unwrap() error { return e.err }

// Gzip returns body compressed, for a request with Content-Encoding: gzip.
func Gzip(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body) // a Buffer does not fail
	_ = w.Close()
	return b.Bytes()
}
