package splunkhec

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas/document"
	"auditlog-connector/sinks"
)

// sink delivers one lane.
//
//	health ─▶ does the token acknowledge? ─▶ POST, piece by piece ─┬─ taken ─▶ acknowledged? ─▶ done
//	                                                               ├─ N is bad ─▶ N rejected, the rest again
//	                                                               ├─ busy ─▶ the next address, or later
//	                                                               └─ nobody knows ─▶ in doubt ─▶ Resolve: search
type sink struct {
	config   *Config
	source   string
	lane     string
	log      *slog.Logger
	client   *httpclient.Client
	document document.Append
	limit    int // bytes of a request; less once the server has refused so much
	token    keyring
	searcher keyring
	said     ackMode // what the log says of acknowledgements

	sessions []*session
	current  int // the address in use
	progress *progress

	piece piece
	lent  bool // the memory of piece may still be read
	zip   zipper

	ackSeconds prometheus.Histogram
	now        func() time.Time
	sleep      func(ctx context.Context, d time.Duration) error
}

var (
	_ pipeline.Sink    = (*sink)(nil)
	_ pipeline.Placer  = (*sink)(nil)
	_ pipeline.Checker = (*sink)(nil)
)

func newSink(c *Config, env sinks.Env) (*sink, error) {
	client, err := httpclient.New(httpclient.Options{TLS: c.TLS, Transport: env.Transport})
	if err != nil {
		return nil, err
	}
	s := &sink{
		config: c, source: env.Source, lane: env.Lane, log: env.Logger, client: client,
		document: document.Lookup(c.Schema), limit: int(c.MaxContentLength),
		token: keyring{name: "token", secret: c.Token}, searcher: keyring{name: "search.token", secret: c.Search.Token},
		now: time.Now, sleep: sleep,
		ackSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "connector_splunk_hec_ack_seconds", Help: "From a request's being taken to its acknowledgement by the indexer.",
			Buckets: []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800},
		}),
	}
	for _, address := range c.addresses() {
		s.sessions = append(s.sessions, newSession(address, c.Ack))
	}
	if err := env.Registerer.Register(s.ackSeconds); err != nil {
		return nil, err
	}
	return s, nil
}

// Place implements [pipeline.Placer]: the index, so that a batch in doubt is looked
// for, and completed, where it began. Empty: the token's.
func (s *sink) Place(pipeline.Manifest) string { return s.config.Index }

// Deliver implements [pipeline.Sink].
func (s *sink) Deliver(ctx context.Context, b pipeline.Batch) error {
	p := s.follow(&b.Manifest)
	if p.expired() {
		// An acknowledgement may have come too late; what is still without is sent again.
		if err := s.askAcks(ctx, p); isClean(err) || pipeline.IsPermanent(err) {
			return err
		}
		p.giveUp()
	}
	if err := s.send(ctx, &b, p); err != nil {
		return err
	}
	if err := s.await(ctx, p); err != nil {
		return err
	}
	// Invariant 3: delivered only on evidence, of every record.
	if p.left > 0 {
		return fmt.Errorf("%d of %d events are neither taken nor rejected", p.left, len(p.done))
	}
	return p.verdict()
}

// follow returns what is known of the batch m.
func (s *sink) follow(m *pipeline.Manifest) *progress {
	if !s.progress.of(m) {
		s.progress = newProgress(m)
	}
	return s.progress
}

// Close implements [pipeline.Sink].
func (s *sink) Close() error { return s.client.Close() }

// sleep waits for d, or for ctx to be done, whose error it then returns.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// zipper compresses, with memory of its own.
type zipper struct {
	w   *gzip.Writer
	out writer
}

// writer is a slice that grows.
type writer []byte

func (w *writer) Write(b []byte) (int, error) {
	*w = append(*w, b...)
	return len(b), nil
}

// compress returns body compressed. It is valid until the next call.
func (z *zipper) compress(body []byte) []byte {
	z.out = z.out[:0]
	if z.w == nil {
		z.w, _ = gzip.NewWriterLevel(&z.out, gzip.BestSpeed) // the level is one
	} else {
		z.w.Reset(&z.out)
	}
	_, _ = z.w.Write(body) // a slice does not fail
	_ = z.w.Close()
	return z.out
}

// next makes the next address the one in use.
func (s *sink) next() { s.current = (s.current + 1) % len(s.sessions) }

// methods of requests.
const (
	get  = http.MethodGet
	post = http.MethodPost
)
