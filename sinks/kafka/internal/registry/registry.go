// Package registry registers Avro schemas with a registry that speaks Confluent's
// REST API, and learns their ids.
package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/pipeline"
)

const mediaType = "application/vnd.schemaregistry.v1+json"

// Config says where the registry is.
type Config struct {
	URL       string
	Username  string
	Password  func() (string, error) // read anew for each request
	TLS       httpclient.TLS
	Transport http.RoundTripper // nil: the network
	Register  bool              // schemas that the registry does not know; else they have to be there
}

// Client asks one registry. It may be used concurrently.
type Client struct {
	config Config
	http   *httpclient.Client
}

// New returns a client, which contacts nobody yet.
func New(c Config) (*Client, error) {
	h, err := httpclient.New(httpclient.Options{TLS: c.TLS, Transport: c.Transport})
	if err != nil {
		return nil, err
	}
	c.URL = strings.TrimRight(c.URL, "/")
	return &Client{config: c, http: h}, nil
}

// Close lets go of idle connections.
func (c *Client) Close() error { return c.http.Close() }

// ID returns the id of an Avro schema under subject, and registers it if it is not
// there and the configuration allows it. Asking again gives the same id.
//
// Errors are classified for the pipeline. One that [Unanswered] reports may pass; a
// schema that the registry refuses, or does not have, is permanent.
func (c *Client) ID(ctx context.Context, subject, schema string) (int, error) {
	var text bytes.Buffer
	if err := json.Compact(&text, []byte(schema)); err != nil {
		return 0, pipeline.Permanent(fmt.Errorf("schema of subject %s: %w", subject, err))
	}
	path := "/subjects/" + url.PathEscape(subject)
	if c.config.Register {
		path += "/versions"
	}
	var answer struct {
		ID int `json:"id"`
	}
	err := c.post(ctx, path, text.String(), &answer)
	switch status := httpclient.Status(err); {
	case err == nil && answer.ID <= 0:
		return 0, fmt.Errorf("schema registry %s: subject %s: an answer without an id", c.config.URL, subject)
	case err == nil:
		return answer.ID, nil
	case status == http.StatusConflict:
		return 0, c.incompatible(ctx, subject, text.String(), err)
	case status == http.StatusNotFound && !c.config.Register:
		return 0, pipeline.Permanent(fmt.Errorf("schema registry %s: subject %s does not have this schema, and auto_register is off: register the output of \"connector schema avro\" (%w)",
			c.config.URL, subject, err))
	default:
		return 0, fmt.Errorf("schema registry %s: subject %s: %w", c.config.URL, subject, err)
	}
}

// Check finds out what ID would do, in words, and registers nothing.
func (c *Client) Check(ctx context.Context, subject, schema string) (string, error) {
	lookup := &Client{config: c.config, http: c.http}
	lookup.config.Register = false
	id, err := lookup.ID(ctx, subject, schema)
	if err == nil {
		return fmt.Sprintf("subject %s, schema id %d", subject, id), nil
	}
	if httpclient.Status(err) != http.StatusNotFound || !c.config.Register {
		return "", err
	}
	var verdict struct {
		Compatible *bool `json:"is_compatible"`
	}
	err = c.post(ctx, "/compatibility/subjects/"+url.PathEscape(subject)+"/versions/latest", schema, &verdict)
	if err == nil && verdict.Compatible != nil && !*verdict.Compatible {
		return "", c.incompatible(ctx, subject, schema, errors.New("the registry does not say why"))
	}
	return fmt.Sprintf("subject %s, the schema will be registered", subject), nil
}

func (c *Client) post(ctx context.Context, path, schema string, into any) error {
	body, err := json.Marshal(map[string]string{"schema": schema, "schemaType": "AVRO"})
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, path, body, into)
}

func (c *Client) do(ctx context.Context, method, path string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.config.URL+path, bytes.NewReader(body))
	if err != nil {
		return pipeline.Permanent(err)
	}
	req.Header.Set("Accept", mediaType)
	if body != nil {
		req.Header.Set("Content-Type", mediaType)
	}
	if c.config.Username != "" {
		password, err := c.config.Password()
		if err != nil {
			return err
		}
		req.SetBasicAuth(c.config.Username, password)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	if err := res.Err(); err != nil {
		var body struct {
			Message string `json:"message"`
		}
		if res.Status == http.StatusConflict && json.Unmarshal(res.Body, &body) == nil && body.Message != "" {
			return &conflictError{err, words(body.Message)}
		}
		return err
	}
	if err := json.Unmarshal(res.Body, into); err != nil {
		return res.Hide(fmt.Errorf("%s %s: the answer is not what a schema registry says: %w", method, path, err))
	}
	return nil
}

// Unanswered reports whether err means that the registry gave no answer of its own:
// it is down, or something before it is.
func Unanswered(err error) bool {
	status := httpclient.Status(err)
	return err != nil && !pipeline.IsPermanent(err) && (status == 0 || status >= 500 || status == http.StatusTooManyRequests) &&
		!errors.Is(err, context.Canceled)
}
