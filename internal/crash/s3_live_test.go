//go:build unix

package crash

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/internal/testserver"
)

func mustBucketWorld(t *testing.T, server *testserver.S3, o options, more string) *bucketWorld {
	t.Helper()
	w, err := newBucketWorld(t.Context(), server, o, more)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return w
}

// live starts the program without --once.
func (w *bucketWorld) live(env ...string) (*process, error) {
	cmd := exec.Command(connector, "run", "--config", w.path("connector.yaml"))
	cmd.Env = append(w.env(), env...)
	return w.launch(nil, cmd)
}

// objects counts the objects of batches.
func (w *bucketWorld) objects(ctx context.Context) (n int, err error) {
	pages := s3.NewListObjectsV2Paginator(w.client, &s3.ListObjectsV2Input{Bucket: &w.bucket, Prefix: ptr("source=")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, err
		}
		n += len(page.Contents)
	}
	return n, nil
}

// TestS3LoneEventDoesNotWaitForOthers: a batch is flushed by the clock, and a poll
// that brings nothing makes no object.
func TestS3LoneEventDoesNotWaitForOthers(t *testing.T) {
	t.Parallel()
	testserver.Require(t)
	server := testserver.MinIO(t, testserver.S3Options{})
	o := catchingUp()
	o.sim.Events, o.sim.Both = 1, 0
	w := mustBucketWorld(t, server, o, "batch: { max_age: 2s }")
	p, err := w.live()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
		n, err := w.objects(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			break
		}
		if time.Since(began) > stores {
			t.Fatalf("%d objects after %s:\n%s", n, stores, p.tail())
		}
	}
	t.Logf("a lone event was in the bucket %s after the start, with max_age 2s", time.Since(began).Round(10*time.Millisecond))
	polls := w.sim.Stats().Requests
	for w.sim.Stats().Requests < polls+6 {
		select {
		case <-p.ended:
			t.Fatalf("it ended:\n%s", p.tail())
		case <-time.After(50 * time.Millisecond):
		}
	}
	p.signal(syscall.SIGTERM)
	if err := p.outlast(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := w.objects(t.Context()); n != 1 || err != nil {
		t.Errorf("%d objects after polls that bring nothing, %v", n, err)
	}
}

// TestS3CopyOfTheCheckpointIsFenced runs a second connector from a backup of the
// first one's checkpoint.
func TestS3CopyOfTheCheckpointIsFenced(t *testing.T) {
	t.Parallel()
	testserver.Require(t)
	server := testserver.MinIO(t, testserver.S3Options{})
	o := catchingUp()
	o.pageSize = 100
	w := mustBucketWorld(t, server, o, "batch: { max_events: 50 }")
	if _, err := w.export(t.Context(), func(n int64, answered bool) bool { return n == 20 }); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"checkpoint.db", "checkpoint.db.generation"} {
		if err := copyFile(w.path("backup-"+name), w.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := w.export(t.Context(), nil); err != nil || !p.cmd.ProcessState.Success() {
		t.Fatalf("%v\n%s", err, p.tail())
	}
	before, err := w.objects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"checkpoint.db", "checkpoint.db.generation"} {
		if err := copyFile(w.path(name), w.path("backup-"+name)); err != nil {
			t.Fatal(err)
		}
	}
	p, err := w.export(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 3 || !p.says("the checkpoint is at batch", "restored from a backup or is used twice") {
		t.Errorf("exit %d:\n%s", code, p.tail())
	}
	if after, err := w.objects(t.Context()); after != before || err != nil {
		t.Errorf("%d objects, %d before, %v", after, before, err)
	}
	if err := w.verdict(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestS3GoesThroughAProxy reaches a store whose name only the proxy can resolve.
func TestS3GoesThroughAProxy(t *testing.T) {
	t.Parallel()
	testserver.Require(t)
	server := testserver.MinIO(t, testserver.S3Options{})
	w := mustBucketWorld(t, server, catchingUp(), "batch: { max_events: 500 }")
	to, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	var carried atomic.Int64
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host }}
	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Host != "s3.invalid" {
			http.Error(rw, "not for "+r.URL.Host, http.StatusBadGateway)
			return
		}
		carried.Add(1)
		r.URL.Host, r.URL.Scheme = "", ""
		forward.ServeHTTP(rw, r)
	}))
	defer proxy.Close()
	text, err := os.ReadFile(w.path("connector.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	there := strings.Replace(string(text), fmt.Sprintf("endpoint: %q", w.proxy.URL), `endpoint: "http://s3.invalid"`, 1)
	if err := os.WriteFile(w.path("connector.yaml"), []byte(there), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(connector, "run", "--once", "--config", w.path("connector.yaml"))
	cmd.Env = append(w.env(), "HTTP_PROXY="+proxy.URL, "NO_PROXY=127.0.0.1")
	p, err := w.launch(nil, cmd)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.outlast(t.Context()); err != nil || !p.cmd.ProcessState.Success() {
		t.Fatalf("%v\n%s", err, p.tail())
	}
	if err := w.verdict(t.Context()); err != nil || carried.Load() == 0 {
		t.Errorf("%v, %d requests went through the proxy", err, carried.Load())
	}
}

// env is the environment of the program: nothing but what it needs.
func (w *bucketWorld) env() []string {
	return []string{
		"OPENAI_ADMIN_KEY=" + openaisim.DefaultAdminKey, "AWS_ACCESS_KEY_ID=testaccess", "AWS_SECRET_ACCESS_KEY=testsecret123",
		"AWS_EC2_METADATA_DISABLED=true", "HOME=" + w.dir,
	}
}
