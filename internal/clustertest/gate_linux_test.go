package clustertest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// gate is a proxy in front of the store that can hold up batches, and let them through
// or drop them when whoever sent them is long gone.
type gate struct {
	addr string

	mu   sync.Mutex
	shut *shut // nil: open
}

// shut is one time that the gate is shut.
type shut struct {
	opened chan struct{} // closed when the gate opens
	drop   bool          // what waits is not let through; set before opened is closed
	held   int           // batches that came
}

func newGate(t *testing.T, store string) *gate {
	t.Helper()
	to, err := url.Parse(store)
	if err != nil {
		t.Fatal(err)
	}
	g := new(gate)
	proxy := &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		ErrorLog: log.New(io.Discard, "", 0), // a pod that was deleted hangs up
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/dt=") {
			proxy.ServeHTTP(rw, r)
			return
		}
		// Read whole before it waits, and sent on although nobody waits for the answer.
		body, err := io.ReadAll(r.Body)
		if err != nil || g.pass() {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(rw, r.WithContext(context.WithoutCancel(r.Context())))
	}))
	t.Cleanup(server.Close)
	t.Cleanup(g.open)
	g.addr = server.Listener.Addr().String()
	return g
}

// pass waits while the gate is shut, and reports whether the batch is to be dropped.
func (g *gate) pass() (drop bool) {
	g.mu.Lock()
	s := g.shut
	if s != nil {
		s.held++
	}
	g.mu.Unlock()
	if s == nil {
		return false
	}
	<-s.opened
	return s.drop
}

// close holds up every batch from now on.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == nil {
		g.shut = &shut{opened: make(chan struct{})}
	}
}

// open lets through what waits, and everything after it.
func (g *gate) open() { g.end(false) }

// drop drops what waits, and lets through everything after it.
func (g *gate) drop() { g.end(true) }

func (g *gate) end(drop bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		g.shut.drop = drop
		close(g.shut.opened)
		g.shut = nil
	}
}

// waiting returns how many batches came to the gate since it was shut.
func (g *gate) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == nil {
		return 0
	}
	return g.shut.held
}

// awaitBatch shuts the gate and waits until a batch stands before it.
func (w *world) awaitBatch(t *testing.T) {
	t.Helper()
	w.gate.close()
	w.await(t, "a batch at the store", func() error {
		if w.gate.waiting() == 0 {
			return errors.New("none came")
		}
		return nil
	})
}
