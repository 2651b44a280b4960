package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks"
	"auditlog-connector/sinks/kafka/internal/batch"
	"auditlog-connector/sinks/kafka/internal/registry"
	"auditlog-connector/sinks/kafka/internal/txn"
	"auditlog-connector/sinks/kafka/internal/wire"
)

// sink delivers one lane.
//
//	marker ─▶ judge ─ committed ─▶ done
//	             └ absent ─▶ records, and the marker, in one transaction ─▶ commit
//
// The marker is what this instance last read or committed: while the instance owns the
// transactional id, nobody else can change it.
type sink struct {
	config   *Config
	lane     string
	id       string // transactional
	log      *slog.Logger
	format   format
	registry *registry.Client // nil: there is none

	cluster     *wire.Cluster
	producer    *txn.Producer
	instance    string           // in the header of every marker that this sink wrote
	owned       bool             // this sink has taken the transactional id over
	predecessor string           // instance of the marker that was there then
	marker      *pipeline.Marker // nil: there is none
	pending     *pipeline.Marker // of the transaction that is being committed
	limits      map[string]int   // bytes of a record batch, by topic
	builders    []*batch.Builder // by partition, whose memory is used again
	schemaID    string           // as a marker's header has it; empty: no registry
	refused     refused
	warned      bool // of what the brokers do not tell
}

// refused are records of one batch that a broker named and did not take.
type refused struct {
	batch   pipeline.BatchID
	records map[int]error // by index
}

var (
	_ pipeline.Sink    = (*sink)(nil)
	_ pipeline.Claimer = (*sink)(nil)
	_ pipeline.Placer  = (*sink)(nil)
	_ pipeline.Checker = (*sink)(nil)
)

// dialer is how connections are opened.
type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

func newSink(c *Config, env sinks.Env) (*sink, error) { return newSinkOver(c, env, nil) }

// newSinkOver is newSink with connections opened by dial; nil: the network.
func newSinkOver(c *Config, env sinks.Env, dial dialer) (*sink, error) {
	w := wire.Config{Brokers: c.Brokers, ClientID: "auditlog-connector", Login: c.SASL.login(), Dial: dial}
	if c.TLS != nil {
		config, err := c.TLS.Config()
		if err != nil {
			return nil, err
		}
		w.TLS = config
	}
	s := &sink{
		config: c, lane: env.Lane, log: env.Logger, format: newFormat(c),
		id:       fmt.Sprintf("%s.%s.%s", c.TransactionalIDPrefix, env.Source, env.Sink),
		instance: newInstance(), cluster: wire.New(w), limits: make(map[string]int),
	}
	if r := c.SchemaRegistry; r.URL != "" {
		client, err := registry.New(registry.Config{
			URL: r.URL, Username: r.Username, Password: r.Password.Reveal,
			TLS: r.TLS, Transport: env.Transport, Register: r.AutoRegister,
		})
		if err != nil {
			return nil, err
		}
		s.registry = client
	}
	s.producer = txn.New(s.cluster, s.id)
	return s, nil
}

// Place implements [pipeline.Placer]: the topic and the marker topic. A batch in
// doubt can be judged only by the marker topic it was written with.
func (s *sink) Place(pipeline.Manifest) string { return s.config.Topic + "/" + s.config.markerTopic() }

func (s *sink) reach(m pipeline.Manifest) error {
	if place := s.Place(m); m.Place != "" && m.Place != place {
		return pipeline.Permanent(fmt.Errorf("the batch in doubt belongs to %q, and topic/marker_topic is %q now; "+
			"set them back until it is settled, or see: connector checkpoint resolve", m.Place, place))
	}
	return nil
}

// Claim implements [pipeline.Claimer]. Whoever had the lane is fenced only once its
// marker says that the lane is the checkpoint's.
func (s *sink) Claim(ctx context.Context, cp pipeline.Checkpoint, takeover bool) error {
	return s.explain(ctx, s.begin(ctx, judgement{
		early: func(mk *pipeline.Marker) error {
			if mk == nil || mk.Epoch == cp.Epoch && mk.Seq < cp.Next {
				return nil
			}
			_, _, err := mk.Claim(cp, takeover)
			return err
		},
		final: func(mk *pipeline.Marker) (*pipeline.Marker, error) { return s.claimed(mk, cp, takeover) },
		stamp: true,
	}))
}

// claimed returns the marker with which cp's lane goes on, given the one found.
func (s *sink) claimed(mk *pipeline.Marker, cp pipeline.Checkpoint, takeover bool) (*pipeline.Marker, error) {
	if mk == nil && cp.HasDelivered() {
		if cp.Prepared != nil && !takeover {
			return nil, fmt.Errorf("%w: topic %s has no marker of this lane any more, and batch %d is in doubt (see: connector checkpoint resolve --lane %s)",
				pipeline.ErrInDoubt, s.config.markerTopic(), cp.Prepared.ID.Seq, s.lane)
		}
		s.log.Warn("the marker topic does not know this lane, which has delivered before: was it deleted, or topic changed? Earlier events may not be in the topic",
			"lane", s.lane, "topic", s.config.Topic, "hint", "to deliver them again: connector checkpoint reset --lane "+s.lane+" --start earliest")
	}
	claimed, _, err := mk.Claim(cp, takeover)
	return &claimed, err
}

// Deliver implements [pipeline.Sink].
func (s *sink) Deliver(ctx context.Context, b pipeline.Batch) error {
	err := s.deliver(ctx, b)
	if errors.As(err, new(*pipeline.RejectedError)) {
		return err
	}
	return s.explain(ctx, err)
}

func (s *sink) deliver(ctx context.Context, b pipeline.Batch) error {
	if err := s.reach(b.Manifest); err != nil {
		return err
	}
	if err := s.begin(ctx, keep(b.Manifest)); err != nil {
		return err
	}
	// Invariant 2: what the marker knows under this ID, or above, is not written.
	if out, err := s.marker.Judge(b.Manifest); err != nil || out == pipeline.OutcomeCommitted {
		return err
	}
	p, err := s.plan(ctx, b)
	if err != nil {
		return err
	}
	if err := s.transact(ctx, p.partitions(), func() (map[txn.Partition][]batch.Batch, pipeline.Marker) {
		batches := p.pack() // finds what is rejected
		return batches, pipeline.NewMarker(b.Manifest, p.rejected)
	}); err != nil {
		s.learn(b.ID, err)
		return err
	}
	if len(p.rejected) > 0 {
		return &pipeline.RejectedError{Records: p.rejected}
	}
	return nil
}

// keep judges by a manifest, and leaves the marker as it is.
func keep(m pipeline.Manifest) judgement {
	final := func(mk *pipeline.Marker) (*pipeline.Marker, error) {
		_, err := mk.Judge(m)
		if errors.As(err, new(*pipeline.RejectedError)) {
			err = nil
		}
		return mk, err
	}
	early := func(mk *pipeline.Marker) (err error) {
		if mk != nil {
			_, err = final(mk)
		}
		return err
	}
	return judgement{early: early, final: final}
}

// Resolve implements [pipeline.Sink].
func (s *sink) Resolve(ctx context.Context, m pipeline.Manifest) (pipeline.Outcome, error) {
	if err := s.reach(m); err != nil {
		return pipeline.OutcomeUnknown, err
	}
	if err := s.begin(ctx, keep(m)); err != nil {
		return pipeline.OutcomeUnknown, s.explain(ctx, err)
	}
	return s.marker.Judge(m)
}

// closeTime is how long Close may take to end an open transaction.
const closeTime = 2 * time.Second

// Close implements [pipeline.Sink]. A transaction that failed is aborted if the
// coordinator answers at once: consumers of the topic would wait for its time-out.
func (s *sink) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	s.producer.Abandon(ctx)
	s.cluster.Close()
	if s.registry != nil {
		return s.registry.Close()
	}
	return nil
}
