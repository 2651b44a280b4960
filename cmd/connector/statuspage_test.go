package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/secret"
	"auditlog-connector/pipeline"
)

func drawPage(t *testing.T, p *statusPage) *httptest.ResponseRecorder {
	t.Helper()
	h := newHTTPHandler(secret.String{}, p.status, newMetricRegistry(), p, slog.New(slog.DiscardHandler))
	w := ask(h, http.MethodGet, "/", "")
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return w
}

func pageOf(st pipeline.Status, now time.Time) *statusPage {
	return &statusPage{
		status: func() pipeline.Status { return st }, flow: &flow{}, trouble: newRecentTrouble(func() time.Time { return now }),
		now: func() time.Time { return now }, log: slog.New(slog.DiscardHandler),
	}
}

var noon = time.Date(2026, 3, 4, 12, 0, 30, 0, time.UTC)

func TestStatusPageSaysWhatIsWrongAndWhatToDo(t *testing.T) {
	polled, fresh := noon.Add(-12*time.Second), 31.4
	p := pageOf(pipeline.Status{
		Sources: []pipeline.SourceStatus{{Name: "acme", State: "ok", LastEvent: &polled, Streams: []pipeline.StreamStatus{
			{Name: "organization", State: "ok", LastPoll: &polled}, {Name: "tenant", State: "refused", Reason: "403: no scope <api>"},
		}}},
		Lanes: []pipeline.LaneStatus{
			{
				Lane: "acme/archive", State: "following", Guarantee: "exactly once", Recovered: true, Attached: true, LastDelivery: &polled, FreshnessSeconds: &fresh,
				Delivered: 12345, LagSeconds: 61, Batch: "acme/archive/0a1b2c3d/00000000000000000017", Watermarks: map[string]time.Time{"organization": noon},
			},
			{Lane: "acme/siem", State: "halted", Guarantee: "at least once", Reason: "deliver: <script>alert(1)</script>", Hint: "connector checkpoint resolve --lane acme/siem"},
		},
	}, noon)
	log := p.trouble.watch(slog.New(slog.DiscardHandler))
	log.With("lane", "acme/siem").Warn("batch not settled", "err", "refused: <b>", "event_id", "audit_log-x", "actor", "jane@example.com")
	body := drawPage(t, p).Body.String()
	for _, want := range []string{
		"1 lane is halted and needs you", "<h3>acme/archive</h3>", "exactly once", "<dd>12,345</dd>", "<dd>1m1s</dd>", "<dd>31s</dd>", "12s ago", ">17</dd>",
		"2026-03-04T12:00:30Z", "deliver: &lt;script&gt;alert(1)&lt;/script&gt;", "connector checkpoint resolve --lane acme/siem", "403: no scope &lt;api&gt;",
		"batch not settled: refused: &lt;b&gt;", "<strong>acme/siem</strong>", `<noscript><meta http-equiv="refresh"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, never := range []string{"<script>alert", "audit_log-x", "jane@example.com"} {
		if strings.Contains(body, never) {
			t.Errorf("the page has %q", never)
		}
	}
	if t.Failed() {
		t.Log(body)
	}
}

func TestStatusPageNeedsNothingElseAndRunsNothingElse(t *testing.T) {
	w := drawPage(t, pageOf(healthy, noon))
	body, policy := w.Body.String(), w.Header().Get("Content-Security-Policy")
	for name, tag := range map[string]string{"style-src": "style", "script-src": "script"} {
		found := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(body, -1)
		if len(found) != 1 || !strings.Contains(policy, name+" '"+integrity(found[0][1])+"'") {
			t.Errorf("%d %s elements, and the policy is %s", len(found), tag, policy)
		}
	}
	if !strings.HasPrefix(policy, "default-src 'none'; ") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %s", policy)
	}
	if ct := w.Header().Get("Content-Type"); ct != "text/html; charset=utf-8" {
		t.Errorf("type %s", ct)
	}
	for what, pattern := range map[string]string{
		"an address elsewhere": `(?i)(https?:)?//[a-z]`, "a style the policy forbids": `\sstyle=`, "a handler the policy forbids": `\son[a-z]+=`, "something to load": `(?i)(\ssrc=|<link|url\(|@import)`,
	} {
		script := regexp.MustCompile(`(?s)<script>.*?</script>`).ReplaceAllString(body, "")
		if found := regexp.MustCompile(pattern).FindString(script); found != "" {
			t.Errorf("the page has %s: %q", what, found)
		}
	}
	if len(body) > 40_000 {
		t.Errorf("%d bytes", len(body))
	}
}

func TestHeadlineSaysWhetherSomebodyHasToAct(t *testing.T) {
	lane := func(state string) pipeline.LaneStatus { return pipeline.LaneStatus{State: state, Recovered: true} }
	for name, tt := range map[string]struct {
		st         pipeline.Status
		text, mood string
	}{
		"all well":        {pipeline.Status{Lanes: []pipeline.LaneStatus{lane("following")}}, "All lanes follow", "good"},
		"halted first":    {pipeline.Status{Lanes: []pipeline.LaneStatus{lane("in_doubt"), lane("halted"), lane("halted")}, Sources: []pipeline.SourceStatus{{State: "failing"}}}, "2 lanes are halted", "bad"},
		"source failing":  {pipeline.Status{Lanes: []pipeline.LaneStatus{lane("following")}, Sources: []pipeline.SourceStatus{{State: "refused"}}}, "1 source cannot be read", "bad"},
		"in doubt":        {pipeline.Status{Lanes: []pipeline.LaneStatus{lane("in_doubt"), lane("catching_up")}}, "1 lane has a batch in doubt", "busy"},
		"catching up":     {pipeline.Status{Lanes: []pipeline.LaneStatus{lane("catching_up")}}, "1 lane is catching up", "busy"},
		"not recovered":   {pipeline.Status{Lanes: []pipeline.LaneStatus{{State: "following"}}}, "1 lane is catching up", "busy"},
		"nothing at all":  {pipeline.Status{}, "There are no lanes", "busy"},
		"throttled is ok": {pipeline.Status{Lanes: []pipeline.LaneStatus{lane("following")}, Sources: []pipeline.SourceStatus{{State: "throttled"}}}, "All lanes follow", "good"},
	} {
		if text, mood := headline(tt.st); !strings.HasPrefix(text, tt.text) || mood != tt.mood {
			t.Errorf("%s: %q, %s", name, text, mood)
		}
	}
}

func TestFlowIsByTheMinute(t *testing.T) {
	var f flow
	at := func(minute int, delivered, duplicate uint64) {
		st := pipeline.Status{Lanes: []pipeline.LaneStatus{{Delivered: delivered, Duplicate: duplicate}, {Delivered: 1}}}
		f.observe(noon.Add(time.Duration(minute)*time.Minute), st)
	}
	at(0, 4, 0)
	at(0, 9, 0)
	at(2, 10, 7)
	at(61, 30, 7)
	hour := f.hour(noon.Add(61 * time.Minute))
	if len(hour) != flowMinutes || hour[0].Delivered != 1 || hour[0].Duplicate != 7 || hour[59].Delivered != 20 {
		t.Errorf("%+v", hour)
	}
	for i, m := range hour[1:59] {
		if m != (tally{}) {
			t.Errorf("minute %d: %+v", i+1, m)
		}
	}
	if old := f.hour(noon.Add(3 * time.Hour)); old[0] != (tally{}) || old[59] != (tally{}) {
		t.Error("minutes long ago are shown as recent")
	}
}

func TestChartShowsEveryOutcome(t *testing.T) {
	minutes := make([]tally, flowMinutes)
	minutes[0] = tally{Delivered: 1}
	minutes[59] = tally{Delivered: 300, Filtered: 50, Quarantined: 2, LateLost: 1, Duplicate: 1e6}
	c := drawChart(minutes)
	classes := map[string]int{}
	for _, b := range c.Bars {
		classes[b.Class]++
	}
	if len(c.Bars) != 5 || classes["delivered"] != 2 || classes["late"] != 1 {
		t.Errorf("%+v", c.Bars)
	}
	if top := c.Grid[len(c.Grid)-1]; top.Label != "400" {
		t.Errorf("the axis ends at %s", top.Label)
	}
	if len(c.Rows) != 6 || c.Rows[5].Delivered != 300 || c.Rows[5].Duplicate != 1e6 || c.Rows[0].Delivered != 1 {
		t.Errorf("%+v", c.Rows)
	}
	if want := "301 delivered, 50 filtered, 2 quarantined, 1 late and lost"; !strings.Contains(c.Summary, want) {
		t.Error(c.Summary)
	}
	if empty := drawChart(make([]tally, flowMinutes)); len(empty.Bars) != 0 || empty.Grid[2].Label != "4" {
		t.Errorf("%+v", empty.Grid)
	}
}

func TestTroubleIsBoundedAndCounted(t *testing.T) {
	now := noon
	r := newRecentTrouble(func() time.Time { return now })
	var out strings.Builder
	log := r.watch(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelError})))
	log.Info("started")
	for range 3 {
		now = now.Add(time.Second)
		log.With("source", "acme").Warn("stream failed", "err", strings.Repeat("x", 1000))
	}
	got := r.recent()
	if len(got) != 1 || got[0].Repeat != 3 || !got[0].Last.Equal(now) || got[0].Where != "acme" || len([]rune(got[0].Err)) != longestTrouble+1 {
		t.Fatalf("%+v", got)
	}
	if out.Len() != 0 {
		t.Errorf("below the log's level: %s", &out)
	}
	for i := range 50 {
		log.Error("lane halted", "lane", strings.Repeat("l", i+1), "hint", "resolve")
	}
	got = r.recent()
	if len(got) != mostTrouble || len(got[0].Where) != 50 || got[0].Hint != "resolve" || strings.Count(out.String(), "\n") != 50 {
		t.Errorf("%d, newest %+v", len(got), got[0])
	}
}
