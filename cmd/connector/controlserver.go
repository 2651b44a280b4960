package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"auditlog-connector/internal/control"
)

// serveControl answers operators through the checkpoint's socket until stop is
// called, which waits. What they asked for is cut short when ctx is done. Without a
// socket the export goes on all the same.
func serveControl(ctx context.Context, checkpoint string, d *desk, log *slog.Logger) (stop func()) {
	l, err := control.Listen(checkpoint)
	if err != nil {
		log.Warn("operators' commands cannot reach this process", "err", err)
		return func() {}
	}
	server := &http.Server{
		Handler:           newControlMux(d),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // until stop
	}()
	return func() {
		// Answers that are ready still get out.
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), httpGrace)
		defer cancel()
		if server.Shutdown(grace) != nil {
			_ = server.Close()
		}
		<-done
	}
}
