package tracing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/pipeline"
)

// mostAnswered bounds what is read of a collector's answer.
const mostAnswered = 1 << 20

// client sends traces to a collector over OTLP/HTTP. It is an [otlptrace.Client] and
// not the exporter that comes with it: that one follows redirects with its headers,
// repeats in its errors what the collector says, and makes the program 2 MB larger
// with a gRPC that it does not use.
type client struct {
	collector
	http    *httpclient.Client
	secrets []string           // values of the headers
	closing context.Context    // done once nothing is repeated any more
	hurry   context.CancelFunc // ends closing
	ended   context.Context    // done once nothing is sent any more
	end     context.CancelFunc // ends ended
}

func newClient(c collector) (*client, error) {
	h, err := httpclient.New(httpclient.Options{TLS: c.tls, Timeout: milliseconds(c.timeout), MaxBody: mostAnswered})
	if err != nil {
		return nil, err
	}
	cl := &client{collector: c, http: h}
	for _, h := range c.headers {
		cl.secrets = append(cl.secrets, h.value)
	}
	cl.closing, cl.hurry = context.WithCancel(context.Background())
	cl.ended, cl.end = context.WithCancel(context.Background())
	return cl, nil
}

// Start implements [otlptrace.Client]. It contacts nobody.
func (c *client) Start(context.Context) error { return nil }

// Stop implements [otlptrace.Client]. What is being sent is given up.
func (c *client) Stop(context.Context) error {
	c.hurry()
	c.end()
	return c.http.Close()
}

// UploadTraces implements [otlptrace.Client]. It repeats a request that the collector
// may take later, as long as an export may take, unless the end has begun. Its errors hold no header's value.
func (c *client) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// The bytes are those of an ExportTraceServiceRequest, whose package needs gRPC.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("encode traces: %w", err)
	}
	if c.gzip {
		body = httpclient.Gzip(body)
	}
	ctx, cancel := context.WithTimeout(ctx, milliseconds(c.timeout))
	defer cancel()
	defer context.AfterFunc(c.ended, cancel)()
	pauses := backoff.NewExponentialBackOff()
	for {
		err := c.send(ctx, body)
		if err == nil || !passes(err) {
			return err
		}
		pause := pauses.NextBackOff()
		var throttled *pipeline.ThrottledError
		if errors.As(err, &throttled) {
			pause = max(pause, throttled.After)
		}
		select {
		case <-ctx.Done():
			return err
		case <-c.closing.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// send sends one request.
func (c *client) send(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(body))
	if err != nil {
		return pipeline.Permanent(err)
	}
	for _, h := range c.headers {
		req.Header.Set(h.name, h.value)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	if c.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := c.http.Do(req)
	if err == nil {
		err = resp.Err()
	}
	if err != nil {
		return &redactedError{err, c.secrets}
	}
	return nil
}

// passes reports whether the same request may be taken later. The protocol names the
// answers that say so.
func passes(err error) bool {
	status := httpclient.Status(err)
	return status == 0 && !pipeline.IsPermanent(err) || slices.Contains([]int{429, 502, 503, 504}, status)
}

// redactedError hides the headers' values in the text of an error: any of them may be
// a key, and a server may repeat it.
type redactedError struct {
	err     error
	secrets []string
}

func (e *redactedError) Error() string { return httpclient.Redact(e.err.Error(), e.secrets...) }

func (e *redactedError) Unwrap() error { return e.err }

// milliseconds is how the variables count time.
func milliseconds(n int) time.Duration { return time.Duration(n) * time.Millisecond }
