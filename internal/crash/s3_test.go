//go:build unix

package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/linkedin/goavro/v2"

	"auditlog-connector/internal/testserver"
	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint"
)

const laneArchive = "acme/archive"

// bucketWorld is a world with an S3 lane. Its bucket is behind a proxy, which kills
// the program at one of its requests.
type bucketWorld struct {
	*world
	bucket string
	client *s3.Client // past the proxy
	proxy  *httptest.Server

	requests atomic.Int64 // of the present life
	kill     func(n int64, answered bool) bool

	mu   sync.Mutex
	made map[string]int // successful writes, by key
}

var buckets atomic.Int64

func newBucketWorld(ctx context.Context, server *testserver.S3, o options, more string) (*bucketWorld, error) {
	w := &bucketWorld{bucket: fmt.Sprintf("crash-%d", buckets.Add(1)), made: make(map[string]int)}
	var err error
	if w.world, err = newWorld(o); err != nil {
		return nil, err
	}
	to, err := url.Parse(server.URL)
	if err != nil {
		return nil, err
	}
	w.proxy = httptest.NewServer(w.between(&httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		ErrorLog: nil,
	}))
	w.client = s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(server.AccessKey, server.SecretKey, ""),
	})
	if _, err := w.client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &w.bucket}); err != nil {
		return nil, err
	}
	text := w.configuration()
	text = text[:strings.Index(text, "sinks:\n")] + fmt.Sprintf(`sinks:
  - name: archive
    type: s3
    start: %s
    %s
    config: { bucket: %s, endpoint: %q, path_style: true, region: us-east-1, compression: none }
`, w.from.UTC().Format(time.RFC3339), more, w.bucket, w.proxy.URL)
	return w, os.WriteFile(w.path("connector.yaml"), []byte(text), 0o600)
}

func (w *bucketWorld) close() {
	w.world.close()
	w.proxy.Close()
}

// between kills the program before or after a request is applied, and remembers
// what was written.
func (w *bucketWorld) between(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		n := w.requests.Add(1)
		if w.kill != nil && w.kill(n, false) {
			w.life.Load().kill()
			panic(http.ErrAbortHandler)
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r.WithContext(context.WithoutCancel(r.Context())))
		q := r.URL.Query()
		whole := r.Method == http.MethodPut && !q.Has("uploadId") || r.Method == http.MethodPost && q.Has("uploadId")
		if whole && strings.Contains(r.URL.Path, "/dt=") && answer.Code == http.StatusOK {
			w.mu.Lock()
			w.made[r.URL.Path]++
			w.mu.Unlock()
		}
		if w.kill != nil && w.kill(n, true) {
			w.life.Load().kill()
			panic(http.ErrAbortHandler)
		}
		for k, v := range answer.Header() {
			rw.Header()[k] = v
		}
		rw.WriteHeader(answer.Code)
		_, _ = rw.Write(answer.Body.Bytes())
	})
}

// export runs the program once, with the AWS environment of the test.
func (w *bucketWorld) export(ctx context.Context, kill func(n int64, answered bool) bool) (*process, error) {
	w.requests.Store(0)
	w.kill = kill
	cmd := exec.Command(connector, "run", "--once", "--config", w.path("connector.yaml"))
	cmd.Env = w.env()
	p, err := w.launch(nil, cmd)
	if err != nil {
		return nil, err
	}
	return p, p.outlast(ctx)
}

// stores is how long a run may take that shares the machine with its store, and the
// store's disk with others: it syncs every object, and is asked again when it is slow.
const stores = 10 * time.Minute

// outlast is wait for a run that writes to a real store.
func (p *process) outlast(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stores, fmt.Errorf("the process hangs after %s", stores))
	defer cancel()
	select {
	case <-p.ended:
		return nil
	case <-ctx.Done():
		p.kill()
		return fmt.Errorf("%w:\n%s", context.Cause(ctx), p.tail())
	}
}

// doubt is what the batch that is prepared came to, as the bucket shows; empty if
// none is.
func (w *bucketWorld) doubt(ctx context.Context) (map[string]pipeline.Outcome, error) {
	dir, err := os.MkdirTemp(w.dir, "autopsy-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"checkpoint.db", "checkpoint.db.generation"} {
		if err := copyFile(filepath.Join(dir, name), w.path(name)); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
	}
	store, err := checkpoint.Open(filepath.Join(dir, "checkpoint.db"))
	if err != nil {
		return nil, err
	}
	defer store.Close()
	cp, err := store.Inspect(laneArchive)
	if errors.Is(err, checkpoint.ErrNoLane) || err == nil && cp.Prepared == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	key := strings.TrimPrefix(cp.Prepared.Place, "s3://"+w.bucket+"/")
	list, err := w.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &w.bucket, Prefix: &key})
	if err != nil {
		return nil, err
	}
	out := pipeline.OutcomeAbsent
	if len(list.Contents) > 0 {
		out = pipeline.OutcomeCommitted
	}
	return map[string]pipeline.Outcome{laneArchive: out}, nil
}

// verdict compares the bucket with the log: every event once, numbers without a gap,
// nothing written over.
func (w *bucketWorld) verdict(ctx context.Context) error {
	log := make(map[string][]byte)
	for e := range w.sim.Events() {
		log[e.ID] = e.Body
	}
	var held []row
	last := make(map[string]bool)
	pages := s3.NewListObjectsV2Paginator(w.client, &s3.ListObjectsV2Input{Bucket: &w.bucket, Prefix: ptr("source=acme/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, o := range page.Contents {
			rows, err := w.rows(ctx, *o.Key)
			if err != nil {
				return fmt.Errorf("%s: %w", *o.Key, err)
			}
			held = append(held, rows...)
			name := strings.TrimSuffix((*o.Key)[strings.LastIndexByte(*o.Key, '-')+1:], ".avro")
			if last[name] {
				return fmt.Errorf("batch %s is there twice", name)
			}
			last[name] = true
		}
	}
	for n := range len(last) {
		if !last[fmt.Sprintf("%020d", n+1)] {
			return fmt.Errorf("of %d batches number %d is not there", len(last), n+1)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, n := range w.made {
		if n > 1 {
			return fmt.Errorf("%s was written %d times", key, n)
		}
	}
	return compare("the bucket", log, held, bytes.Clone)
}

func (w *bucketWorld) rows(ctx context.Context, key string) (all []row, err error) {
	out, err := w.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &w.bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	r, err := goavro.NewOCFReader(out.Body)
	if err != nil {
		return nil, err
	}
	for r.Scan() {
		v, err := r.Read()
		if err != nil {
			return nil, err
		}
		m := v.(map[string]any)
		all = append(all, row{m["event_id"].(string), m["raw"].([]byte)})
	}
	return all, r.Err()
}

// bucket kills one life at its request at, lets the next one finish and judges.
func (t *tally) bucket(ctx context.Context, w *bucketWorld, at int64, after bool) error {
	p, err := w.export(ctx, func(n int64, answered bool) bool { return n == at && answered == after })
	if err != nil {
		return err
	}
	killed, err := p.dead()
	if err != nil {
		return err
	}
	found, err := w.doubt(ctx)
	if err != nil {
		return err
	}
	p, err = w.export(ctx, nil)
	if err != nil {
		return err
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the undisturbed run ended with %s:\n%s", p.cmd.ProcessState, p.tail())
	}
	how, err := p.settled()
	if err != nil {
		return err
	}
	t.died(killed, found)
	t.settled(found)
	return errors.Join(asFound(found, how), w.verdict(ctx))
}

func TestS3Matrix(t *testing.T) {
	testserver.Require(t)
	small := catchingUp()
	small.pageSize, small.sim.Latency = 100, 0
	large := small
	large.sim.Events, large.sim.From, large.from = 13_000, logEnd.AddDate(0, 0, -10), logEnd.AddDate(0, 0, -11)
	server := testserver.MinIO(t, testserver.S3Options{})
	var sums []*tally
	for _, c := range []struct {
		name     string
		o        options
		more     string
		every    int
		low, top int64 // how many requests a run has
	}{
		{"s3-objects", small, "batch: { max_events: 10 }", *every, 190, 260},
		{"s3-parts", large, "batch: { max_events: 100000, max_bytes: 256MiB, max_age: 5m }\n    buffer: 100000", max(*every/4, 1), 13, 40},
	} {
		n := countBucketRequests(t, server, c.o, c.more)
		t.Logf("%s: an undisturbed run makes %d requests", c.name, n)
		if n < c.low || n > c.top {
			t.Errorf("%s: an undisturbed run makes %d requests, want %d to %d", c.name, n, c.low, c.top)
		}
		for _, after := range []bool{false, true} {
			sum := &tally{kind: c.name + map[bool]string{false: "-before", true: "-after"}[after]}
			t.Run(sum.kind, func(t *testing.T) {
				sums = append(sums, sum)
				var wg sync.WaitGroup
				places := make(chan struct{}, runtime.GOMAXPROCS(0))
				for at := int64(1); at <= n; at++ {
					if *point > 0 && at != int64(*point) || *point == 0 && (at-1)%int64(max(c.every, 1)) != 0 {
						continue
					}
					places <- struct{}{}
					sum.points++
					wg.Go(func() {
						defer func() { <-places }()
						w, err := newBucketWorld(t.Context(), server, c.o, c.more)
						if err == nil {
							defer w.close()
							err = sum.bucket(t.Context(), w, at, after)
						}
						if err != nil {
							t.Errorf("%s %d: %v", sum.kind, at, err)
						}
					})
				}
				wg.Wait()
			})
		}
	}
	t.Logf("every %d:\n%s", *every, table(sums))
	if left, err := filepath.Glob(filepath.Join(server.Dir, "data", ".minio.sys", "multipart", "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("uploads are left in the store: %v %v", left, err)
	}
	for _, s := range sums {
		if !few() && !t.Failed() && (s.killed*10 < s.points*9 || s.doubt == 0) {
			t.Errorf("%s: %d of %d points reached, %d in doubt", s.kind, s.killed, s.points, s.doubt)
		}
	}
}

func countBucketRequests(t *testing.T, server *testserver.S3, o options, more string) int64 {
	t.Helper()
	w, err := newBucketWorld(t.Context(), server, o, more)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	p, err := w.export(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !p.cmd.ProcessState.Success() {
		t.Fatalf("the run ended with %s:\n%s", p.cmd.ProcessState, p.tail())
	}
	if err := w.verdict(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w.requests.Load()
}

func ptr[T any](v T) *T { return &v }
