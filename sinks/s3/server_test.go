package s3

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"auditlog-connector/internal/testserver"
	"auditlog-connector/pipeline"
)

// on is a fixture on a real server's bucket.
func on(t *testing.T, s *store, more string) *fixture {
	t.Helper()
	f := &fixture{T: t, url: s.url, sink: open(t, s.settings(t, more), "acme/archive", nil)}
	t.Cleanup(func() { f.Close() })
	return f
}

func (s *store) head(t *testing.T, key string) *awss3.HeadObjectOutput {
	t.Helper()
	out, err := s.client.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func key(f *fixture, b pipeline.Batch) string {
	return strings.TrimPrefix(b.Place, "s3://"+f.bucket+"/")
}

func TestMinIOKeepsWhatIsAskedFor(t *testing.T) {
	testserver.Require(t)
	server := testserver.MinIO(t, testserver.S3Options{TLS: true}) // KMS keys go over TLS only
	s := newStore(t, server.URL, server.CAFile, "locked")
	yes := true
	if _, err := s.client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &s.bucket, ObjectLockEnabledForBucket: &yes}); err != nil {
		t.Fatal(err)
	}
	f := on(t, s, "sse: aws:kms\nkms_key_id: test-key\nobject_lock: { mode: governance, retain: 24h }\ntags: { team: sec ops }\nstorage_class: REDUCED_REDUNDANCY")
	for name, line := range findings(t, f.sink) {
		if line != "ok" {
			t.Errorf("check: %s: %s", name, line)
		}
	}
	f.claim(1)
	b := f.batch(1, 5)
	f.deliver(b)
	f.partSize = 5 << 20
	large := f.batch(2, 1)
	f.open2(t, s, "compression: none\nsse: aws:kms\nkms_key_id: test-key\nobject_lock: { mode: governance, retain: 24h }\ntags: { team: sec ops }")
	large.Records[0].Avro = append(large.Records[0].Avro[:0:0], large.Records[0].Avro...)
	large = f.big(2, 12<<20)
	f.deliver(large)
	for _, b := range []pipeline.Batch{b, large} {
		head := s.head(t, key(f, b))
		if head.ServerSideEncryption != types.ServerSideEncryptionAwsKms || !strings.HasSuffix(*head.SSEKMSKeyId, "test-key") {
			t.Errorf("encryption is %q", head.ServerSideEncryption)
		}
		if head.ObjectLockMode != types.ObjectLockModeGovernance || time.Until(*head.ObjectLockRetainUntilDate) < 23*time.Hour {
			t.Errorf("lock is %q until %v", head.ObjectLockMode, head.ObjectLockRetainUntilDate)
		}
		if head.Metadata[metaBatch] != b.ID.String() {
			t.Errorf("metadata is %v", head.Metadata)
		}
		k := key(f, b)
		tags, err := s.client.GetObjectTagging(t.Context(), &awss3.GetObjectTaggingInput{Bucket: &s.bucket, Key: &k})
		if err != nil || len(tags.TagSet) != 1 || *tags.TagSet[0].Value != "sec ops" {
			t.Errorf("tags are %v, %v", tags, err)
		}
		// The lock: nobody takes the object away.
		_, err = s.client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: &s.bucket, Key: &k, VersionId: head.VersionId})
		if err == nil {
			t.Error("a locked object was deleted")
		}
	}
}

// open2 opens the lane's sink anew, with another configuration.
func (f *fixture) open2(t *testing.T, s *store, more string) {
	f.sink = on(t, s, more).sink
}

// big is batch seq of one event of that size, which does not compress away.
func (f *fixture) big(seq uint64, size int) pipeline.Batch {
	b := f.batch(seq, 1)
	b.Records[0].Audit.Raw = []byte(strings.Repeat("x", size))
	b.Records[0].Avro = encoded(b.Records[0])
	return b
}

func TestLockThatTheBucketDoesNotHaveHalts(t *testing.T) {
	testserver.Require(t)
	for name, start := range map[string]func(testing.TB, testserver.S3Options) *testserver.S3{"minio": testserver.MinIO, "versitygw": testserver.Versity} {
		t.Run(name, func(t *testing.T) {
			server := start(t, testserver.S3Options{})
			s := newStore(t, server.URL, "", "audit")
			s.create(t)
			f := on(t, s, "object_lock: { mode: compliance, retain: 24h }")
			f.claim(1)
			err := f.Deliver(t.Context(), f.batch(1, 1))
			if !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "object_lock needs a bucket") {
				t.Errorf("deliver: %v", err)
			}
			if line := findings(t, f.sink)["object lock"]; !strings.HasPrefix(line, "fail") {
				t.Errorf("check: %s", line)
			}
		})
	}
}

func TestBucketDeletedAndMadeAgain(t *testing.T) {
	testserver.Require(t)
	server := testserver.MinIO(t, testserver.S3Options{})
	s := newStore(t, server.URL, "", "audit")
	s.create(t)
	f := on(t, s, "")
	f.claim(1)
	f.deliver(f.batch(1, 3))
	empty(t, s)
	b := f.batch(2, 3)
	if err := f.Deliver(t.Context(), b); !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "create the bucket") {
		t.Errorf("without the bucket: %v", err)
	}
	s.create(t)
	if err := f.Deliver(t.Context(), b); !errors.Is(err, pipeline.ErrFenced) || !strings.Contains(err.Error(), "was the bucket emptied") {
		t.Errorf("with a new one: %v", err)
	}
	f.claim(3) // the next start
	if out, err := f.Resolve(t.Context(), b.Manifest); out != pipeline.OutcomeAbsent || err != nil {
		t.Errorf("resolved as %s, %v", out, err)
	}
	f.deliver(b)
	if got, _ := s.contents(t, ""); len(got) != 3 {
		t.Errorf("%d events, want those of batch 2", len(got))
	}
}

func empty(t *testing.T, s *store) {
	t.Helper()
	out, err := s.client.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: &s.bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out.Contents {
		if _, err := s.client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: &s.bucket, Key: o.Key}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.client.DeleteBucket(t.Context(), &awss3.DeleteBucketInput{Bucket: &s.bucket}); err != nil {
		t.Fatal(err)
	}
}

func TestVersityRevokesAKeyInTheMiddle(t *testing.T) {
	testserver.Require(t)
	server := testserver.Versity(t, testserver.S3Options{})
	s := newStore(t, server.URL, "", "audit")
	s.create(t)
	server.Account(t, "admin", "first", "secret-of-first")
	dir := t.TempDir()
	issue := func(name string) {
		write(t, filepath.Join(dir, "answer"), fmt.Sprintf(`{"Version":1,"AccessKeyId":%q,"SecretAccessKey":"secret-of-%s"}`, name, name))
	}
	issue("first")
	write(t, filepath.Join(dir, "config"), "[default]\ncredential_process = /bin/cat "+filepath.Join(dir, "answer")+"\n")
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	f := on(t, s, "")
	f.claim(1)
	f.deliver(f.batch(1, 3))

	server.Account(t, "admin", "second", "secret-of-second")
	server.Account(t, "admin", "first", "")
	b := f.batch(2, 3)
	var refusals int
	for range 2000 { // the gateway keeps accounts for a while
		if err := f.Deliver(t.Context(), b); err == nil {
			b = f.batch(b.ID.Seq+1, 3)
			continue
		} else if refusals++; errors.Is(err, pipeline.ErrRefused) {
			break
		}
	}
	if refusals < 2 {
		t.Fatalf("%d refusals", refusals)
	}
	issue("second")
	f.deliver(b)
	got, _ := s.contents(t, "")
	for id, n := range got {
		if n != 1 {
			t.Errorf("event %s is there %d times", id, n)
		}
	}
	if want := int(b.ID.Seq) * 3; len(got) != want {
		t.Errorf("%d events, want %d", len(got), want)
	}
}

func TestWrongRegionSaysTheRightOne(t *testing.T) {
	testserver.Require(t)
	server := testserver.Versity(t, testserver.S3Options{})
	s := newStore(t, server.URL, "", "audit")
	s.create(t)
	f := on(t, s, "")
	f.sink.config.Region = "eu-west-1"
	err := f.Claim(t.Context(), pipeline.Checkpoint{Epoch: epoch, Next: 1, Start: pipeline.Earliest}, false)
	if !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "set region") {
		t.Errorf("claim: %v", err)
	}
}

func TestCertificateThatIsNotTrusted(t *testing.T) {
	testserver.Require(t)
	server := testserver.Versity(t, testserver.S3Options{TLS: true})
	s := newStore(t, server.URL, server.CAFile, "audit")
	s.create(t)
	s.ca = ""
	f := on(t, s, "")
	if line := findings(t, f.sink)["bucket"]; !strings.Contains(line, "certificate") {
		t.Errorf("check: %s", line)
	}
	t.Setenv("AWS_CA_BUNDLE", server.CAFile)
	f = on(t, s, "")
	f.claim(1)
	f.deliver(f.batch(1, 1))
}

// readmeJSON returns the block of JSON in the README that has the words.
func readmeJSON(t *testing.T, words string) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?ms)^```json\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(m[1], words) {
			return m[1]
		}
	}
	t.Fatalf("README.md has no JSON with %q", words)
	return ""
}

// session asks MinIO for credentials that may do no more than policy says.
func session(t *testing.T, server *testserver.S3, policy string) {
	t.Helper()
	out := assumeRole(t, server, policy)
	t.Setenv("AWS_ACCESS_KEY_ID", out.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", out.SecretAccessKey)
	t.Setenv("AWS_SESSION_TOKEN", out.SessionToken)
}

func TestPolicyOfTheReadmeIsEnough(t *testing.T) {
	testserver.Require(t)
	server := testserver.MinIO(t, testserver.S3Options{})
	s := newStore(t, server.URL, "", "audit-bucket")
	s.create(t)
	session(t, server, readmeJSON(t, "AuditLogWriter"))
	f := on(t, s, "prefix: openai\ncompression: none")
	for name, line := range findings(t, f.sink) {
		if line != "ok" && name != "encryption" {
			t.Errorf("check: %s: %s", name, line)
		}
	}
	f.claim(1)
	f.partSize = 5 << 20
	f.deliver(f.batch(1, 3))
	f.deliver(f.big(2, 12<<20))
	if out, err := f.Resolve(t.Context(), f.batch(3, 1).Manifest); out != pipeline.OutcomeAbsent || err != nil {
		t.Errorf("resolved as %s, %v", out, err)
	}
	if _, err := f.Archive().List(t.Context()); err != nil {
		t.Error(err)
	}
	// And no more than enough.
	f.sink.keys.prefix = "elsewhere/"
	if err := f.Claim(t.Context(), pipeline.Checkpoint{Epoch: epoch, Next: 1, Start: pipeline.Earliest}, false); !errors.Is(err, pipeline.ErrRefused) {
		t.Errorf("below another prefix: %v, want ErrRefused", err)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	f := newFixture(t, "")
	f.claim(1)
	f.answers(putsBatch, http.StatusTemporaryRedirect, "TemporaryRedirect", "Location", f.url+"/elsewhere/x")
	before := len(f.fake.seen)
	if err := f.Deliver(t.Context(), f.batch(1, 1)); !pipeline.IsPermanent(err) {
		t.Errorf("deliver: %v", err)
	}
	for _, s := range f.fake.seen[before:] {
		if strings.HasSuffix(s, "x") {
			t.Errorf("it was followed: %v", s)
		}
	}
}
