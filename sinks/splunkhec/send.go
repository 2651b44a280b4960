package splunkhec

import (
	"context"
	"fmt"
	"slices"

	"auditlog-connector/pipeline"
)

// send sends what is neither done nor pending of b, in requests below the limit.
func (s *sink) send(ctx context.Context, b *pipeline.Batch, p *progress) error {
	todo := p.todo()
	if len(todo) == 0 {
		return nil
	}
	p.watched = false // what a search has found so far says nothing of this
	enc := newEncoder(s.config, s.source, s.document, b.ID, b.Place)
	s.reuse()
	pc := &s.piece
	for _, i := range todo {
		start := len(pc.body)
		body := enc.append(pc.body, &b.Records[i])
		if start > 0 && len(body) > s.limit {
			if err := s.post(ctx, p, *pc); err != nil {
				return err
			}
			rest := body[start:]
			s.reuse()
			body = append(pc.body, rest...)
		}
		pc.body = body
		pc.records, pc.ends = append(pc.records, i), append(pc.ends, len(body))
	}
	return s.post(ctx, p, *pc)
}

// post sends pc, and again what the server says it did not take of it, until each
// of its records is taken or rejected. It does not repeat what may have been taken.
func (s *sink) post(ctx context.Context, p *progress, pc piece) error {
	queue := []piece{pc}
	for len(queue) > 0 {
		pc, queue = queue[len(queue)-1], queue[:len(queue)-1]
		if len(pc.records) == 0 {
			continue
		}
		a, x, err := s.request(ctx, &pc)
		if err != nil {
			return err
		}
		rest, err := s.judge(p, x, &pc, a)
		if err != nil {
			return err
		}
		slices.Reverse(rest)
		queue = append(queue, rest...)
	}
	return nil
}

// request sends pc to the first address that takes requests. It returns an answer
// that speaks of single events; any other failure is an error.
func (s *sink) request(ctx context.Context, pc *piece) (*answer, *session, error) {
	body := pc.body
	if s.config.Gzip {
		body = s.zip.compress(body)
	}
	var err error
	for range s.sessions {
		x := s.sessions[s.current]
		var a *answer
		a, err = s.try(ctx, x, body)
		if err != nil || a.class() != classTaken {
			s.lend()
		}
		switch {
		case err == nil:
			return a, x, nil
		case pipeline.IsPermanent(err):
			return nil, nil, err
		}
		s.next()
		if !isClean(err) {
			return nil, nil, err
		}
		// Nothing was taken: the next address at once.
	}
	return nil, nil, err
}

// lend gives up the memory of the request that was sent last: it may not have been
// read to its end, and whoever reads on must not see another request's bytes.
func (s *sink) lend() { s.zip.out, s.lent = nil, true }

// reuse empties the piece that is filled next.
func (s *sink) reuse() {
	if s.lent {
		s.piece, s.lent = piece{}, false
	}
	s.piece.records, s.piece.ends, s.piece.body = s.piece.records[:0], s.piece.ends[:0], s.piece.body[:0]
}

// try sends one request to x.
func (s *sink) try(ctx context.Context, x *session, body []byte) (*answer, error) {
	if err := s.ready(ctx, x); err != nil {
		return nil, err
	}
	if x.slow {
		if err := s.sleep(ctx, slowPause); err != nil {
			return nil, err
		}
		x.slow = false
	}
	c := call{method: post, path: pathEvents, body: body, gzip: s.config.Gzip}
	if x.acks == acksYes {
		c.channel = x.channel
	}
	a, err := s.ask(ctx, x, c)
	if err != nil {
		return nil, fmt.Errorf("post events: %w", err)
	}
	switch a.class() {
	case classTaken, classSlow, classEvent, classIndex, classLarge:
		x.slow = a.class() == classSlow
		return a, nil
	}
	x.healthy = false
	return nil, fmt.Errorf("post events: %w", a.err())
}

// judge notes what a says of the records of pc, and returns what is to be sent again.
func (s *sink) judge(p *progress, x *session, pc *piece, a *answer) (rest []piece, err error) {
	n := a.number
	switch a.class() {
	case classTaken, classSlow:
		s.taken(p, x, pc.records, a)
		return nil, nil
	case classLarge:
		return s.halve(p, pc, a), nil
	case classIndex:
		n = max(n-1, min(n, 0)) // one too high; 0 is right, and -1 is none
		if n == 0 && p.left == len(p.done) && len(p.pending) == 0 {
			// All events name one index: it is not this one's fault.
			return nil, fmt.Errorf("post events: %w", a.err())
		}
	}
	switch {
	case n < 0 || n >= len(pc.records):
		// It does not say which. Those before may be there twice in the end.
		return s.halve(p, pc, a), nil
	case n == 0 && a.code == codeInvalidData && len(pc.body) > cloudLimit:
		return s.halve(p, pc, a), nil // so Splunk Cloud says that it is too much
	}
	if n > 0 {
		s.taken(p, x, pc.records[:n], a)
	}
	p.reject(pc.records[n], a.failure())
	return []piece{pc.slice(n+1, len(pc.records))}, nil
}

// halve returns the halves of pc, to be sent again, and keeps later requests
// smaller if it was too large. A single record is rejected.
func (s *sink) halve(p *progress, pc *piece, a *answer) []piece {
	n := len(pc.records)
	if n == 1 {
		p.reject(pc.records[0], fmt.Errorf("%w; the event has %d bytes", a.failure(), len(pc.body)))
		return nil
	}
	size := len(pc.body)
	if (a.class() == classLarge || size > cloudLimit) && size/2 < s.limit {
		s.limit = max(size/2, minContent)
		s.log.Warn("the server refuses requests of this size", "lane", s.lane, "bytes", size, "err", a.failure(), "hint", "set max_content_length lower")
	}
	return []piece{pc.slice(0, n/2), pc.slice(n/2, n)}
}

// taken notes that the server has taken records: done, or pending until they are
// acknowledged.
func (s *sink) taken(p *progress, x *session, records []int, a *answer) {
	if x.acks != acksYes {
		p.confirm(records)
		return
	}
	p.wait(&pending{session: x, channel: x.channel, id: a.ack, records: slices.Clone(records), since: s.now(), expired: a.ack < 0})
	if p.expired() {
		x.renew()
	}
}
