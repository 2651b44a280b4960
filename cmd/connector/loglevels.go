package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// logLevels is a log level, and others for some lanes.
type logLevels struct {
	all   slog.Level
	lanes map[string]slog.Level
}

// parseLogLevels reads --log-level: "info", or "info,acme/archive=debug". The
// level for all may be missing; configured is used then.
func parseLogLevels(text string, configured slog.Level) (logLevels, error) {
	levels := logLevels{all: configured, lanes: make(map[string]slog.Level)}
	for part := range strings.SplitSeq(text, ",") {
		lane, name, forLane := strings.Cut(strings.TrimSpace(part), "=")
		if !forLane {
			name = lane
		}
		l, err := parseLevel(name)
		switch {
		case err != nil:
			return levels, err
		case !forLane:
			levels.all = l
		case strings.Count(lane, "/") != 1:
			return levels, fmt.Errorf("%q is not a lane; write source/sink=level", lane)
		default:
			levels.lanes[lane] = l
		}
	}
	return levels, nil
}

// lowest is the lowest level there is.
func (l logLevels) lowest() slog.Level {
	low := l.all
	for _, level := range l.lanes {
		low = min(low, level)
	}
	return low
}

// of returns the level of a lane, or that for all.
func (l logLevels) of(lane string) slog.Level {
	if level, ok := l.lanes[lane]; ok {
		return level
	}
	return l.all
}

// laneHandler is a [slog.Handler] that lets through what its lane's level says. The
// handler behind it takes everything down to the lowest.
type laneHandler struct {
	slog.Handler
	levels logLevels
	lane   string // of the attributes given so far; empty: none
}

// Handle implements [slog.Handler].
func (h *laneHandler) Handle(ctx context.Context, rec slog.Record) error {
	lane := h.lane
	rec.Attrs(func(a slog.Attr) bool {
		if a.Key == "lane" {
			lane = a.Value.String()
		}
		return true
	})
	if rec.Level < h.levels.of(lane) {
		return nil
	}
	return h.Handler.Handle(ctx, rec)
}

// WithAttrs implements [slog.Handler].
func (h *laneHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := &laneHandler{h.Handler.WithAttrs(attrs), h.levels, h.lane}
	for _, a := range attrs {
		if a.Key == "lane" {
			with.lane = a.Value.String()
		}
	}
	return with
}

// WithGroup implements [slog.Handler].
func (h *laneHandler) WithGroup(name string) slog.Handler {
	return &laneHandler{h.Handler.WithGroup(name), h.levels, h.lane}
}
