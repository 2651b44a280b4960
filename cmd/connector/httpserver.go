package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"auditlog-connector/pipeline"
)

// httpGrace is how long requests under way may take once the program ends.
const httpGrace = 2 * time.Second

// httpEndpoint is the HTTP endpoint of a running connector. The zero value of the
// listener means that it is off.
type httpEndpoint struct {
	listener net.Listener
	server   *http.Server
	done     chan error
	stopFlow func() // ends what watches the counts for the page
}

// listenHTTP opens the endpoint that s asks for. With once it is off unless the
// configuration has it: a command that ends by itself is not scraped, and two of
// them must not be in each other's way. For the same reason an address that was not
// configured and is in use is a warning.
func listenHTTP(s *settings, once bool, log *slog.Logger) (*httpEndpoint, error) {
	c := s.file.HTTP
	if c.Listen == "" || once && !s.httpConfigured {
		return &httpEndpoint{}, nil
	}
	var secured *tls.Config
	if c.TLS != nil {
		pair := &keyPair{certFile: c.TLS.CertFile, keyFile: c.TLS.KeyFile, log: log}
		if err := pair.load(); err != nil {
			return nil, fmt.Errorf("http.tls: %w", err)
		}
		secured = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.certificate}
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		if s.httpConfigured {
			return nil, fmt.Errorf("http.listen: %w", err)
		}
		log.Warn("metrics and status are not served", "address", c.Listen, "err", err,
			"hint", "set http.listen to an address of its own, or to nothing")
		return &httpEndpoint{}, nil
	}
	if secured != nil {
		l = tls.NewListener(l, secured)
	}
	if !isLoopback(l.Addr()) && c.Token.IsZero() {
		log.Warn("metrics and status are served to everybody who can reach the address", "address", l.Addr().String(), "hint", "set http.token")
	}
	return &httpEndpoint{listener: l}, nil
}

func isLoopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

// serve begins to answer from status, until close.
func (e *httpEndpoint) serve(s *settings, status func() pipeline.Status, metrics prometheus.Gatherer, trouble *recentTrouble, log *slog.Logger) {
	if e.listener == nil {
		return
	}
	page := &statusPage{status: status, flow: &flow{}, trouble: trouble, now: trouble.now, log: log}
	e.stopFlow = page.flow.watch(status)
	e.server = &http.Server{
		Handler:           newHTTPHandler(s.file.HTTP.Token, status, metrics, page, log),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	e.done = make(chan error, 1)
	scheme := "http"
	if s.file.HTTP.TLS != nil {
		scheme = "https"
	}
	log.Info("serving metrics and status", "url", scheme+"://"+e.listener.Addr().String()+"/")
	go func() { e.done <- e.server.Serve(e.listener) }()
}

// Close stops the endpoint and waits for it, requests under way included for as
// long as httpGrace.
func (e *httpEndpoint) Close() error {
	switch {
	case e.listener == nil:
		return nil
	case e.server == nil:
		return e.listener.Close()
	}
	e.stopFlow()
	ctx, cancel := context.WithTimeout(context.Background(), httpGrace)
	defer cancel()
	if e.server.Shutdown(ctx) != nil {
		_ = e.server.Close()
	}
	if err := <-e.done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
