package main

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"auditlog-connector/pipeline"
)

// The page is one file: style and script stand in it, and its policy names their
// hashes, so that nothing else is applied or run.
var (
	//go:embed statuspage/page.html
	pageHTML string
	//go:embed statuspage/page.css
	pageCSS string
	//go:embed statuspage/page.js
	pageJS string

	pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
		"age": age, "lag": lag, "watermark": watermark, "batch": batchNumber, "grouped": grouped,
		"fresh": freshness, "clock": func(t time.Time) string { return t.UTC().Format("15:04:05") },
		"time":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"state": stateWords, "level": levelWord,
	}).Parse(pageHTML))

	pagePolicy = fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
		integrity(pageCSS), integrity(pageJS))
)

func integrity(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// statusPage answers / with what every source and lane does, for people. It works
// without JavaScript, which only keeps it up to date.
type statusPage struct {
	status  func() pipeline.Status
	flow    *flow
	trouble *recentTrouble
	now     func() time.Time
	log     *slog.Logger
}

// pageData is what the template draws.
type pageData struct {
	statusDocument
	CSS      template.CSS
	JS       template.JS
	Now      time.Time
	Headline string
	Mood     string // good, busy, bad
	Chart    chart
	Trouble  []trouble
}

// ServeHTTP implements [http.Handler].
func (p *statusPage) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	st, now := p.status(), p.now()
	p.flow.observe(now, st)
	d := pageData{
		statusDocument: describeStatus(st), CSS: template.CSS(pageCSS), JS: template.JS(pageJS), Now: now,
		Chart: drawChart(p.flow.hour(now)), Trouble: p.trouble.recent(),
	}
	d.Headline, d.Mood = headline(st)
	var page bytes.Buffer
	if err := pageTemplate.Execute(&page, d); err != nil {
		p.log.Error("status page not drawn", "err", err)
		writeText(w, http.StatusInternalServerError, "the page cannot be drawn; see /status\n")
		return
	}
	w.Header().Set("Content-Security-Policy", pagePolicy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = page.WriteTo(w) // the client may be gone
}

// headline says in one line whether somebody has to act.
func headline(st pipeline.Status) (text, mood string) {
	var halted, doubt, catching, failing int
	for _, l := range st.Lanes {
		switch {
		case l.State == "halted":
			halted++
		case l.State == "in_doubt":
			doubt++
		case l.State == "catching_up" || !l.Recovered:
			catching++
		}
	}
	for _, s := range st.Sources {
		if s.State == "failing" || s.State == "refused" {
			failing++
		}
	}
	switch {
	case halted > 0:
		return plural(halted, "lane is halted and needs", "lanes are halted and need") + " you", "bad"
	case failing > 0:
		return plural(failing, "source cannot be read", "sources cannot be read"), "bad"
	case doubt > 0:
		return plural(doubt, "lane has", "lanes have") + " a batch in doubt and asks the destination", "busy"
	case catching > 0:
		return plural(catching, "lane is catching up", "lanes are catching up"), "busy"
	case len(st.Lanes) == 0:
		return "There are no lanes", "busy"
	}
	return "All lanes follow their sources", "good"
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// freshness is how old the newest event was when it was delivered last.
func freshness(l pipeline.LaneStatus) string {
	if l.FreshnessSeconds == nil {
		return "-"
	}
	return short(time.Duration(*l.FreshnessSeconds * float64(time.Second)).Round(time.Second))
}

// stateWords is a state as people write it.
func stateWords(state string) string {
	switch state {
	case "catching_up":
		return "catching up"
	case "in_doubt":
		return "in doubt"
	}
	return state
}

func levelWord(l slog.Level) string {
	if l >= slog.LevelError {
		return "error"
	}
	return "warning"
}
