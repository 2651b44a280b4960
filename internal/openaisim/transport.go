package openaisim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
)

// RoundTrip answers a request without a network. It returns once the whole answer
// is there: a slow body delays the headers too. A connection that the server
// breaks off is an error that wraps [syscall.ECONNRESET], of RoundTrip or of the
// reading of the body.
func (s *Server) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	if r.Body != nil {
		defer func() { err = errors.Join(err, r.Body.Close()) }()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := &memory{header: http.Header{}}
	if s.serve(w, r) {
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		broken := fmt.Errorf("simulated connection: %w", syscall.ECONNRESET)
		if w.status == 0 {
			return nil, broken
		}
		w.broken = broken
	}
	resp = &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, ContentLength: int64(w.body.Len()), Request: r,
		Body: io.NopCloser(io.MultiReader(&w.body, failing{w.broken})),
	}
	if w.broken != nil {
		resp.ContentLength = -1
	}
	return resp, nil
}

// serve runs the handler and reports whether it broke the connection off.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) (broken bool) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			broken = true
		default:
			panic(p)
		}
	}()
	// A server sees the path of the request line, never a nil header.
	in := r.Clone(r.Context())
	if in.Header == nil {
		in.Header = http.Header{}
	}
	if in.Method == "" {
		in.Method = http.MethodGet
	}
	s.ServeHTTP(w, in)
	return false
}

// memory is an [http.ResponseWriter] that keeps the answer.
type memory struct {
	header http.Header
	status int
	body   bytes.Buffer
	broken error
}

func (m *memory) Header() http.Header { return m.header }

func (m *memory) WriteHeader(status int) {
	if m.status == 0 {
		m.status = status
	}
}

func (m *memory) Write(p []byte) (int, error) {
	m.WriteHeader(http.StatusOK)
	return m.body.Write(p)
}

// Flush does nothing: the reader sees everything at once.
func (m *memory) Flush() {}

// failing ends a body.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}
