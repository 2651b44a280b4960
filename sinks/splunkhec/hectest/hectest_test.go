package hectest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"auditlog-connector/sinks/splunkhec/hectest"
)

const (
	ackToken = "aaaaaaaa-1111-2222-3333-444444444444"
	offToken = "bbbbbbbb-1111-2222-3333-444444444444"
	channel  = "0f8fad5b-d9cb-469f-a165-70867728950e"
)

var tokens = map[string]hectest.Token{
	hectest.DefaultToken: {Indexes: []string{"main", "audit"}}, ackToken: {Ack: true}, offToken: {Disabled: true},
}

// client sends requests as any program would.
type client struct {
	t    *testing.T
	base string
	s    *hectest.Server
}

func start(t *testing.T, c hectest.Config) *client {
	t.Helper()
	if c.Tokens == nil {
		c.Tokens = tokens
	}
	if c.Indexes == nil {
		c.Indexes = []string{"main", "audit", "closed"}
	}
	s := hectest.New(c)
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return &client{t, h.URL, s}
}

// call is one request; what is empty is left out.
type call struct {
	method, path, token, channel, encoding, cookie, body string
}

type reply struct {
	status int
	body   string
	header http.Header
}

func (c *client) try(q call) (reply, error) {
	c.t.Helper()
	if q.method == "" {
		q.method = http.MethodPost
	}
	if q.path == "" {
		q.path = "/services/collector"
	}
	req, err := http.NewRequestWithContext(c.t.Context(), q.method, c.base+q.path, strings.NewReader(q.body))
	if err != nil {
		c.t.Fatal(err)
	}
	for name, value := range map[string]string{"Authorization": q.token, "X-Splunk-Request-Channel": q.channel, "Content-Encoding": q.encoding, "Cookie": q.cookie} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, strings.TrimSpace(string(body)), resp.Header}, err
}

func (c *client) do(q call) reply {
	c.t.Helper()
	r, err := c.try(q)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

func (c *client) taken() int { return len(c.s.Events()) }

func splunk(token string) string { return "Splunk " + token }

func gzipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.String()
}

const one = `{"event":"a"}`

func TestAnswers(t *testing.T) {
	good := splunk(hectest.DefaultToken)
	for _, tt := range []struct {
		name   string
		config hectest.Config
		call   call
		status int
		body   string
		taken  int
	}{
		{"one event", hectest.Config{}, call{token: good, body: one}, 200, `{"text":"Success","code":0}`, 1},
		{"path /event", hectest.Config{}, call{path: "/services/collector/event", token: good, body: one}, 200, `{"text":"Success","code":0}`, 1},
		{"path /event/1.0", hectest.Config{}, call{path: "/services/collector/event/1.0", token: good, body: one}, 200, `{"text":"Success","code":0}`, 1},
		{"several without a separator", hectest.Config{}, call{token: good, body: one + one + "\n" + one}, 200, `{"text":"Success","code":0}`, 3},
		{"an array", hectest.Config{}, call{token: good, body: "[" + one + "," + one + "]"}, 200, `{"text":"Success","code":0}`, 2},
		{"gzip", hectest.Config{}, call{token: good, encoding: "gzip", body: gzipped(one)}, 200, `{"text":"Success","code":0}`, 1},
		{"the token as a password", hectest.Config{}, call{token: "Basic eDowMDAwMDAwMC0xMTExLTIyMjItMzMzMy00NDQ0NDQ0NDQ0NDQ=", body: one}, 200, `{"text":"Success","code":0}`, 1},
		{"1 token disabled", hectest.Config{}, call{token: splunk(offToken), body: one}, 403, `{"text":"Token disabled","code":1}`, 0},
		{"2 no token", hectest.Config{}, call{body: one}, 401, `{"text":"Token is required","code":2}`, 0},
		{"3 another scheme", hectest.Config{}, call{token: "Bearer " + hectest.DefaultToken, body: one}, 401, `{"text":"Invalid authorization","code":3}`, 0},
		{"4 unknown token", hectest.Config{}, call{token: splunk(channel), body: one}, 403, `{"text":"Invalid token","code":4}`, 0},
		{"5 nothing", hectest.Config{}, call{token: good}, 400, `{"text":"No data","code":5}`, 0},
		{"6 broken JSON: what is before it is in", hectest.Config{}, call{token: good, body: one + one + `{"event":` + one}, 400, `{"text":"Invalid data format","code":6,"invalid-event-number":2}`, 2},
		{"6 not an object", hectest.Config{}, call{token: good, body: one + `7` + one}, 400, `{"text":"Invalid data format","code":6,"invalid-event-number":1}`, 1},
		{"6 an array that is cut", hectest.Config{}, call{token: good, body: "[" + one}, 400, `{"text":"Invalid data format","code":6,"invalid-event-number":1}`, 1},
		{"7 unknown index: the number is one too high", hectest.Config{}, call{token: good, body: one + one + `{"event":"a","index":"nowhere"}` + one}, 400, `{"text":"Incorrect index","code":7,"invalid-event-number":3}`, 2},
		{"7 an index that the token may not write", hectest.Config{}, call{token: good, body: `{"event":"a","index":"closed"}`}, 400, `{"text":"Incorrect index","code":7,"invalid-event-number":1}`, 0},
		{"10 no channel", hectest.Config{}, call{token: splunk(ackToken), body: one}, 400, `{"text":"Data channel is missing","code":10}`, 0},
		{"10 raw always needs one", hectest.Config{}, call{path: "/services/collector/raw", token: good, body: "a"}, 400, `{"text":"Data channel is missing","code":10}`, 0},
		{"11 not a channel", hectest.Config{}, call{token: good, channel: "1", body: one}, 400, `{"text":"Invalid data channel","code":11}`, 0},
		{"12 no event", hectest.Config{}, call{token: good, body: one + `{"host":"h"}` + one}, 400, `{"text":"Event field is required","code":12,"invalid-event-number":1}`, 1},
		{"13 a blank event", hectest.Config{}, call{token: good, body: one + `{"event":""}` + one}, 400, `{"text":"Event field cannot be blank","code":13,"invalid-event-number":1}`, 1},
		{"14 acknowledgements are off", hectest.Config{}, call{path: "/services/collector/ack", token: good, channel: channel, body: `{"acks":[0]}`}, 400, `{"text":"ACK is disabled","code":14}`, 0},
		{"15 time with an exponent", hectest.Config{}, call{token: good, body: one + `{"event":"a","time":1.7e9}` + one}, 400, `{"text":"Error in handling indexed fields","code":15,"invalid-event-number":1}`, 1},
		{"15 nested fields", hectest.Config{}, call{token: good, body: `{"event":"a","fields":{"a":{"b":1}}}`}, 400, `{"text":"Error in handling indexed fields","code":15,"invalid-event-number":0}`, 0},
		{"16 a token in the address", hectest.Config{}, call{path: "/services/collector?token=" + hectest.DefaultToken, body: one}, 400, `{"text":"Query string authorization is not enabled","code":16}`, 0},
		{"a token in the address, where it may be", hectest.Config{QueryToken: true}, call{path: "/services/collector?token=" + hectest.DefaultToken, body: one}, 200, `{"text":"Success","code":0}`, 1},
		{"17 healthy", hectest.Config{}, call{method: http.MethodGet, path: "/services/collector/health/1.0"}, 200, `{"text":"HEC is healthy","code":17}`, 0},
		{"18 unhealthy", hectest.Config{Health: 18}, call{method: http.MethodGet, path: "/services/collector/health"}, 503, `{"text":"HEC is unhealthy, queues are full","code":18}`, 0},
		{"19 unhealthy", hectest.Config{Health: 19}, call{method: http.MethodGet, path: "/services/collector/health"}, 503, `{"text":"HEC is unhealthy, ack service unavailable","code":19}`, 0},
		{"20 unhealthy", hectest.Config{Health: 20}, call{method: http.MethodGet, path: "/services/collector/health"}, 503, `{"text":"HEC is unhealthy, queues are full, ack service unavailable","code":20}`, 0},
		{"21 health with a wrong token", hectest.Config{}, call{method: http.MethodGet, path: "/services/collector/health", token: splunk(channel)}, 400, `{"text":"Invalid token","code":21}`, 0},
		{"22 health with a disabled token", hectest.Config{}, call{method: http.MethodGet, path: "/services/collector/health", token: splunk(offToken)}, 400, `{"text":"Token disabled","code":22}`, 0},
		{"24 near capacity", hectest.Config{Health: 24}, call{method: http.MethodGet, path: "/services/collector/health"}, 200, `{"text":"HEC is healthy, queue approaching capacity","code":24}`, 0},
		{"25 near capacity", hectest.Config{Health: 25}, call{method: http.MethodGet, path: "/services/collector/health"}, 200, `{"text":"HEC is healthy, ACK channel approaching capacity","code":25}`, 0},
		{"28 no channel in the Cloud", hectest.Config{Cloud: true}, call{token: splunk(ackToken), body: one}, 400, `{"text":"Data channel is missing or sticky sessions are not enabled","code":28}`, 0},
		{"raw lines", hectest.Config{}, call{path: "/services/collector/raw?channel=" + channel + "&index=audit", token: good, body: "a\nb\n"}, 200, `{"text":"Success","code":0}`, 2},
		{"at the Cloud's limit", hectest.Config{Cloud: true}, call{token: good, body: pad(5_242_880)}, 200, `{"text":"Success","code":0}`, 1},
		{"above the Cloud's limit", hectest.Config{Cloud: true}, call{token: good, body: pad(6_000_000)}, 400, `{"text":"Invalid data format","code":6,"invalid-event-number":0}`, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := start(t, tt.config)
			got := c.do(tt.call)
			if got.status != tt.status || got.body != tt.body || c.taken() != tt.taken {
				t.Errorf("%d %s, %d events taken\nwant %d %s, %d", got.status, got.body, c.taken(), tt.status, tt.body, tt.taken)
			}
			if got.header.Get("Date") == "" {
				t.Error("no Date")
			}
		})
	}
}

func pad(size int) string {
	const rest = `{"event":""}`
	return `{"event":"` + strings.Repeat("a", size-len(rest)) + `"}`
}

func TestAnswersThatAreNotJSON(t *testing.T) {
	good := splunk(hectest.DefaultToken)
	for _, tt := range []struct {
		name   string
		call   call
		status int
	}{
		{"deflate", call{token: good, encoding: "deflate", body: one}, 415},
		{"too large", call{token: good, body: pad(1001)}, 413},
		{"too large when unpacked", call{token: good, encoding: "gzip", body: gzipped(pad(100_000))}, 413},
		{"GET", call{method: http.MethodGet, token: good}, 405},
		{"another path", call{path: "/services", token: good, body: one}, 404},
	} {
		c := start(t, hectest.Config{MaxContentLength: 1000})
		if got := c.do(tt.call); got.status != tt.status || !strings.Contains(got.body, "<title>") || c.taken() != 0 {
			t.Errorf("%s: %d %s", tt.name, got.status, got.body)
		}
	}
}

func TestFieldsAreReadAsSent(t *testing.T) {
	c := start(t, hectest.Config{})
	c.do(call{token: splunk(hectest.DefaultToken), body: `{"time":1764000000.125,"host":"h","source":"s","sourcetype":"st","index":"audit","event":{"a":[1]},"fields":{"n":1,"t":"x \"y\""}} {"time":"1764000001","event":"b"}`})
	events := c.s.Events()
	if len(events) != 2 {
		t.Fatalf("%d events", len(events))
	}
	e := events[0]
	if e.Time != "1764000000.125" || e.Host != "h" || e.Source != "s" || e.Sourcetype != "st" || e.Index != "audit" || string(e.Event) != `{"a":[1]}` || e.Fields["n"] != "1" || e.Fields["t"] != `x "y"` {
		t.Errorf("%+v", e)
	}
	if events[1].Index != "main" || events[1].Time != "1764000001" {
		t.Errorf("%+v", events[1])
	}
}

func (c *client) poll(channel, cookie string, ids ...int64) string {
	c.t.Helper()
	body, _ := json.Marshal(map[string]any{"acks": ids})
	return c.do(call{path: "/services/collector/ack?channel=" + channel, token: splunk(ackToken), cookie: cookie, body: string(body)}).body
}

func TestAcknowledgements(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	c := start(t, hectest.Config{AckDelay: time.Minute, Now: func() time.Time { return now }})
	post := func(channel string) string {
		return c.do(call{token: splunk(ackToken), channel: channel, body: one}).body
	}
	expect := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	const other = "11111111-d9cb-469f-a165-70867728950e"
	expect("ids count from 0", post(channel), `{"text":"Success","code":0,"ackId":0}`)
	expect("and up", post(channel), `{"text":"Success","code":0,"ackId":1}`)
	expect("in each channel", post(other), `{"text":"Success","code":0,"ackId":0}`)
	expect("not indexed yet", c.poll(channel, "", 0, 1), `{"acks":{"0":false,"1":false}}`)
	now = now.Add(time.Minute)
	expect("another channel's id is false", c.poll(other, "", 1), `{"acks":{"1":false}}`)
	expect("indexed", c.poll(channel, "", 0), `{"acks":{"0":true}}`)
	expect("true is said once", c.poll(channel, "", 0, 1), `{"acks":{"0":false,"1":true}}`)
	expect("an id that there never was", c.poll(channel, "", 99), `{"acks":{"99":false}}`)
	bad := c.do(call{token: splunk(ackToken), channel: channel, body: one + `{"event":""}`})
	expect("the events before a bad one have an id", bad.body, `{"text":"Event field cannot be blank","code":13,"invalid-event-number":1,"ackId":2}`)
	now = now.Add(time.Minute)
	c.s.Restart(false)
	expect("a restart forgets", c.poll(channel, "", 2), `{"acks":{"2":false}}`)
	expect("and counts from 0", post(channel), `{"text":"Success","code":0,"ackId":0}`)
	if n := c.taken(); n != 5 {
		t.Errorf("%d events, want 5", n)
	}
	post(channel)
	c.s.Restart(true)
	if n := c.taken(); n != 6 {
		t.Errorf("%d events after a restart that loses none, because each can be found at once, want 6", n)
	}
}

func TestAcknowledgementsAreKeptByTheIndexerThatGaveThem(t *testing.T) {
	c := start(t, hectest.Config{Nodes: 2})
	r := c.do(call{token: splunk(ackToken), channel: channel, body: one})
	cookie, _, _ := strings.Cut(r.header.Get("Set-Cookie"), ";")
	if cookie == "" {
		t.Fatal("no cookie")
	}
	if got := c.poll(channel, ""); got != `{"acks":{}}` {
		t.Error(got)
	}
	// Without the cookie the requests go to the indexers in turn.
	if a, b := c.poll(channel, "hec-node=1", 0), c.poll(channel, cookie, 0); a != `{"acks":{"0":false}}` || b != `{"acks":{"0":true}}` {
		t.Errorf("%s %s", a, b)
	}
}

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name     string
		fault    hectest.Fault
		status   int // 0: no answer
		body     string
		taken    int
		released int
	}{
		{"lost", hectest.FaultLost, 0, "", 0, 0},
		{"unanswered", hectest.FaultUnanswered, 0, "", 1, 1},
		{"late", hectest.FaultLate, 0, "", 0, 1},
		{"9 busy", hectest.Code(9), 503, `{"text":"Server is busy","code":9}`, 0, 0},
		{"23 shutting down", hectest.Code(23), 503, `{"text":"Server is shutting down","code":23}`, 0, 0},
		{"26 queue full", hectest.Code(26), 429, `{"text":"Queue at capacity","code":26}`, 0, 0},
		{"27 acks full", hectest.Code(27), 429, `{"text":"ACK channel at capacity","code":27}`, 0, 0},
		{"8 and taken", hectest.FaultInternalTaken, 500, `{"text":"Internal server error","code":8}`, 1, 1},
		{"8 and not taken", hectest.Code(8), 500, `{"text":"Internal server error","code":8}`, 0, 0},
		{"gateway, taken", hectest.FaultGatewayTaken, 504, "", 1, 1},
		{"gateway, not taken", hectest.FaultGatewayLost, 502, "", 0, 0},
		{"24 near capacity", hectest.FaultNearQueue, 200, `{"text":"HEC is healthy, queue approaching capacity","code":24}`, 1, 1},
		{"25 near capacity", hectest.FaultNearAck, 200, `{"text":"HEC is healthy, ACK channel approaching capacity","code":25}`, 1, 1},
		{"a page", hectest.FaultPage, 200, "", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := start(t, hectest.Config{Fault: func(int, *http.Request) hectest.Fault { return tt.fault }})
			got, err := c.try(call{token: splunk(hectest.DefaultToken), body: one})
			if (err != nil) != (tt.status == 0) || got.status != tt.status || tt.body != "" && got.body != tt.body || c.taken() != tt.taken {
				t.Errorf("%d %s %v, %d taken", got.status, got.body, err, c.taken())
			}
			c.s.Release()
			if c.taken() != tt.released {
				t.Errorf("%d taken in the end, want %d", c.taken(), tt.released)
			}
		})
	}
	c := start(t, hectest.Config{Fault: func(int, *http.Request) hectest.Fault { return hectest.FaultNoNumber }})
	if got := c.do(call{token: splunk(hectest.DefaultToken), body: one + `{}`}); got.body != `{"text":"Event field is required","code":12}` || c.taken() != 1 {
		t.Errorf("no number: %s", got.body)
	}
	c = start(t, hectest.Config{Fault: func(int, *http.Request) hectest.Fault { return hectest.FaultNoAckID }})
	if got := c.do(call{token: splunk(ackToken), channel: channel, body: one}); got.body != `{"text":"Success","code":0}` || c.taken() != 1 {
		t.Errorf("no ackId: %s", got.body)
	}
}

func TestSearch(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	c := start(t, hectest.Config{IndexDelay: time.Minute, Now: func() time.Time { return now }})
	ev := func(at, batch, id string) string {
		return `{"time":` + at + `,"event":"a","fields":{"batch_id":"` + batch + `","event_id":"` + id + `"}}`
	}
	c.do(call{token: splunk(hectest.DefaultToken), body: ev("100", "b/1", "x") + ev("101", "b/1", "y") + ev("101", "b/1", "y") + ev("102", "b/1", "z") + ev("100", "b/2", "v")})
	search := func(token, query, more string) reply {
		return c.do(call{path: "/services/search/jobs/export", token: token, body: "output_mode=json&search=" + strings.ReplaceAll(query, " ", "+") + more})
	}
	good := "Bearer " + hectest.DefaultSearchToken
	const byID = `| tstats count WHERE index="main" batch_id="b/1" BY event_id`
	none := `{"lastrow":true,"preview":false}`
	if got := search(good, byID, ""); got.status != 200 || got.body != none {
		t.Errorf("before the delay is over: %s", got.body)
	}
	now = now.Add(time.Minute)
	for _, tt := range []struct{ name, query, more, want string }{
		{"by id", byID, "", `{"offset":0,"preview":false,"result":{"count":"1","event_id":"x"}}` + "\n" +
			`{"offset":1,"preview":false,"result":{"count":"2","event_id":"y"}}` + "\n" +
			`{"lastrow":true,"offset":2,"preview":false,"result":{"count":"1","event_id":"z"}}`},
		{"the end is not part of the time", byID, "&earliest_time=101&latest_time=102", `{"lastrow":true,"offset":0,"preview":false,"result":{"count":"2","event_id":"y"}}`},
		{"all indexes", `| tstats count where index=* batch_id="b/2"`, "", `{"lastrow":true,"offset":0,"preview":false,"result":{"count":"1"}}`},
		{"another index", `| tstats count where index=audit batch_id="b/1" by event_id`, "", none},
		{"index exists", `| eventcount summarize=false index="audit"`, "", `{"lastrow":true,"offset":0,"preview":false,"result":{"count":"0","index":"audit","server":"test"}}`},
		{"index does not exist", `| eventcount summarize=false index="nowhere"`, "", none},
	} {
		if got := search(good, tt.query, tt.more); got.status != 200 || got.body != tt.want {
			t.Errorf("%s: %d %s", tt.name, got.status, got.body)
		}
	}
	if got := search("Bearer no", byID, ""); got.status != 401 {
		t.Errorf("wrong token: %d %s", got.status, got.body)
	}
	if got := search(good, "search index=main", ""); got.status != 400 || !strings.Contains(got.body, "FATAL") {
		t.Errorf("unknown search: %d %s", got.status, got.body)
	}
	if got := c.do(call{method: http.MethodGet, path: "/services/server/info", token: good}); !strings.Contains(got.body, `"version":"10.4.3"`) {
		t.Errorf("info: %s", got.body)
	}
}

func TestTransportAnswersAsTheHandlerDoes(t *testing.T) {
	fault := hectest.FaultNone
	s := hectest.New(hectest.Config{Fault: func(int, *http.Request) hectest.Fault { return fault }})
	send := func() (*http.Response, error) {
		req := httptest.NewRequest(http.MethodPost, "http://hec.invalid/services/collector", strings.NewReader(one))
		req.Header.Set("Authorization", splunk(hectest.DefaultToken))
		return s.RoundTrip(req)
	}
	resp, err := send()
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(body) != `{"text":"Success","code":0}` {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	fault = hectest.FaultUnanswered
	if _, err := send(); err == nil || len(s.Events()) != 2 {
		t.Errorf("%v, %d taken", err, len(s.Events()))
	}
}
