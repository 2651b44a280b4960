package hectest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Server is a test collector. Make one with [New]; all methods may be called
// concurrently.
type Server struct {
	mu       sync.Mutex
	config   Config
	nodes    []*node
	turn     int // which node the next request without a cookie gets
	requests int
	posts    int
	polls    int
	searches int
	events   []*Event
	late     []func()
}

// node is one indexer: what it knows is gone when it restarts.
type node struct{ channels map[channelKey]*channel }

type channelKey struct{ token, channel string }

// channel counts the acknowledgements of one channel of one token.
type channel struct {
	next  int64
	ready map[int64]time.Time // not said yet; zero: never
}

// New returns a server without events.
func New(c Config) *Server {
	s := &Server{config: c.withDefaults()}
	s.restart()
	return s
}

// Update changes the configuration between requests.
func (s *Server) Update(change func(c *Config)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.config)
	s.config = s.config.withDefaults()
}

// Restart is the end and the new beginning of every indexer: channels and their
// acknowledgements are forgotten. With lose, so are events that were taken and
// cannot be found yet.
func (s *Server) Restart(lose bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restart()
	if !lose {
		return
	}
	now, kept := s.config.Now(), s.events[:0]
	for _, e := range s.events {
		if !e.visible.After(now) {
			kept = append(kept, e)
		}
	}
	clear(s.events[len(kept):])
	s.events = kept
}

func (s *Server) restart() {
	s.nodes = make([]*node, s.config.Nodes)
	for i := range s.nodes {
		s.nodes[i] = &node{channels: make(map[channelKey]*channel)}
	}
}

// Release lets requests arrive that [FaultLate] holds, and returns how many.
func (s *Server) Release() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.late)
	for _, apply := range s.late {
		apply()
	}
	s.late = nil
	return n
}

// Stats counts what was asked.
type Stats struct {
	Requests int // of any kind
	Posts    int // of events, looked at
	Polls    int // for acknowledgements, looked at
	Searches int
	Late     int // held until Release
	Pending  int // acknowledgements that were not asked for yet, or not with success
}

// Stats returns what was asked so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{Requests: s.requests, Posts: s.posts, Polls: s.polls, Searches: s.searches, Late: len(s.late)}
	for _, n := range s.nodes {
		for _, c := range n.channels {
			st.Pending += len(c.ready)
		}
	}
	return st
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests++
	n, c := s.requests, s.config
	s.mu.Unlock()
	if c.OnRequest != nil {
		c.OnRequest(n, r)
	}
	if c.OnAnswer != nil {
		defer c.OnAnswer(n, r)
	}
	fault := FaultNone
	if c.Fault != nil {
		fault = c.Fault(n, r)
	}
	if fault == FaultLost {
		panic(http.ErrAbortHandler)
	}
	// The whole request is there before it has any effect.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	a, answered := s.serve(r, body, fault)
	if !answered {
		panic(http.ErrAbortHandler)
	}
	send(w, a, c.Now())
}

// serve applies a request as far as the fault lets it. It reports false if there is
// no answer.
func (s *Server) serve(r *http.Request, body []byte, f Fault) (a reply, answered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch f {
	case FaultLate:
		s.late = append(s.late, func() { s.apply(r, body, f) })
		return reply{}, false
	case FaultUnanswered:
		s.apply(r, body, f)
		return reply{}, false
	case FaultInternalTaken:
		s.apply(r, body, f)
		return coded(codeInternal), true
	case FaultGatewayTaken:
		s.apply(r, body, f)
		return page(http.StatusGatewayTimeout), true
	case FaultGatewayLost:
		return page(http.StatusBadGateway), true
	case FaultPage:
		return page(http.StatusOK), true
	}
	if f >= faultCode {
		return coded(int(f - faultCode)), true
	}
	return s.apply(r, body, f), true
}

// apply does what a request asks for.
func (s *Server) apply(r *http.Request, body []byte, f Fault) reply {
	path := strings.TrimSuffix(r.URL.Path, "/1.0")
	method, serve := http.MethodPost, (func(*request) reply)(nil)
	switch path {
	case "/services/collector", "/services/collector/event":
		serve = s.collect
	case "/services/collector/raw":
		serve = s.collectRaw
	case "/services/collector/ack":
		serve = s.acknowledge
	case "/services/collector/health":
		method, serve = http.MethodGet, s.health
	case "/services/search/jobs/export":
		serve = s.search
	case "/services/server/info":
		method, serve = http.MethodGet, s.info
	}
	switch {
	case serve == nil:
		return page(http.StatusNotFound)
	case r.Method != method:
		return page(http.StatusMethodNotAllowed)
	}
	q := &request{Request: r, body: body, fault: f}
	number := s.balance(q)
	a := serve(q)
	if len(s.nodes) > 1 {
		a.cookie = &http.Cookie{Name: "hec-node", Value: strconv.Itoa(number), Path: "/", HttpOnly: true}
	}
	return a
}

// request is one that is being served.
type request struct {
	*http.Request
	body  []byte
	node  *node
	fault Fault
}

// balance chooses the indexer for q: the one its cookie names, or the next in turn.
func (s *Server) balance(q *request) int {
	number := s.turn % len(s.nodes)
	if c, err := q.Cookie("hec-node"); err == nil {
		if i, err := strconv.Atoi(c.Value); err == nil && i >= 0 && i < len(s.nodes) {
			q.node = s.nodes[i]
			return i
		}
	}
	s.turn++
	q.node = s.nodes[number]
	return number
}

func send(w http.ResponseWriter, a reply, now time.Time) {
	h := w.Header()
	h.Set("Date", now.UTC().Format(http.TimeFormat))
	h.Set("Server", "Splunkd")
	h.Set("Content-Type", "application/json; charset=UTF-8")
	if a.kind != "" {
		h.Set("Content-Type", a.kind)
	}
	if a.cookie != nil {
		http.SetCookie(w, a.cookie)
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client may be gone
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}

// errCut is what a client of the transport sees where a connection would have ended.
var errCut = errors.New("connection ended without an answer")

// RoundTrip implements [http.RoundTripper]: the server without a network. It
// starts no goroutine and returns when the answer is there.
func (s *Server) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := &recorder{header: make(http.Header)}
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	defer in.Body.Close()
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			resp, err = nil, fmt.Errorf("hectest: %w", errCut)
		default:
			panic(p)
		}
		if ctx := r.Context().Err(); ctx != nil {
			resp, err = nil, ctx
		}
	}()
	s.ServeHTTP(w, in)
	return &http.Response{
		StatusCode: w.status, Status: http.StatusText(w.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) WriteHeader(status int)      { w.status = status }
func (w *recorder) Write(b []byte) (int, error) { return w.body.Write(b) }
