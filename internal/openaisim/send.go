package openaisim

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"time"
)

// send writes an answer, or breaks it off.
func (s *Server) send(w http.ResponseWriter, r *http.Request, cfg *Config, n int, a answer) {
	if a.pooled != nil {
		defer buffers.Put(a.pooled)
	}
	started := time.Now()
	if cfg.Latency > 0 && !sleep(r.Context(), cfg.Latency) {
		panic(http.ErrAbortHandler)
	}
	if a.fault == FaultReset {
		reset(w)
		return
	}
	s.stats.answered(a.status)
	h := w.Header()
	if cfg.NoDate {
		h["Date"] = nil
	} else {
		h.Set("Date", cfg.Now().Add(cfg.DateSkew).UTC().Format(http.TimeFormat))
	}
	id := rng(nth(site(cfg.Seed, "request"), uint64(n)))
	h.Set("X-Request-Id", string(id.text([]byte("req_"), hexes, 32)))
	h.Set("Openai-Version", "2020-10-01")
	h.Set("Openai-Organization", s.cast.org)
	h.Set("Openai-Processing-Ms", strconv.FormatInt(time.Since(started).Milliseconds()+1, 10))
	h.Set("Content-Type", "application/json")
	if a.html {
		h.Set("Content-Type", "text/html; charset=UTF-8")
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	for _, kv := range a.header {
		h.Set(kv[0], kv[1])
	}
	w.WriteHeader(a.status)
	rc := http.NewResponseController(w)
	switch a.fault {
	case FaultResetBody:
		_, _ = w.Write(a.body[:len(a.body)/2]) // the client may be gone: so be it, here and below
		_ = rc.Flush()
		reset(w)
		return
	case FaultSlow:
		trickle(w, r, cfg.Faults.SlowFor, a.body)
	default:
		_, _ = w.Write(a.body)
	}
	if cfg.OnAnswer != nil {
		_ = rc.Flush() // the hook is called once the answer has left
	}
}

// trickle writes a body in eight parts over a time.
func trickle(w http.ResponseWriter, r *http.Request, over time.Duration, body []byte) {
	const parts = 8
	rc := http.NewResponseController(w)
	for i := range parts {
		_, _ = w.Write(body[len(body)*i/parts : len(body)*(i+1)/parts])
		_ = rc.Flush()
		if !sleep(r.Context(), over/parts) {
			panic(http.ErrAbortHandler)
		}
	}
}

// reset breaks the connection off as a peer that has forgotten about it does.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // closing sends RST
	}
	_ = conn.Close()
}

// sleep waits; false: the request was given up meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
