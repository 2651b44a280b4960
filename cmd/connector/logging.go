package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"
)

// parseLevel reads a log level of the configuration or of --log-level.
func parseLevel(text string) (slog.Level, error) {
	switch text {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("%q is not a level; known: debug, info, warn, error", text)
}

// logger returns the logger that c and --log-level ask for. It writes to w,
// which is the terminal if terminal is set.
func (a *app) logger(c logConfig, w io.Writer, terminal bool) *slog.Logger {
	level := c.Level
	if a.logLevel != "" {
		level = a.logLevel
	}
	l, err := parseLevel(level)
	if err != nil {
		l = slog.LevelInfo // both were validated; a log that says too much beats none
	}
	options := &slog.HandlerOptions{Level: l}
	if c.Format == "text" || c.Format == "auto" && terminal {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// terminalWidth returns the number of columns of the terminal w, or 0 if w is
// none or does not say.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}
