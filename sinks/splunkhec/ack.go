package splunkhec

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"auditlog-connector/pipeline"
)

// How often acknowledgements are asked for.
const (
	firstPoll = 20 * time.Millisecond
	lastPoll  = 10 * time.Second
)

// slowAck is how long an acknowledgement may take before the log says so.
const slowAck = time.Minute

// maxPatience bounds how often ack_timeout doubles for a batch whose acknowledgements
// do not come: each time, all of it is sent again.
const maxPatience = 5

// await waits until everything pending is acknowledged. An error leaves the batch in
// doubt, unless it is permanent: then the server refuses to be asked.
func (s *sink) await(ctx context.Context, p *progress) error {
	told := false
	for interval := firstPoll; ; interval = min(interval*3/2, lastPoll) {
		p.tidy()
		switch {
		case len(p.pending) == 0:
			return nil
		case p.expired():
			return fmt.Errorf("%w: the server does not say, or has begun again", errNotAcked)
		}
		if err := s.sleep(ctx, interval); err != nil {
			return err
		}
		// Nothing is lost by an answer that says to come later.
		if err := s.askAcks(ctx, p); err != nil && !isClean(err) {
			return err
		}
		p.tidy()
		waited := s.oldest(p)
		if waited > slowAck && !told {
			told = true
			s.log.Info("acknowledgements are slow", "lane", s.lane, "requests", len(p.pending), "waited", waited.Round(time.Second).String())
		}
		if limit := s.config.AckTimeout << min(p.timeouts, maxPatience); waited >= limit {
			p.timeouts++
			s.expire(p, limit)
			return fmt.Errorf("%w within %s: are indexers down, or queues full?", errNotAcked, limit)
		}
	}
}

// oldest returns how long the oldest request has been pending.
func (s *sink) oldest(p *progress) (waited time.Duration) {
	for _, w := range p.pending {
		waited = max(waited, s.now().Sub(w.since))
	}
	return waited
}

// expire gives up what has been pending for limit.
func (s *sink) expire(p *progress, limit time.Duration) {
	for _, w := range p.pending {
		if s.now().Sub(w.since) >= limit {
			w.expired = true
			w.session.renew()
		}
	}
}

// askAcks asks once for everything pending, one request for each channel. An error
// that is not clean means that an answer was lost: what it said is never said
// again, so that nobody waits for it any more.
func (s *sink) askAcks(ctx context.Context, p *progress) error {
	type place struct {
		x       *session
		channel string
	}
	groups := make(map[place][]*pending)
	var order []place
	for _, w := range p.pending {
		if w.id < 0 {
			continue
		}
		at := place{w.session, w.channel}
		if groups[at] == nil {
			order = append(order, at)
		}
		groups[at] = append(groups[at], w)
	}
	var first error
	for _, at := range order {
		if err := s.askChannel(ctx, p, at.x, at.channel, groups[at]); err != nil && (first == nil || isClean(first)) {
			first = err
		}
	}
	p.tidy()
	return first
}

func (s *sink) askChannel(ctx context.Context, p *progress, x *session, channel string, waiting []*pending) error {
	lost := func(err error) error {
		for _, w := range waiting {
			w.expired = true
		}
		x.renew()
		return fmt.Errorf("%w: ask for acknowledgements: %w", errNotAcked, err)
	}
	body := []byte(`{"acks":[`)
	for i, w := range waiting {
		if i > 0 {
			body = append(body, ',')
		}
		body = strconv.AppendInt(body, w.id, 10)
	}
	a, err := s.ask(ctx, x, call{method: post, path: pathAck, channel: channel, body: append(body, "]}"...)})
	switch {
	case isClean(err) || pipeline.IsPermanent(err):
		return err
	case err != nil:
		return lost(err)
	}
	said, ok := a.acks()
	switch {
	case ok:
	case a.known() && a.code == codeAckDisabled:
		x.acks = acksUnknown // the next request finds out again
		return lost(a.failure())
	case a.class() == classAmbiguous:
		return lost(a.failure())
	default:
		return a.err()
	}
	now := s.now()
	for _, w := range waiting {
		if said[strconv.FormatInt(w.id, 10)] {
			s.ackSeconds.Observe(now.Sub(w.since).Seconds())
			p.acked(w)
			p.timeouts = 0
		}
	}
	return nil
}

// acks returns what a says of each id, if it is an answer to that question.
func (a *answer) acks() (map[string]bool, bool) {
	if a.Status != 200 {
		return nil, false
	}
	var body struct{ Acks map[string]bool }
	if json.Unmarshal(a.Body, &body) != nil || body.Acks == nil {
		return nil, false
	}
	return body.Acks, true
}
