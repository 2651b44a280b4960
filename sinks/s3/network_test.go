package s3

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"auditlog-connector/sinks/sinktest"
)

// network carries requests to a store and lies about the next one that delivers a
// batch.
type network struct {
	*http.Transport
	mu      sync.Mutex
	next    *lie
	broken  bool
	deliver func(r *http.Request) bool // is this the request that delivers a batch
}

type lie struct {
	fault   sinktest.Fault
	cancel  func()
	release chan func() // of a late request: what lets it arrive
}

func newNetwork(t testing.TB) *network {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(tr.CloseIdleConnections)
	return &network{Transport: tr, deliver: putsBatch}
}

// putsBatch reports whether r makes the object of a batch: in one piece or by
// completing an upload.
func putsBatch(r *http.Request) bool {
	q := r.URL.Query()
	whole := r.Method == http.MethodPut && !q.Has("uploadId") || r.Method == http.MethodPost && q.Has("uploadId")
	return whole && strings.Contains(r.URL.Path, "/source=")
}

func (n *network) inject(f sinktest.Fault, cancel func()) (release func(), ok bool) {
	l := &lie{fault: f, cancel: cancel, release: make(chan func(), 1)}
	n.mu.Lock()
	n.next = l
	n.mu.Unlock()
	return func() {
		select {
		case arrive := <-l.release:
			arrive()
		default:
		}
	}, true
}

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	l, broken := n.next, n.broken
	if l != nil && n.deliver(r) {
		n.next = nil
	} else {
		l = nil
	}
	n.mu.Unlock()
	switch {
	case broken:
		return refusal(r, 404, "NoSuchBucket"), nil
	case l == nil:
		return n.Transport.RoundTrip(r)
	}
	switch l.fault {
	case sinktest.Lost:
		return nil, errors.New("connection reset by peer")
	case sinktest.Throttled:
		return refusal(r, 503, "SlowDown"), nil
	case sinktest.Cancelled:
		l.cancel()
		return n.Transport.RoundTrip(r)
	case sinktest.Late:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		late := r.Clone(r.Context())
		l.release <- func() {
			late.Body = io.NopCloser(bytes.NewReader(body))
			resp, err := n.Transport.RoundTrip(late.WithContext(contextWithoutEnd(late)))
			if err == nil {
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		}
		return nil, errors.New("i/o timeout")
	}
	resp, err := n.Transport.RoundTrip(r)
	if err == nil {
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	return nil, errors.Join(errors.New("unexpected EOF"), err)
}

func refusal(r *http.Request, status int, code string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/xml"}},
		Body:   io.NopCloser(strings.NewReader("<Error><Code>" + code + "</Code><Message>no</Message></Error>")),
	}
}
