package pipelinetest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"auditlog-connector/pipeline"
)

// Sink is one process's access to a lane of a [Destination]. All kinds have Claim
// and Place; where [Kind.Claims] is false, Claim does nothing, and only [Objects]
// has places.
type Sink struct {
	d        *Destination
	lane     string
	prefix   string // the configuration this process read
	network  func(op string) Fate
	answered func(op string)

	gen    int // Transactions: our newest transaction; 0: none yet
	busy   bool
	closed bool
}

var (
	_ pipeline.Sink    = (*Sink)(nil)
	_ pipeline.Claimer = (*Sink)(nil)
	_ pipeline.Placer  = (*Sink)(nil)
)

// Open is a process that begins to use the destination for lane. It sends nothing.
// The network decides the fate of each request ([OpDeliver], [OpResolve],
// [OpClaim]); nil lets all pass.
func (d *Destination) Open(lane string, network func(op string) Fate) *Sink {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &Sink{d: d, lane: lane, prefix: d.prefix, network: network}
}

// OnAnswer makes f run after a request had its effect (or was delayed) and before
// its answer is returned: the place for a crash in between. Call it before the
// sink is used.
func (s *Sink) OnAnswer(f func(op string)) { s.answered = f }

// Claim implements [pipeline.Claimer].
func (s *Sink) Claim(ctx context.Context, cp pipeline.Checkpoint, takeover bool) error {
	defer s.enter(OpClaim)()
	switch s.d.kind {
	case Objects:
		return s.request(ctx, OpClaim, func() (func() error, error) { return s.claimObject(cp, takeover) })
	case Transactions:
		return s.request(ctx, OpClaim, func() (func() error, error) { return s.claimMarker(cp, takeover) })
	default:
		return nil
	}
}

// Place implements [pipeline.Placer].
func (s *Sink) Place(m pipeline.Manifest) string {
	if s.d.kind != Objects || len(m.Members) == 0 {
		return ""
	}
	return s.prefix + "dt=" + m.Members[0].Time.UTC().Format("2006-01-02") + "/" + m.ID.String()
}

// Deliver implements [pipeline.Sink].
func (s *Sink) Deliver(ctx context.Context, b pipeline.Batch) (err error) {
	defer s.enter(OpDeliver)()
	s.inspect(b)
	defer func() { s.compare(b.Manifest, err) }()
	return s.request(ctx, OpDeliver, func() (func() error, error) {
		switch s.d.kind {
		case Objects:
			return s.putObject(b)
		case Transactions:
			return s.transact(b)
		case Creates:
			return func() error { return s.create(b) }, nil
		default:
			return func() error { return s.append(b) }, nil
		}
	})
}

// Resolve implements [pipeline.Sink].
func (s *Sink) Resolve(ctx context.Context, m pipeline.Manifest) (pipeline.Outcome, error) {
	defer s.enter(OpResolve)()
	out := pipeline.OutcomeUnknown
	err := s.request(ctx, OpResolve, func() (_ func() error, err error) {
		switch s.d.kind {
		case Objects:
			out, err = s.head(m)
		case Transactions:
			out, err = s.abort(m)
		case Creates:
			out = pipeline.OutcomeAbsent // a second create of the same ID is refused
		}
		return nil, err
	})
	if errors.Is(err, ErrNetwork) || ctx.Err() != nil {
		out = pipeline.OutcomeUnknown
	}
	return out, err
}

// Close implements [pipeline.Sink].
func (s *Sink) Close() error {
	defer s.enter("close")()
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	s.closed = true
	return nil
}

// inspect notes what is wrong with a batch whatever becomes of it.
func (s *Sink) inspect(b pipeline.Batch) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	id := b.ID.String()
	switch {
	case len(b.Members) == 0:
		s.d.violate("%s: delivered empty", id)
	case len(b.Records) != len(b.Members):
		s.d.violate("%s: %d records for %d members", id, len(b.Records), len(b.Members))
	}
	if b.ID.Lane != s.lane {
		s.d.violate("%s: delivered by lane %s", id, s.lane)
	}
	for i := range min(len(b.Records), len(b.Members)) {
		if got, want := b.Records[i].ID, b.Members[i].ID; got != want {
			s.d.violate("%s: record %d is %q, member %q", id, i, got, want)
			break
		}
	}
	if s.d.kind == Objects && b.Place == "" {
		s.d.violate("%s: no place", id)
	}
}

// compare notes a batch ID that was used for something else before, unless the
// destination noticed it.
func (s *Sink) compare(m pipeline.Manifest, err error) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	id, digest := m.ID.String(), digestOf(m)
	first, ok := s.d.known[id]
	if !ok {
		s.d.known[id] = Applied{ID: m.ID, Digest: digest, Place: m.Place}
		return
	}
	if errors.Is(err, pipeline.ErrFenced) {
		return
	}
	if digest != first.Digest {
		s.d.violate("%s: delivered with other members than before", id)
	}
	if m.Place != first.Place {
		s.d.violate("%s: place changed from %q to %q", id, first.Place, m.Place)
	}
}

// take makes the records of b that the destination accepts into a write, and
// returns the error that names the others.
func (s *Sink) take(b pipeline.Batch) (*Applied, error) {
	a := &Applied{ID: b.ID, Digest: digestOf(b.Manifest), Place: b.Place}
	for i := range b.Records {
		if s.d.reject != nil {
			if err := s.d.reject(&b.Records[i]); err != nil {
				if a.rejected == nil {
					a.rejected = make(map[int]error)
				}
				a.rejected[i] = err
				continue
			}
		}
		a.Events = append(a.Events, b.Records[i].ID)
	}
	return a, a.refusals()
}

// refusals is what the sink returns for a batch that was stored as a.
func (a *Applied) refusals() error {
	if len(a.rejected) == 0 {
		return nil
	}
	return &pipeline.RejectedError{Records: a.rejected}
}

func digestOf(m pipeline.Manifest) string {
	digest := m.Digest()
	return hex.EncodeToString(digest[:])
}

func fenced(format string, args ...any) error {
	return fmt.Errorf("%w: %s", pipeline.ErrFenced, fmt.Sprintf(format, args...))
}
