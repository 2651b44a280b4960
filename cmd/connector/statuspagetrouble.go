package main

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	// mostTrouble is how many warnings and errors the status page remembers.
	mostTrouble = 20
	// longestTrouble is how many characters of a text it shows.
	longestTrouble = 400
)

// recentTrouble remembers the last warnings and errors of the log for the status
// page. It is safe for concurrent use.
type recentTrouble struct {
	now func() time.Time

	mu   sync.Mutex
	list []trouble // oldest first
}

// trouble is one line of the log, or several alike in a row.
type trouble struct {
	Last   time.Time
	Level  slog.Level
	Where  string // lane, else source; may be empty
	What   string
	Err    string
	Hint   string
	Repeat int // how often, at least 1
}

func newRecentTrouble(now func() time.Time) *recentTrouble { return &recentTrouble{now: now} }

// watch returns a logger that writes where log does, and from which warnings and
// errors are remembered.
func (r *recentTrouble) watch(log *slog.Logger) *slog.Logger {
	return slog.New(&troubleHandler{next: log.Handler(), to: r})
}

// recent returns what is remembered, newest first.
func (r *recentTrouble) recent() []trouble {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]trouble, 0, len(r.list))
	for i := len(r.list) - 1; i >= 0; i-- {
		list = append(list, r.list[i])
	}
	return list
}

func (r *recentTrouble) add(t trouble) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Last, t.Repeat = r.now(), 1
	if n := len(r.list); n > 0 {
		last := &r.list[n-1]
		if last.Level == t.Level && last.Where == t.Where && last.What == t.What && last.Err == t.Err {
			last.Last = t.Last
			last.Repeat++
			return
		}
		if n == mostTrouble {
			r.list = r.list[1:]
		}
	}
	r.list = append(r.list, t)
}

// troubleHandler is a [slog.Handler] in front of another.
type troubleHandler struct {
	next  slog.Handler
	to    *recentTrouble
	attrs []slog.Attr
}

// Enabled implements [slog.Handler].
func (h *troubleHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn || h.next.Enabled(ctx, l)
}

// Handle implements [slog.Handler].
func (h *troubleHandler) Handle(ctx context.Context, rec slog.Record) error {
	if rec.Level >= slog.LevelWarn {
		t := trouble{Level: rec.Level, What: clipped(rec.Message)}
		for _, a := range h.attrs {
			t.take(a)
		}
		rec.Attrs(func(a slog.Attr) bool { t.take(a); return true })
		h.to.add(t)
	}
	if !h.next.Enabled(ctx, rec.Level) {
		return nil
	}
	return h.next.Handle(ctx, rec)
}

// take takes over the attributes that say where and why. Others stay in the log.
func (t *trouble) take(a slog.Attr) {
	text := clipped(a.Value.Resolve().String())
	switch a.Key {
	case "lane":
		t.Where = text
	case "source":
		if t.Where == "" {
			t.Where = text
		}
	case "err", "problem", "reason":
		t.Err = text
	case "hint":
		t.Hint = text
	}
}

func clipped(text string) string {
	r := []rune(strings.ToValidUTF8(text, "�"))
	if len(r) > longestTrouble {
		return string(r[:longestTrouble]) + "…"
	}
	return string(r)
}

// WithAttrs implements [slog.Handler].
func (h *troubleHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &troubleHandler{h.next.WithAttrs(attrs), h.to, append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

// WithGroup implements [slog.Handler].
func (h *troubleHandler) WithGroup(name string) slog.Handler {
	return &troubleHandler{h.next.WithGroup(name), h.to, h.attrs}
}
