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
	configured, err := parseLevel(c.Level)
	if err != nil {
		configured = slog.LevelInfo // it was validated; a log that says too much beats none
	}
	levels := logLevels{all: configured}
	if a.logLevel != "" {
		if given, err := parseLogLevels(a.logLevel, configured); err == nil { // it was validated too
			levels = given
		}
	}
	options := &slog.HandlerOptions{Level: levels.lowest()}
	var h slog.Handler = slog.NewJSONHandler(w, options)
	if c.Format == "text" || c.Format == "auto" && terminal {
		h = slog.NewTextHandler(w, options)
	}
	if len(levels.lanes) > 0 {
		h = &laneHandler{Handler: h, levels: levels}
	}
	return slog.New(h)
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
