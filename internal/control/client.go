package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"
	"time"
)

// ErrNotRunning says that nobody listens on the socket.
var ErrNotRunning = errors.New("no connector is running with this checkpoint")

// Client asks the connector that runs with a checkpoint. It may be used
// concurrently.
type Client struct {
	path string
	http *http.Client
}

// dialTimeout is how long a connector may take to accept a connection.
const dialTimeout = 5 * time.Second

// Dial finds the connector that runs with the checkpoint. It returns
// [ErrNotRunning] if there is none.
func Dial(ctx context.Context, checkpoint string) (*Client, error) {
	path, err := address(SocketPath(checkpoint))
	if err != nil {
		return nil, err
	}
	dial := func(ctx context.Context) (net.Conn, error) {
		d := net.Dialer{Timeout: dialTimeout}
		return d.DialContext(ctx, "unix", path)
	}
	c, err := dial(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return nil, ErrNotRunning
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("connect to %s: %w (run this as the user whose connector it is)", path, err)
	case err != nil:
		return nil, fmt.Errorf("connect to %s: %w", path, err)
	}
	_ = c.Close()
	transport := &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableKeepAlives: true,
	}
	return &Client{path: path, http: &http.Client{Transport: transport}}, nil
}

// maxAnswer is how long an answer may be: a status of very many lanes.
const maxAnswer = 64 << 20

// Call asks for what, with in as the question (nil: none), and decodes the answer
// into out. What the connector could not do is a [*Error].
func (c *Client) Call(ctx context.Context, what string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("ask the connector for %s: %w", what, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://connector/"+what, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask the connector for %s: %w", what, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask the connector at %s for %s: %w", c.path, what, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("ask the connector at %s for %s: %w", c.path, what, err)
	}
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return fmt.Errorf("the connector that runs does not know %q: it is of another version than this command", what)
	case resp.StatusCode != http.StatusOK:
		e := &Error{}
		if json.Unmarshal(answer, e) != nil || e.Message == "" {
			return fmt.Errorf("ask the connector at %s for %s: %s", c.path, what, resp.Status)
		}
		return e
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("ask the connector at %s for %s: %w", c.path, what, err)
	}
	return nil
}
