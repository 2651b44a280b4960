package openaisim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Path is where the audit log is.
const Path = "/v1/organization/audit_logs"

// Server is a simulated organization: an [http.Handler] that serves its audit
// log. Its methods may be called concurrently, also from hooks.
//
// It is an [http.RoundTripper] too: an [http.Client] with a Server as its
// transport talks to it without a network, in a synctest bubble for instance.
type Server struct {
	base     *Config // as given to New; what events are like does not change
	cfg      atomic.Pointer[Config]
	start    time.Time
	cast     *cast
	inventor *inventor
	stats    counters
	limiter  limiter
	sites    [streams]uint64

	mu       sync.RWMutex // guards what follows
	store    *store
	listings [streams]*listing
	renderer *renderer
	live     live
}

// New invents the organization that cfg describes. It takes a few seconds for a
// million events. An error says what in cfg cannot be meant.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	start := time.Now()
	if cfg.Now != nil {
		start = cfg.Now()
	}
	cfg = cfg.withDefaults(start)
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		base: &cfg, start: start, cast: newCast(cfg.Seed), inventor: newInventor(&cfg),
		store: newStore(cfg.Events),
		live:  live{rate: cfg.Rate, since: start, next: cfg.Events},
		sites: [streams]uint64{site(cfg.Seed, Organization), site(cfg.Seed, Tenant)},
	}
	s.renderer = newRenderer(s.base, s.cast)
	s.cfg.Store(&cfg)
	s.stats.init()
	tieSite := site(cfg.Seed, "tie")
	tie := func(ev uint32) uint64 { return nth(tieSite, uint64(ev)) }
	if cfg.TieOrder == TieSequence {
		tie = func(ev uint32) uint64 { return uint64(ev) }
	}
	if cfg.Order == OrderNone {
		tie = func(ev uint32) uint64 { return nth(tieSite, uint64(ev)) }
	}
	for i := range s.listings {
		s.listings[i] = &listing{byTie: cfg.Order == OrderNone, tie: tie}
	}
	if err := s.generate(start); err != nil {
		return nil, err
	}
	return s, nil
}

// Update changes knobs while the server runs: change gets a copy of the
// configuration and must not call the server, and requests that come later see the
// result. What decides how
// events look, become visible late and are ordered (Seed to Changing, Order to or
// from OrderNone, TieOrder) stays as it was, except for Rate. If the result cannot
// be meant, nothing changes.
func (s *Server) Update(change func(c *Config)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	cfg := *s.cfg.Load()
	was := cfg
	change(&cfg)
	if (cfg.Order == OrderNone) != (was.Order == OrderNone) || cfg.TieOrder != was.TieOrder {
		return fmt.Errorf("update simulator: the order of a listing is fixed (%s, %s)", was.Order, was.TieOrder)
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	if cfg.Rate != was.Rate {
		now := was.Now()
		s.catchUp(now)
		s.live = live{rate: cfg.Rate, since: now, next: s.live.next}
	}
	cfg = cfg.withDefaults(s.start)
	s.cfg.Store(&cfg)
	return nil
}

// ServeHTTP answers a request. Where a fault breaks the connection off, it takes
// the connection over or panics with [http.ErrAbortHandler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, simPrefix) {
		s.serveSim(w, r)
		return
	}
	n := int(s.stats.requests.Add(1))
	if hook := s.cfg.Load().OnRequest; hook != nil {
		hook(n, r)
	}
	cfg := s.cfg.Load() // the hook may have changed it
	if cfg.OnAnswer != nil {
		defer cfg.OnAnswer(n, r)
	}
	s.send(w, r, cfg, n, s.answer(cfg, n, r))
}

// Start serves on a TCP address such as 127.0.0.1:0 and returns the address with
// the port that was taken; the API is below http://addr/v1. stop ends it: requests
// under way get a second, then their connections are closed.
func (s *Server) Start(listen string) (addr string, stop func(), err error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return "", nil, fmt.Errorf("start simulator: %w", err)
	}
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			_ = srv.Close() // the listener broke: clients see their connections close
		}
	}()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if srv.Shutdown(ctx) != nil {
				_ = srv.Close()
			}
			<-done
		})
	}
	return l.Addr().String(), stop, nil
}
