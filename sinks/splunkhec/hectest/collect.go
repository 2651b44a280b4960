package hectest

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

var guid = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// credential is the token of a request, and what it may do.
type credential struct {
	value string
	Token
}

// authorize returns the token of q, or the code of the answer if it is not let in.
func (s *Server) authorize(q *request) (credential, int) {
	value := ""
	header := q.Header.Get("Authorization")
	scheme, rest, _ := strings.Cut(header, " ")
	switch {
	case header == "" && q.URL.Query().Has("token"):
		if !s.config.QueryToken {
			return credential{}, codeQueryToken
		}
		value = q.URL.Query().Get("token")
	case header == "":
		return credential{}, codeTokenRequired
	case strings.EqualFold(scheme, "Splunk") && rest != "":
		value = strings.TrimSpace(rest)
	case strings.EqualFold(scheme, "Basic"): // the token is the password, for any user
		pair, err := base64.StdEncoding.DecodeString(rest)
		_, password, ok := strings.Cut(string(pair), ":")
		if err != nil || !ok {
			return credential{}, codeInvalidAuthorization
		}
		value = password
	default:
		return credential{}, codeInvalidAuthorization
	}
	t, known := s.config.Tokens[value]
	switch {
	case !known:
		return credential{}, codeInvalidToken
	case t.Disabled:
		return credential{}, codeTokenDisabled
	}
	return credential{value, t}, codeSuccess
}

// channelOf returns the channel that q names, "" if it names none, or the code of
// the answer if it is not one.
func channelOf(q *request) (string, int) {
	id := q.Header.Get("X-Splunk-Request-Channel")
	if id == "" {
		id = q.URL.Query().Get("channel")
	}
	if id != "" && !guid.MatchString(id) {
		return "", codeInvalidChannel
	}
	return strings.ToLower(id), codeSuccess
}

// content returns the body of q, decompressed, or the answer if there is none.
func (s *Server) content(q *request) ([]byte, *reply) {
	refuse := func(status int) ([]byte, *reply) { a := page(status); return nil, &a }
	limit := s.config.MaxContentLength
	if int64(len(q.body)) > limit {
		return refuse(http.StatusRequestEntityTooLarge)
	}
	body := q.body
	switch e := strings.ToLower(q.Header.Get("Content-Encoding")); e {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err == nil {
			body, err = io.ReadAll(io.LimitReader(z, limit+1))
		}
		if err != nil {
			return refuse(http.StatusBadRequest)
		}
		if int64(len(body)) > limit {
			return refuse(http.StatusRequestEntityTooLarge)
		}
	default:
		return refuse(http.StatusUnsupportedMediaType)
	}
	if s.config.Cloud && len(body) > cloudLimit {
		zero := 0
		a := answer(status{Code: codeInvalidData, Number: &zero})
		return nil, &a
	}
	if len(bytes.TrimSpace(body)) == 0 {
		a := coded(codeNoData)
		return nil, &a
	}
	return body, nil
}

// admit does what posts of all kinds begin with.
func (s *Server) admit(q *request, needsChannel bool) (credential, string, []byte, *reply) {
	s.posts++
	no := func(code int) (credential, string, []byte, *reply) {
		a := coded(code)
		return credential{}, "", nil, &a
	}
	c, code := s.authorize(q)
	if code != codeSuccess {
		return no(code)
	}
	ch, code := channelOf(q)
	switch {
	case code != codeSuccess:
		return no(code)
	case ch == "" && (c.Ack || needsChannel) && s.config.Cloud:
		return no(codeChannelMissingCloud)
	case ch == "" && (c.Ack || needsChannel):
		return no(codeChannelMissing)
	}
	body, a := s.content(q)
	return c, ch, body, a
}

// collect takes events.
func (s *Server) collect(q *request) reply {
	c, ch, body, a := s.admit(q, false)
	if a != nil {
		return *a
	}
	events, bad := parse(body, func(e *Event) int { return s.judge(c, e) })
	return s.take(q, c, ch, events, bad)
}

// collectRaw takes lines.
func (s *Server) collectRaw(q *request) reply {
	c, ch, body, a := s.admit(q, true)
	if a != nil {
		return *a
	}
	query := q.URL.Query()
	var events []*Event
	for line := range strings.Lines(string(body)) {
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			continue
		}
		text, _ := json.Marshal(line)
		e := &Event{Event: text, Host: query.Get("host"), Source: query.Get("source"), Sourcetype: query.Get("sourcetype"), Index: query.Get("index")}
		if code := s.judge(c, e); code != 0 {
			return s.take(q, c, ch, events, &refusal{code})
		}
		events = append(events, e)
	}
	return s.take(q, c, ch, events, nil)
}

// judge returns the code with which e is refused, or 0. It fills in the index.
func (s *Server) judge(c credential, e *Event) int {
	if e.Index == "" {
		e.Index = c.Index
		if e.Index == "" {
			e.Index = "main"
		}
	}
	if !slices.Contains(s.config.Indexes, e.Index) || c.Indexes != nil && !slices.Contains(c.Indexes, e.Index) {
		return codeIncorrectIndex
	}
	if s.config.Refuse != nil {
		return s.config.Refuse(e)
	}
	return 0
}

// take indexes events, of which the next one was bad if bad is not nil, and answers.
func (s *Server) take(q *request, c credential, ch string, events []*Event, bad *refusal) reply {
	now := s.config.Now()
	for _, e := range events {
		if e.Time == "" {
			e.at = now
		}
		e.visible = now.Add(s.config.IndexDelay)
		s.events = append(s.events, e)
	}
	a := status{Code: codeSuccess}
	if bad != nil {
		number := len(events)
		if bad.code == codeIncorrectIndex {
			number++ // so it is
		}
		a.Code = bad.code
		if q.fault != FaultNoNumber {
			a.Number = &number
		}
	}
	if c.Ack && len(events) > 0 {
		if id := q.node.promise(channelKey{c.value, ch}, s.ready(now)); q.fault != FaultNoAckID {
			a.AckID = &id
		}
	}
	switch {
	case bad != nil:
	case q.fault == FaultNearQueue:
		a.Code = codeNearQueue
	case q.fault == FaultNearAck:
		a.Code = codeNearAck
	}
	return answer(a)
}

// ready returns when what is taken now is acknowledged; zero: never.
func (s *Server) ready(now time.Time) time.Time {
	if s.config.AckDelay < 0 {
		return time.Time{}
	}
	return now.Add(s.config.AckDelay)
}

// promise returns the id of a new acknowledgement.
func (n *node) promise(key channelKey, ready time.Time) int64 {
	c := n.channels[key]
	if c == nil {
		c = &channel{ready: make(map[int64]time.Time)}
		n.channels[key] = c
	}
	id := c.next
	c.next++
	c.ready[id] = ready
	return id
}
