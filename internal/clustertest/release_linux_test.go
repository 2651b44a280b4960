package clustertest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// release is the chart, installed with a lane into a bucket and one into a database
// on the volume.
type release struct {
	*world
	name   string // of the release and its bucket
	values string // file
	data   string // the folder that its volume is
	options
}

// options vary a release.
type options struct {
	sinks    string // further sinks
	more     string // further values
	batch    int    // batch.max_events; 0: 250
	requests int    // requests_per_second; 0: 100
}

// newRelease makes what a release needs and its values, and does not install it.
func (w *world) newRelease(t *testing.T, name string, o options) *release {
	t.Helper()
	r := &release{world: w, name: name, values: filepath.Join(w.dir, name+".yaml"), options: o}
	r.data = w.volume(t, "data-"+name+"-connector-0", "ReadWriteOnce")
	if _, err := w.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	r.write(t, name)
	return r
}

// write writes the values of a release that delivers into bucket.
func (r *release) write(t *testing.T, bucket string) {
	t.Helper()
	if err := os.WriteFile(r.values, []byte(r.valuesOf(bucket)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// valuesOf are values with many polls and small batches.
func (r *release) valuesOf(bucket string) string {
	return fmt.Sprintf(`
image: { repository: %[1]s, tag: test, pullPolicy: Never }
config:
  sources:
    - name: acme
      type: openai
      config: { admin_key: "${file:/run/secrets/openai/admin-key}", base_url: "http://%[2]s/v1", requests_per_second: %[8]d }
  pipeline: { poll_interval: 1s, sweep_interval: 5s, drain_timeout: 10s }
  sinks:
    - name: archive
      type: s3
      start: earliest
      batch: { max_events: %[7]d, max_age: 200ms }
      config: { bucket: %[3]s, endpoint: %[4]q, path_style: true, region: us-east-1 }
    - name: db
      type: sqlite
      start: earliest
      batch: { max_events: %[7]d, max_age: 200ms }
      config: { path: audit.db }
%[5]s
secrets:
  - { name: openai, existingSecret: openai-admin-key }
persistence: { size: 1Gi }
networkPolicy: { egressPorts: [443, 8080] }
probes: { periodSeconds: 1 }
extraEnv:
  - { name: AWS_EC2_METADATA_DISABLED, value: "true" }
  - { name: AWS_ACCESS_KEY_ID, valueFrom: { secretKeyRef: { name: store, key: id } } }
  - { name: AWS_SECRET_ACCESS_KEY, valueFrom: { secretKeyRef: { name: store, key: secret } } }
%[6]s`, imageName, r.api, bucket, r.bucket, r.sinks, r.more, cmp.Or(r.batch, 250), cmp.Or(r.requests, 100))
}

// pods of the chart are named after the release and the chart.
func (r *release) podName() string { return r.name + "-connector-0" }

// install installs the release and waits until its pod is ready.
func (r *release) install(t *testing.T, args ...string) string {
	t.Helper()
	out, err := r.chartRun(append([]string{"install", r.name, chart, "--values", r.values, "--wait", "--timeout", "3m"}, args...)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, r.describe())
	}
	return out
}

// uninstall ends the release, if it is there.
func (r *release) uninstall(t *testing.T) {
	t.Helper()
	if _, err := r.chartRun("uninstall", r.name, "--wait", "--timeout", "2m"); err != nil && !strings.Contains(err.Error(), "not found") {
		t.Error(err)
	}
}

// describe is what an operator would look at.
func (r *release) describe() string {
	out, _ := r.Run("", "describe", "pods", "--namespace", namespace)
	return out[max(0, len(out)-6000):] + "\n" + r.logs(r.podName())
}

// scale makes the pod go or come back.
func (r *release) scale(t *testing.T, n int) {
	t.Helper()
	if _, err := r.Run("", "scale", "statefulset", r.name+"-connector", "--namespace", namespace, fmt.Sprintf("--replicas=%d", n)); err != nil {
		t.Fatal(err)
	}
	if n > 0 {
		r.awaitReady(t, r.podName(), "")
		return
	}
	r.awaitGone(t)
}

func (r *release) awaitGone(t *testing.T) {
	t.Helper()
	r.await(t, "pod "+r.podName()+" to be gone", func() error {
		if _, err := r.pod(r.podName()); err == nil || !strings.Contains(err.Error(), "NotFound") {
			return fmt.Errorf("it is there: %w", err)
		}
		return nil
	})
}

// lane is a lane as /status shows it.
type lane struct {
	Lane, State, Reason, Batch string
	Recovered                  bool
	Delivered                  uint64
}

// lanes asks the pod itself.
func (r *release) lanes(ctx context.Context) (map[string]lane, error) {
	p, err := r.pod(r.podName())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Status.PodIP+":9464/status", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var status struct{ Lanes []lane }
	if err := json.NewDecoder(resp.Body).Decode(&status); err != nil {
		return nil, err
	}
	all := make(map[string]lane)
	for _, l := range status.Lanes {
		all[l.Lane] = l
	}
	return all, nil
}

// awaitMore waits until both lanes have delivered something since the pod began.
func (r *release) awaitMore(t *testing.T) {
	t.Helper()
	r.await(t, "deliveries", func() error {
		lanes, err := r.lanes(t.Context())
		if err != nil {
			return err
		}
		if lanes["acme/archive"].Delivered == 0 || lanes["acme/db"].Delivered == 0 {
			return fmt.Errorf("lanes %+v", lanes)
		}
		return nil
	})
}

// verdict waits until everything that can be read now is in both destinations, ends
// the pod, and looks whether all is there once.
func (r *release) verdict(t *testing.T) {
	t.Helper()
	before, err := r.truth(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	r.await(t, fmt.Sprintf("%d events in both destinations", len(before)), func() error {
		inBucket, errBucket := r.objects(t.Context(), r.name)
		inTable, errTable := table(t.Context(), filepath.Join(r.data, "audit.db"))
		if err := errors.Join(errBucket, errTable); err != nil {
			return err
		}
		if b, d := missing(inBucket, before), missing(inTable, before); b+d > 0 {
			return fmt.Errorf("%d are not in the bucket, %d not in the table", b, d)
		}
		return nil
	})
	r.scale(t, 0)
	inBucket, err := r.objects(t.Context(), r.name)
	if err != nil {
		t.Fatal(err)
	}
	inTable, err := table(t.Context(), filepath.Join(r.data, "audit.db"))
	if err != nil {
		t.Fatal(err)
	}
	after, err := r.truth(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	for name, held := range map[string][]row{"the bucket": inBucket, "the table": inTable} {
		if err := compare(held, before, after); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %d events, of %d that could be read before the pod ended", name, len(held), len(before))
	}
}
