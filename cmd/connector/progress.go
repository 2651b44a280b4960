package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"auditlog-connector/pipeline"
)

// statusLine is the last line of a terminal, drawn again and again below what is
// written through it. It may be used concurrently.
type statusLine struct {
	mu    sync.Mutex
	w     io.Writer
	shown bool
}

// eraseLine moves to the start of the line and clears it.
const eraseLine = "\r\x1b[K"

// Write writes p above the line.
func (l *statusLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
	return l.w.Write(p)
}

// draw replaces the line; empty removes it.
func (l *statusLine) draw(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
	if text == "" {
		return
	}
	// A line that wraps could not be erased.
	if width := terminalWidth(l.w); width > 1 {
		if runes := []rune(text); len(runes) >= width {
			text = string(runes[:width-1])
		}
	}
	_, _ = io.WriteString(l.w, text) // a terminal that is gone is no reason to stop
	l.shown = true
}

func (l *statusLine) erase() {
	if l.shown {
		_, _ = io.WriteString(l.w, eraseLine)
		l.shown = false
	}
}

// showProgress draws the state of a pipeline until ctx is done or the returned
// function is called, which waits until the line is gone. Without once it is drawn
// only while lanes catch up, and only if that takes long.
func showProgress(ctx context.Context, line *statusLine, once bool, status func() pipeline.Status, now func() time.Time) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer line.draw("")
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		p := progress{once: once}
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				line.draw(p.text(status(), now()))
			}
		}
	}()
	return func() { cancel(); <-done }
}

// longCatchUp is how long lanes catch up before that is worth a line.
const longCatchUp = 2 * time.Second

// progress turns a row of states into words.
type progress struct {
	once   bool
	behind time.Time // since when lanes catch up; zero: none does

	began   time.Time // when the first event had been read, not before
	before  uint64    // events delivered by then
	reached time.Time // event time reached by then
}

// text describes st: events, rate, event time reached, time left. It is empty if
// there is nothing worth a line.
func (p *progress) text(st pipeline.Status, now time.Time) string {
	if !p.once && !p.long(st, now) {
		return ""
	}
	var read, delivered uint64
	var reached time.Time // the least advanced lane's
	halted := 0
	for _, l := range st.Lanes {
		read += l.Read
		delivered += l.Delivered
		if l.Reached != nil && (reached.IsZero() || l.Reached.Before(reached)) {
			reached = *l.Reached
		}
		if l.State == "halted" {
			halted++
		}
	}
	// The years before the first event pass in seconds and say nothing about what
	// is to come.
	if p.began.IsZero() && read > 0 && !reached.IsZero() {
		p.began, p.before, p.reached = now, delivered, reached
	}
	parts := []string{grouped(read) + " read", grouped(delivered) + " delivered"}
	if read == 0 {
		parts = []string{"no events yet"}
	}
	elapsed := now.Sub(p.began)
	if s := elapsed.Seconds(); !p.began.IsZero() && s >= 1 {
		parts = append(parts, grouped(uint64(float64(delivered-p.before)/s))+"/s")
	}
	if !reached.IsZero() {
		parts = append(parts, "at "+reached.UTC().Format("2006-01-02 15:04"))
		// Event time is not work, but it is all that is known in advance.
		done, all := reached.Sub(p.reached), now.Sub(p.reached)
		if !p.began.IsZero() && elapsed >= 5*time.Second && done > 0 && all > done {
			left := time.Duration(float64(elapsed) * (float64(all)/float64(done) - 1)).Round(time.Second)
			if left > 0 {
				parts = append(parts, "about "+left.String()+" left")
			}
		}
	}
	if halted > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d lanes halted", halted, len(st.Lanes)))
	}
	for _, s := range st.Sources {
		if s.State == "failing" || s.State == "refused" {
			parts = append(parts, "source "+s.Name+" "+s.State)
		}
	}
	return strings.Join(parts, ", ")
}

// long reports whether lanes have been catching up for long. When none does any
// more, the next catch-up is counted from its own beginning.
func (p *progress) long(st pipeline.Status, now time.Time) bool {
	for _, l := range st.Lanes {
		if l.State == "catching_up" {
			if p.behind.IsZero() {
				p.behind = now
			}
			return now.Sub(p.behind) >= longCatchUp
		}
	}
	*p = progress{}
	return false
}

// grouped returns n with a comma between groups of three digits.
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
