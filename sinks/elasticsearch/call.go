package elasticsearch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/pipeline"
)

// call is one request to a node.
type call struct {
	method, path string // with the query
	body         []byte
	content      string // type of body
	gzip         bool   // body is compressed
}

const (
	typeJSON  = "application/json"
	typeLines = "application/x-ndjson"
)

// ask may be called concurrently. It sends c to the node in use, and to the next one where no connection was made.
// Any answer is one; an error means that there was none, and is a
// [pipeline.ThrottledError] if no node was reached.
func (s *sink) ask(ctx context.Context, c call) (*httpclient.Response, error) {
	var err error
	for range s.nodes {
		var resp *httpclient.Response
		var reached bool
		node := s.node()
		resp, reached, err = s.askNode(ctx, s.nodes[node], c)
		switch {
		case err == nil && resp.Status < http.StatusInternalServerError:
			return resp, nil
		case err == nil:
			s.leave(node) // it may be this node's trouble alone; the pipeline comes back
			return resp, nil
		case pipeline.IsPermanent(err) || ctx.Err() != nil:
			return nil, err
		}
		s.leave(node)
		if reached {
			return nil, err
		}
		err = &pipeline.ThrottledError{Err: err}
	}
	return nil, err
}

// node returns the node in use.
func (s *sink) node() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// leave makes the next node the one in use, unless another request has done so.
func (s *sink) leave(node int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == node {
		s.current = (node + 1) % len(s.nodes)
	}
}

// askNode sends c to the node at base. Reached is false if nothing left this host.
func (s *sink) askNode(ctx context.Context, base string, c call) (resp *httpclient.Response, reached bool, err error) {
	authorization, err := s.login.get()
	if err != nil {
		return nil, false, err // read again at the next attempt
	}
	// The transport of a test does not tell: then everything may have been reached.
	asked, connected := false, false
	trace := &httptrace.ClientTrace{
		GetConn: func(string) { asked, connected = true, false },
		GotConn: func(httptrace.GotConnInfo) { connected = true },
	}
	var body *bytes.Reader
	if c.body != nil {
		body = bytes.NewReader(c.body)
	}
	req, err := newRequest(httptrace.WithClientTrace(ctx, trace), c.method, base+c.path, body)
	if err != nil {
		return nil, false, pipeline.Permanent(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	if c.body != nil {
		req.Header.Set("Content-Type", c.content)
	}
	if c.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	resp, err = s.client.Do(req)
	if err != nil {
		return nil, !asked || connected, err
	}
	if refused(resp.Status) && s.login.refuse(authorization) {
		_, source := s.login.secret()
		return nil, false, fmt.Errorf("%w; %s holds another secret by now, which is used from here on", failure(resp), source)
	}
	return resp, true, nil
}

// newRequest makes a request; a nil body must not become a non-nil reader.
func newRequest(ctx context.Context, method, url string, body *bytes.Reader) (*http.Request, error) {
	if body == nil {
		return http.NewRequestWithContext(ctx, method, url, http.NoBody)
	}
	return http.NewRequestWithContext(ctx, method, url, body)
}

func refused(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// blocked reports whether the cluster refuses resp's request whoever sends it.
func blocked(resp *httpclient.Response) bool {
	var c cause
	return resp.Status == http.StatusForbidden && json.Unmarshal(resp.Body, &c) == nil && c.Error.Type == errBlock
}

// cause is the type of error that a server names. Its reason is left out: it quotes
// what documents hold.
type cause struct {
	Error struct {
		Type string `json:"type"`
	} `json:"error"`
}

// failure describes an answer that is no success, with a hint where there is one.
// It shows the type of the error and nothing of its text.
func failure(resp *httpclient.Response) error {
	var c cause
	_ = json.Unmarshal(resp.Body, &c) // a proxy's words are not JSON, or have another shape
	err := error(&httpclient.StatusError{Status: resp.Status, Message: httpclient.Short(c.Error.Type)})
	switch s := resp.Status; {
	case s >= 300 && s <= 399:
		return fmt.Errorf("%w; redirects are not followed: is the address right?", err)
	case s == http.StatusUnauthorized:
		return fmt.Errorf("%w; the server does not know the API key or password", err)
	case s == http.StatusForbidden && c.Error.Type == errBlock:
		return fmt.Errorf("%w; the cluster has a block: take it off (cluster.blocks.read_only, cluster.blocks.read_only_allow_delete)", err)
	case s == http.StatusForbidden:
		return fmt.Errorf("%w; the API key or user lacks a privilege", err)
	case s == http.StatusNotFound && c.Error.Type == "" || s == http.StatusMethodNotAllowed:
		return fmt.Errorf("%w; is this the address of Elasticsearch or OpenSearch?", err)
	case s == http.StatusNotAcceptable || s == http.StatusUnsupportedMediaType:
		return fmt.Errorf("%w; something between does not take what is sent (gzip: false may help)", err)
	case s >= 200 && s <= 299:
		return fmt.Errorf("%w; this is not an answer of Elasticsearch or OpenSearch: is the address right?", err)
	}
	return err
}

// classify returns an answer that is no success as an error, in the pipeline's
// classes.
func (s *sink) classify(resp *httpclient.Response) error {
	err := failure(resp)
	switch st := resp.Status; {
	case blocked(resp):
		return pipeline.Permanent(err)
	case st == http.StatusTooManyRequests:
		return &pipeline.ThrottledError{Err: err, After: httpclient.RetryAfter(resp.Header, s.now())}
	case refused(st):
		return pipeline.Permanent(fmt.Errorf("%w: %w", pipeline.ErrRefused, err))
	case st == http.StatusRequestTimeout, st == http.StatusConflict, st == http.StatusTooEarly, st >= 500, st < 300:
		return err
	}
	return pipeline.Permanent(err)
}

// askJSON asks for a document and decodes it into out, which may be nil. Found is
// false if the server answers 404.
func (s *sink) askJSON(ctx context.Context, c call, out any) (found bool, err error) {
	resp, err := s.ask(ctx, c)
	if err != nil {
		return false, err
	}
	if resp.Status == http.StatusNotFound {
		var c cause
		if json.Unmarshal(resp.Body, &c) == nil { // the server's own
			return false, nil
		}
	}
	if resp.Status != http.StatusOK {
		return false, s.classify(resp)
	}
	if out == nil {
		return true, nil
	}
	if err := json.Unmarshal(resp.Body, out); err != nil {
		return false, errNotServer
	}
	return true, nil
}

// errNotServer: the answer cannot be read.
var errNotServer = errors.New("this is not an answer of Elasticsearch or OpenSearch: is the address right?")
