package elasticsearch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/pipeline"
)

// bulkAnswer is a bulk request's.
type bulkAnswer struct {
	Items []struct {
		Create *item `json:"create"`
	} `json:"items"`
}

// judge notes what the server says of each document of pc, in an answer to a request
// that used authenticated. Its error is about those
// that are neither there nor rejected: permanent before doubt before waiting.
func (s *sink) judge(ctx context.Context, p *progress, pc *piece, resp *httpclient.Response, used string) error {
	var a bulkAnswer
	if json.Unmarshal(resp.Body, &a) != nil || a.Items == nil {
		p.doubt = true
		return failure(resp)
	}
	if len(a.Items) != len(pc.records) {
		p.doubt = true
		return fmt.Errorf("the answer speaks of %d documents, %d were sent: something between cuts requests or answers", len(a.Items), len(pc.records))
	}
	var v verdicts
	var rolled []int // created in another backing index than those that were looked at
	for n, i := range pc.records {
		it, id := a.Items[n].Create, p.ids[i]
		if it == nil {
			p.doubt = true
			return errNotServer
		}
		switch it.class() {
		case classCreated, classThere:
			if it.ID != id || !s.target.holds(it.Index, p.members[i].Time) {
				p.doubt = true
				return pipeline.Permanent(fmt.Errorf("document %s came to lie in index %s as %s: an ingest pipeline or an alias sends it elsewhere, where a repeat is not refused",
					httpclient.Short(id), httpclient.Short(it.Index), httpclient.Short(it.ID)))
			}
			if p.write != "" && it.Index != p.write {
				rolled = append(rolled, i)
				continue
			}
			p.confirm(i)
		case classReject:
			p.reject(i, it.err(id))
		case classWait:
			v.add(&v.wait, it.err(id))
		case classRefused:
			v.add(&v.refused, it.err(id))
		case classTarget:
			v.add(&v.target, it.err(id))
		default:
			p.doubt = true
			v.add(&v.unknown, it.err(id))
		}
	}
	if len(rolled) > 0 {
		if err := s.lookUp(ctx, p, rolled); err != nil {
			return err
		}
	}
	return v.err(s, resp, used)
}

// verdicts are the first error of each kind, and how many documents there are with
// any.
type verdicts struct {
	count                          int
	wait, refused, target, unknown error
}

func (v *verdicts) add(to *error, err error) {
	v.count++
	if *to == nil {
		*to = err
	}
}

func (v *verdicts) err(s *sink, resp *httpclient.Response, used string) error {
	about := func(err error) error { return fmt.Errorf("%d documents were not taken, the first: %w", v.count, err) }
	switch {
	case v.target != nil:
		return pipeline.Permanent(about(v.target))
	case v.refused != nil && s.login.refuse(used):
		_, source := s.login.secret()
		return &pipeline.ThrottledError{Err: fmt.Errorf("%w; %s holds another secret by now, which is used from here on", about(v.refused), source)}
	case v.refused != nil:
		return pipeline.Permanent(fmt.Errorf("%w: %w", pipeline.ErrRefused, about(v.refused)))
	case v.unknown != nil:
		return about(v.unknown)
	case v.wait != nil:
		return &pipeline.ThrottledError{Err: about(v.wait), After: httpclient.RetryAfter(resp.Header, s.now())}
	}
	return nil
}

// isClean reports whether err says that nothing was taken.
func isClean(err error) bool {
	var t *pipeline.ThrottledError
	return errors.As(err, &t) || pipeline.IsPermanent(err)
}
