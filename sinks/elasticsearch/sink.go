package elasticsearch

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas/document"
	"auditlog-connector/sinks"
)

const (
	// requestLimit is how many bytes a request has, uncompressed; a single document
	// may be longer.
	requestLimit = 5 << 20
	// inFlight is how many requests are under way at a time, and worthwhile how many
	// documents one needs to have for another one beside it.
	inFlight   = 2
	worthwhile = 500
	// smallest is where a server that finds requests too large stops being believed.
	smallest = 64 << 10
	// serverWait is how long the server waits for shards, and requestTimeout how long
	// its answer is waited for.
	serverWait     = "30s"
	requestTimeout = 90 * time.Second
)

// sink delivers one lane.
//
//	template? ─▶ in doubt, and a data stream? ─▶ look the ids up ─▶ POST _bulk, piece by piece, judged item by item
//	  ├─ 201, 409 ─▶ there
//	  ├─ 429, 503 ─▶ later, only these
//	  ├─ 400, dropped ─▶ rejected, the others are there
//	  ├─ 403, closed, missing ─▶ the lane stops
//	  └─ no answer ─▶ in doubt ─▶ all that was not answered for is created again
type sink struct {
	config   *Config
	lane     string
	log      *slog.Logger
	client   *httpclient.Client
	document document.Append
	source   string
	login    login
	nodes    []string
	limit    int // bytes of a request; less once the server has refused so much

	target   *target // of the batch under way
	prepared string  // the place whose template has been seen to
	progress *progress

	slots [inFlight]slot
	now   func() time.Time

	mu      sync.Mutex
	current int // the node in use
}

var (
	_ pipeline.Sink    = (*sink)(nil)
	_ pipeline.Placer  = (*sink)(nil)
	_ pipeline.Checker = (*sink)(nil)
)

func newSink(c *Config, env sinks.Env) (*sink, error) {
	nodes, err := c.addresses()
	if err != nil {
		return nil, err
	}
	client, err := httpclient.New(httpclient.Options{TLS: c.TLS, Timeout: requestTimeout, Transport: env.Transport})
	if err != nil {
		return nil, err
	}
	s := &sink{
		config: c, lane: env.Lane, log: env.Logger, client: client, document: document.Lookup(c.Schema), source: env.Source,
		login: login{config: c}, limit: requestLimit, now: time.Now,
	}
	for _, n := range nodes {
		s.nodes = append(s.nodes, strings.TrimRight(n, "/"))
	}
	return s, nil
}

// Place implements [pipeline.Placer]: the pattern of the index, so that a batch in
// doubt is created again where it was created first.
func (s *sink) Place(pipeline.Manifest) string { return s.config.place() }

// Deliver implements [pipeline.Sink].
func (s *sink) Deliver(ctx context.Context, b pipeline.Batch) error {
	if err := s.aim(b.Place); err != nil {
		return pipeline.Permanent(err)
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	p := s.follow(&b.Manifest)
	if s.target.stream != "" && p.doubt {
		if err := s.lookUp(ctx, p, p.todo()); err != nil {
			return err
		}
	}
	if err := s.send(ctx, &b, p); err != nil {
		return err
	}
	if p.left > 0 {
		p.doubt = true
		return fmt.Errorf("%d documents were created and are not there", p.left)
	}
	return p.verdict()
}

// Resolve implements [pipeline.Sink]. A document that is there is not created again,
// so delivering is always safe, and tells which were refused.
func (s *sink) Resolve(_ context.Context, m pipeline.Manifest) (pipeline.Outcome, error) {
	s.follow(&m).doubt = true
	return pipeline.OutcomeAbsent, nil
}

// aim makes place the target, whatever is configured today.
func (s *sink) aim(place string) error {
	if place == "" {
		place = s.config.place()
	}
	if s.target != nil && s.target.place == place {
		return nil
	}
	t, err := parseTarget(place)
	if err != nil {
		return err
	}
	s.target = t
	return nil
}

// follow returns what is known of the batch m.
func (s *sink) follow(m *pipeline.Manifest) *progress {
	if !s.progress.of(m) {
		s.progress = newProgress(s.source, m)
	}
	return s.progress
}

// Close implements [pipeline.Sink].
func (s *sink) Close() error { return s.client.Close() }
