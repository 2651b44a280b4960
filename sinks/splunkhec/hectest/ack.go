package hectest

import (
	"encoding/json"
	"strconv"
)

// acknowledge says what was indexed of what is asked for, and forgets what it said.
func (s *Server) acknowledge(q *request) reply {
	s.polls++
	c, code := s.authorize(q)
	if code != codeSuccess {
		return coded(code)
	}
	ch, code := channelOf(q)
	switch {
	case code != codeSuccess:
		return coded(code)
	case !c.Ack:
		return coded(codeAckDisabled)
	case ch == "":
		return coded(codeChannelMissing)
	}
	if len(q.body) == 0 {
		return coded(codeNoData)
	}
	var asked struct{ Acks []int64 }
	if json.Unmarshal(q.body, &asked) != nil {
		return coded(codeInvalidData)
	}
	known := q.node.channels[channelKey{c.value, ch}]
	now := s.config.Now()
	said := make(map[string]bool, len(asked.Acks))
	for _, id := range asked.Acks {
		yes := false
		if known != nil {
			ready, promised := known.ready[id]
			if yes = promised && !ready.IsZero() && !ready.After(now); yes {
				delete(known.ready, id)
			}
		}
		said[strconv.FormatInt(id, 10)] = yes
	}
	return jsonReply(200, map[string]any{"acks": said})
}

// health says whether events are taken. A token is not needed, but if there is one
// it has to be right.
func (s *Server) health(q *request) reply {
	if q.Header.Get("Authorization") != "" || q.URL.Query().Has("token") {
		switch _, code := s.authorize(q); code {
		case codeSuccess, codeQueryToken:
		case codeTokenDisabled:
			return coded(codeHealthDisabledToken)
		default:
			return coded(codeHealthInvalidToken)
		}
	}
	return coded(s.config.Health)
}
