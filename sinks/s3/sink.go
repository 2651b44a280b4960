package s3

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks"
	"auditlog-connector/sinks/s3/format"
)

// sink delivers one lane.
//
//	GET claim ─ another epoch ─▶ fenced
//	    └ ours ─▶ PUT the object, if it is not there ─┬─ 200 ─▶ done
//	                                                  ├─ 412 ─▶ HEAD ─┬─ our digest ─▶ done
//	                                                  │               └─ another ────▶ fenced
//	                                                  └─ anything else ─▶ in doubt ─▶ Resolve: HEAD
type sink struct {
	config *Config
	bucket string
	lane   string
	keys   keys
	format format.Format
	log    *slog.Logger

	transport http.RoundTripper // nil: the network
	conn      *connection       // nil: not connected, or the credentials were refused
	refused   bool              // by the last request, with credentials that had just been read
	encoders  map[format.Format]*format.Encoder
	partSize  int      // objects above it go up in parts of it
	orphans   []orphan // uploads that could not be aborted
	unsure    string   // the key of an upload that may have been begun
	proven    bool     // the store makes an object of parts only if it is not there
	now       func() time.Time
}

var (
	_ pipeline.Sink    = (*sink)(nil)
	_ pipeline.Claimer = (*sink)(nil)
	_ pipeline.Placer  = (*sink)(nil)
	_ pipeline.Checker = (*sink)(nil)
)

// defaultPartSize keeps batches within the default limits in one request.
const defaultPartSize = 8 << 20

func newSink(c *Config, env sinks.Env) *sink {
	return &sink{
		config: c, bucket: c.Bucket, lane: env.Lane, format: c.format(), log: env.Logger, transport: env.Transport,
		keys:     keys{prefix: c.prefix(), source: env.Source, sink: env.Sink, hours: c.Partition == partitionHour},
		encoders: make(map[format.Format]*format.Encoder), partSize: defaultPartSize, now: time.Now,
	}
}

// Deliver implements [pipeline.Sink].
func (s *sink) Deliver(ctx context.Context, b pipeline.Batch) error {
	key, err := s.key(&b.Manifest)
	if err != nil {
		return err
	}
	o, err := s.object(&b, key)
	if err != nil {
		return err
	}
	if err := s.owned(ctx, b.ID.Epoch); err != nil {
		return err
	}
	s.abortOrphans(ctx)
	if !s.config.ConditionalWrites {
		// Without the store's word the next best is to look first.
		out, err := s.judge(ctx, &b.Manifest, key)
		if out == pipeline.OutcomeCommitted || err != nil {
			return err
		}
	}
	err = s.write(ctx, o)
	if !errors.Is(err, errExists) {
		return err
	}
	switch out, err := s.judge(ctx, &b.Manifest, key); {
	case err != nil:
		return err
	case out != pipeline.OutcomeCommitted:
		return fmt.Errorf("put %s: it was there, and is not any more", location(s.bucket, key))
	}
	return nil
}

// object makes what to write of b.
func (s *sink) object(b *pipeline.Batch, key string) (*object, error) {
	f, err := s.format.Of(key)
	if err != nil {
		return nil, pipeline.Permanent(err)
	}
	e := s.encoders[f]
	if e == nil {
		e = format.NewEncoder(f)
		s.encoders[f] = e
	}
	content, err := e.Encode(b)
	if err != nil {
		return nil, pipeline.Permanent(err)
	}
	return &object{key: key, content: content, metadata: metadata(b), contentType: contentType(f), batch: true}, nil
}

// The names of an object's metadata.
const (
	metaBatch  = "batch-id"
	metaDigest = "batch-digest"
	metaEvents = "events"
	metaFirst  = "first" // time of the earliest event
	metaLast   = "last"  // time of the latest
)

func metadata(b *pipeline.Batch) map[string]string {
	digest := b.Digest()
	var first, last time.Time
	for i, p := range b.Members {
		if i == 0 || p.Time.Before(first) {
			first = p.Time
		}
		if i == 0 || p.Time.After(last) {
			last = p.Time
		}
	}
	return map[string]string{
		metaBatch: b.ID.String(), metaDigest: hex.EncodeToString(digest[:]), metaEvents: strconv.Itoa(len(b.Members)),
		metaFirst: first.UTC().Format(time.RFC3339), metaLast: last.UTC().Format(time.RFC3339),
	}
}

func contentType(f format.Format) string {
	switch f.Container {
	case format.Avro:
		return "application/vnd.apache.avro"
	case format.Parquet:
		return "application/vnd.apache.parquet"
	}
	// No Content-Encoding: readers go by the key's end, and some would unpack twice.
	switch f.Compression {
	case "gzip":
		return "application/gzip"
	case "zstd":
		return "application/zstd"
	}
	return "application/x-ndjson"
}

// Resolve implements [pipeline.Sink].
func (s *sink) Resolve(ctx context.Context, m pipeline.Manifest) (pipeline.Outcome, error) {
	key, err := s.key(&m)
	if err != nil {
		return pipeline.OutcomeUnknown, err
	}
	out, err := s.judge(ctx, &m, key)
	if err == nil && out == pipeline.OutcomeAbsent && !s.config.ConditionalWrites {
		// A first attempt that is still on its way would be written over the second.
		return pipeline.OutcomeUnknown, nil
	}
	return out, err
}

// judge looks at what is under the key of m.
func (s *sink) judge(ctx context.Context, m *pipeline.Manifest, key string) (pipeline.Outcome, error) {
	var head *s3.HeadObjectOutput
	err := s.call(ctx, "head "+location(s.bucket, key), 0, func(ctx context.Context, c *connection) (err error) {
		head, err = c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key, ExpectedBucketOwner: s.owner()})
		return err
	})
	switch {
	case errors.Is(err, errNotFound):
		return pipeline.OutcomeAbsent, nil
	case errors.Is(err, pipeline.ErrRefused):
		return pipeline.OutcomeUnknown, fmt.Errorf("%w; without s3:ListBucket an object that is not there is refused as well", err)
	case err != nil:
		return pipeline.OutcomeUnknown, err
	}
	digest := m.Digest()
	if want, got := hex.EncodeToString(digest[:]), head.Metadata[metaDigest]; got != want {
		return pipeline.OutcomeUnknown, fmt.Errorf("%w: %s has other events than batch %s of epoch %s (digest %.16s…, this one's is %.16s…); "+
			"another connector with a copy of the checkpoint delivers to it", pipeline.ErrFenced, location(s.bucket, key), m.ID, m.ID.Epoch, got, want)
	}
	return pipeline.OutcomeCommitted, nil
}

// Close implements [pipeline.Sink].
func (s *sink) Close() error {
	s.disconnect()
	return nil
}

func (s *sink) disconnect() {
	if s.conn != nil {
		s.conn.close()
		s.conn = nil
	}
}
