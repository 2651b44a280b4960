package s3

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/s3/format"
	"auditlog-connector/sinks/sinktest"
)

const epoch = "0a1b2c3d"

var day = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

// fixture is a sink of acme/archive on a fake store.
type fixture struct {
	*testing.T
	fake *fakeStore
	url  string
	*sink
	log *bytes.Buffer
}

func newFixture(t *testing.T, more string) *fixture {
	t.Helper()
	fake, url := newFake(t)
	f := &fixture{T: t, fake: fake, url: url, log: &bytes.Buffer{}}
	f.open(more)
	return f
}

// open opens another sink of the lane, as a new process with that configuration.
func (f *fixture) open(more string) {
	f.T.Helper()
	c := settings(f.T, "bucket: audit\nregion: us-east-1\npath_style: true\nendpoint: "+f.url+"\n"+more)
	f.sink = open(f.T, c, "acme/archive", nil)
	f.sink.log = slog.New(slog.NewTextHandler(f.log, nil))
	f.Cleanup(func() { f.sink.Close() })
}

func (f *fixture) claim(next uint64) {
	f.T.Helper()
	if err := f.Claim(f.Context(), pipeline.Checkpoint{Epoch: epoch, Next: next, Start: pipeline.Earliest}, false); err != nil {
		f.T.Fatal(err)
	}
}

// batch is batch seq of n events from day on.
func (f *fixture) batch(seq uint64, n int) pipeline.Batch {
	var records []pipeline.Record
	for i := range n {
		records = append(records, sinktest.Record("acme", fmt.Sprintf("event-%d-%d", seq, i), day.Add(time.Duration(i)*time.Second)))
	}
	b := sinktest.Batch(pipeline.BatchID{Lane: "acme/archive", Epoch: epoch, Seq: seq}, records)
	b.Place = f.Place(b.Manifest)
	return b
}

func (f *fixture) deliver(b pipeline.Batch) {
	f.T.Helper()
	if err := f.Deliver(f.Context(), b); err != nil {
		f.T.Fatal(err)
	}
}

// answers lets the store answer the next request that match selects with an error.
func (f *fixture) answers(match func(*http.Request) bool, status int, code string, header ...string) {
	done := false
	f.fake.mu.Lock()
	defer f.fake.mu.Unlock()
	f.fake.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if done || !match(r) {
			return false
		}
		done = true
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		refuse(w, r, status, code, "the store says "+code)
		return true
	}
}

func TestKeysAndMetadataAreThoseOfTheContract(t *testing.T) {
	for _, c := range []struct{ more, want string }{
		{"", "source=acme/dt=2026-11-22/archive-0a1b2c3d-00000000000000000007.avro"},
		{"prefix: audit/logs", "audit/logs/source=acme/dt=2026-11-22/archive-0a1b2c3d-00000000000000000007.avro"},
		{"prefix: audit/\npartition: dt/hour", "audit/source=acme/dt=2026-11-22/hour=09/archive-0a1b2c3d-00000000000000000007.avro"},
		{"format: jsonl", "source=acme/dt=2026-11-22/archive-0a1b2c3d-00000000000000000007.jsonl.gz"},
		{"format: jsonl\ncompression: zstd", "source=acme/dt=2026-11-22/archive-0a1b2c3d-00000000000000000007.jsonl.zst"},
		{"format: jsonl\ncompression: none", "source=acme/dt=2026-11-22/archive-0a1b2c3d-00000000000000000007.jsonl"},
		{"format: parquet", "source=acme/dt=2026-11-22/archive-0a1b2c3d-00000000000000000007.parquet"},
	} {
		f := newFixture(t, c.more)
		f.claim(1)
		b := f.batch(7, 3)
		f.deliver(b)
		o := f.fake.objects[c.want]
		if o == nil {
			t.Errorf("%s: no object %s, there are %v", c.more, c.want, f.fake.keys(""))
			continue
		}
		digest := b.Digest()
		for name, want := range map[string]string{
			"X-Amz-Meta-Batch-Id": "acme/archive/0a1b2c3d/00000000000000000007", "X-Amz-Meta-Batch-Digest": fmt.Sprintf("%x", digest),
			"X-Amz-Meta-Events": "3", "X-Amz-Meta-First": "2026-11-22T09:30:00Z", "X-Amz-Meta-Last": "2026-11-22T09:30:02Z",
		} {
			if got := o.header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if got := f.fake.keys(f.sink.keys.prefix + "_connector/"); !slices.Contains(got, f.sink.keys.prefix+"_connector/acme/archive.json") {
			t.Errorf("no claim: %v", got)
		}
	}
}

func TestOneBatchIsOneObjectAndTwoRequests(t *testing.T) {
	f := newFixture(t, "")
	f.claim(1)
	before := len(f.fake.seen)
	f.deliver(f.batch(1, 100))
	if got := len(f.fake.seen) - before; got != 2 {
		t.Errorf("%d requests for a batch, want the claim and the object: %v", got, f.fake.seen[before:])
	}
}

func TestAnswersAreClassified(t *testing.T) {
	const permanent, throttled, doubt, refusedCode = "permanent", "throttled", "in doubt", "refused"
	for _, c := range []struct {
		status int
		code   string
		want   string
		says   string
	}{
		{409, "ConditionalRequestConflict", doubt, ""},
		{500, "InternalError", doubt, "HTTP 500 InternalError: the store says"},
		{503, "ServiceUnavailable", doubt, ""},
		{503, "SlowDown", throttled, ""},
		{429, "TooManyRequests", throttled, ""},
		{400, "RequestTimeout", doubt, ""},
		{400, "BadDigest", doubt, ""},
		{400, "IncompleteBody", doubt, ""},
		{408, "", doubt, ""},
		{403, "RequestTimeTooSkewed", doubt, "clock"},
		{403, "AccessDenied", refusedCode, ""},
		{403, "InvalidAccessKeyId", throttled, ""}, // once: others may have been issued
		{400, "ExpiredToken", throttled, ""},
		{404, "NoSuchBucket", permanent, "create the bucket"},
		{301, "PermanentRedirect", permanent, "set region to eu-west-1"},
		{307, "TemporaryRedirect", permanent, "set region to eu-west-1"},
		{400, "AuthorizationHeaderMalformed", permanent, "region"},
		{400, "KMS.DisabledException", permanent, "kms_key_id"},
		{400, "InvalidStorageClass", permanent, "storage_class"},
		{400, "EntityTooLarge", permanent, ""},
		{501, "NotImplemented", permanent, "cannot"},
		{412, "PreconditionFailed", doubt, ""}, // and then it is not there
	} {
		t.Run(fmt.Sprint(c.status, " ", c.code), func(t *testing.T) {
			f := newFixture(t, "")
			f.claim(1)
			b := f.batch(1, 2)
			f.answers(putsBatch, c.status, c.code, "X-Amz-Bucket-Region", "eu-west-1", "Retry-After", "7")
			before := len(f.fake.seen)
			err := f.Deliver(t.Context(), b)
			var th *pipeline.ThrottledError
			got := doubt
			switch {
			case err == nil:
				got = "delivered"
			case errors.As(err, &th):
				got = throttled
				if c.code == "SlowDown" && th.After != 7*time.Second {
					t.Errorf("wait %s, want 7s", th.After)
				}
			case errors.Is(err, pipeline.ErrRefused):
				got = refusedCode
			case pipeline.IsPermanent(err):
				got = permanent
			}
			if got != c.want || !strings.Contains(fmt.Sprint(err), c.says) {
				t.Errorf("%s, want %s, saying %q: %v", got, c.want, c.says, err)
			}
			if puts := countSeen(f.fake.seen[before:], "PUT "); puts != 1 {
				t.Errorf("%d PUTs: it was tried again", puts)
			}
			f.deliver(b)
			if n := len(f.fake.keys("source=")); n != 1 {
				t.Errorf("%d objects", n)
			}
		})
	}
}

func countSeen(seen []string, method string) (n int) {
	for _, s := range seen {
		if strings.HasPrefix(s, method) {
			n++
		}
	}
	return n
}

func TestAppliedAndAnswered500IsSettledByLooking(t *testing.T) {
	f := newFixture(t, "")
	f.claim(1)
	b := f.batch(1, 2)
	f.fake.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if !putsBatch(r) {
			return false
		}
		f.fake.answer = nil
		body := bytes.Clone([]byte("x"))
		f.fake.objects[strings.TrimPrefix(r.URL.Path, "/audit/")] = &fakeObject{body, etag(body), kept(r.Header), time.Now()}
		refuse(w, r, 500, "InternalError", "applied")
		return true
	}
	if err := f.Deliver(t.Context(), b); err == nil {
		t.Fatal("no error")
	}
	if out, err := f.Resolve(t.Context(), b.Manifest); out != pipeline.OutcomeCommitted || err != nil {
		t.Errorf("resolved as %s, %v", out, err)
	}
}

func TestOneIDWithOtherEventsIsFenced(t *testing.T) {
	f := newFixture(t, "")
	f.claim(1)
	f.deliver(f.batch(1, 3))
	content := f.fake.key("source=acme/dt=2026-11-22/archive-0a1b2c3d-00000000000000000001.avro")
	err := f.Deliver(t.Context(), f.batch(1, 4))
	if !errors.Is(err, pipeline.ErrFenced) || !strings.Contains(err.Error(), "epoch 0a1b2c3d") {
		t.Errorf("deliver: %v, want ErrFenced with the epoch", err)
	}
	if !bytes.Equal(content, f.fake.key("source=acme/dt=2026-11-22/archive-0a1b2c3d-00000000000000000001.avro")) {
		t.Error("it was written over")
	}
}

func TestPlaceOutlivesTheConfiguration(t *testing.T) {
	f := newFixture(t, "prefix: old")
	f.claim(1)
	b := f.batch(1, 3)
	f.open("prefix: new\nformat: parquet")
	if err := f.Deliver(t.Context(), b); !errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("without a claim below the new prefix: %v", err)
	}
	f.claim(2)
	f.deliver(b)
	key := "old/source=acme/dt=2026-11-22/archive-0a1b2c3d-00000000000000000001.avro"
	n := 0
	if err := format.Read(key, f.fake.key(key), func(format.Event) error { n++; return nil }); err != nil || n != 3 {
		t.Errorf("%d events in %s, %v", n, key, err)
	}
	if out, err := f.Resolve(t.Context(), b.Manifest); out != pipeline.OutcomeCommitted || err != nil {
		t.Errorf("resolved as %s, %v", out, err)
	}
	b.Place = "s3://elsewhere/" + key
	if err := f.Deliver(t.Context(), b); !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "set bucket back") {
		t.Errorf("another bucket: %v", err)
	}
	if _, err := f.Resolve(t.Context(), b.Manifest); !pipeline.IsPermanent(err) {
		t.Errorf("resolve in another bucket: %v", err)
	}
}

func TestLargeBatchesGoUpInParts(t *testing.T) {
	for _, c := range []struct {
		name   string
		events int
		big    int
	}{{"50,000 events", 50_000, 0}, {"one event of 30 MiB", 1, 30 << 20}, {"one event", 1, 0}} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, "compression: none")
			f.claim(1)
			b := f.batch(1, c.events)
			if c.big > 0 {
				b.Records[0].Audit.Raw = bytes.Repeat([]byte("x"), c.big)
				b.Records[0] = sinktest.Encoded(b.Records[0].Event)
			}
			f.deliver(b)
			keys := f.fake.keys("source=")
			n := 0
			if err := format.Read(keys[0], f.fake.key(keys[0]), func(format.Event) error { n++; return nil }); err != nil || n != c.events || len(keys) != 1 {
				t.Errorf("%d events in %v, %v", n, keys, err)
			}
			parts := slices.ContainsFunc(f.fake.seen, func(s string) bool { return strings.HasPrefix(s, "POST source=") })
			if large := c.events > 1000 || c.big > 0; parts != large {
				t.Errorf("in parts: %t, want %t", parts, large)
			}
			if len(f.fake.uploads) > 0 {
				t.Errorf("%d uploads are left", len(f.fake.uploads))
			}
			f.deliver(b) // and again: no effect
			if len(f.fake.uploads) > 0 || len(f.fake.keys("source=")) != 1 {
				t.Errorf("delivered again: %d uploads, %d objects", len(f.fake.uploads), len(f.fake.keys("source=")))
			}
		})
	}
}

func TestFailedUploadIsAborted(t *testing.T) {
	f := newFixture(t, "compression: none")
	f.partSize = 1000
	f.claim(1)
	b := f.batch(1, 10)
	part := func(r *http.Request) bool { return r.URL.Query().Get("partNumber") == "3" }
	f.answers(part, 500, "InternalError")
	if err := f.Deliver(t.Context(), b); err == nil || len(f.fake.uploads) > 0 {
		t.Errorf("%v, %d uploads are left", err, len(f.fake.uploads))
	}

	// One that cannot be aborted now is with the next batch.
	down := true
	f.fake.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if part(r) || r.Method == http.MethodDelete && down {
			refuse(w, r, 500, "InternalError", "no")
			return true
		}
		return false
	}
	if err := f.Deliver(t.Context(), b); err == nil || len(f.fake.uploads) != 1 {
		t.Errorf("%v, %d uploads are left, want 1", err, len(f.fake.uploads))
	}
	f.fake.answer = nil
	f.deliver(b)
	if len(f.fake.uploads) > 0 || len(f.fake.keys("source=")) != 1 {
		t.Errorf("%d uploads, %d objects", len(f.fake.uploads), len(f.fake.keys("source=")))
	}
}

func TestSecretsStayOutOfErrors(t *testing.T) {
	t.Setenv("AWS_SESSION_TOKEN", "token-that-nobody-may-see")
	f := newFixture(t, "")
	f.claim(1)
	f.fake.answer = func(w http.ResponseWriter, r *http.Request) bool {
		refuse(w, r, 500, "InternalError", "your secret is testsecret123 and your token "+r.Header.Get("X-Amz-Security-Token"))
		return true
	}
	err := f.Deliver(t.Context(), f.batch(1, 1))
	if err == nil || strings.Contains(err.Error(), "testsecret123") || strings.Contains(err.Error(), "nobody-may-see") {
		t.Errorf("deliver: %v", err)
	}
}

func TestNoAnswerIsDoubt(t *testing.T) {
	f := newFixture(t, "")
	f.claim(1)
	f.fake.answer = func(w http.ResponseWriter, r *http.Request) bool {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			c.Close()
		}
		return true
	}
	err := f.Deliver(t.Context(), f.batch(1, 1))
	if err == nil || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "get s3://audit/_connector/acme/archive.json: ") ||
		strings.Contains(err.Error(), "https response error") {
		t.Errorf("deliver: %v", err)
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("the cause is hidden: %v", err)
	}
}
