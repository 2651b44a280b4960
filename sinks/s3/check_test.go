package s3

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"auditlog-connector/pipeline"
)

// findings runs Check and returns its lines by name: "ok", "warn detail (hint)".
func findings(t *testing.T, s *sink) map[string]string {
	t.Helper()
	lines := make(map[string]string)
	for _, f := range s.Check(t.Context()) {
		lines[f.Name] = f.Status
		if f.Status != "ok" {
			lines[f.Name] = fmt.Sprintf("%s %s (%s)", f.Status, f.Detail, f.Hint)
		}
	}
	return lines
}

func TestCheckOfABucketThatIsRight(t *testing.T) {
	f := newFixture(t, "sse: AES256")
	for range 2 { // the second time the probe is there
		for name, line := range findings(t, f.sink) {
			if line != "ok" {
				t.Errorf("%s: %s", name, line)
			}
		}
	}
	if got := f.fake.keys(""); len(got) != 1 || len(f.fake.uploads) > 0 {
		t.Errorf("it leaves %v and %d uploads, want the probe", got, len(f.fake.uploads))
	}
	var _ pipeline.Checker = f.sink
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	refuseAll := func(status int, code string, header ...string) func(*fixture) {
		return func(f *fixture) {
			f.fake.answer = func(w http.ResponseWriter, r *http.Request) bool {
				for i := 0; i < len(header); i += 2 {
					w.Header().Set(header[i], header[i+1])
				}
				refuse(w, r, status, code, code)
				return true
			}
		}
	}
	refusePut := func(f *fixture) {
		f.fake.answer = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPut {
				refuse(w, r, 403, "AccessDenied", "Access Denied")
			}
			return r.Method == http.MethodPut
		}
	}
	for _, c := range []struct {
		name, more string
		world      func(*fixture)
		finding    string
		want       []string
	}{
		{"no bucket", "bucket: nothing", nil, "bucket", []string{"fail", "there is no bucket nothing", "create it"}},
		{"no permission", "", refuseAll(403, "AccessDenied"), "bucket", []string{"fail", "s3:ListBucket"}},
		{"another owner", "expected_owner: '123456789012'", refuseAll(403, "AccessDenied"), "bucket", []string{"fail", "123456789012"}},
		{"another region", "", refuseAll(301, "", "X-Amz-Bucket-Region", "ap-south-2"), "bucket", []string{"fail", "set region to ap-south-2"}},
		{"no credentials", "", func(f *fixture) {
			f.Setenv("AWS_ACCESS_KEY_ID", "")
			f.Setenv("AWS_SECRET_ACCESS_KEY", "")
		}, "credentials", []string{"fail", "AWS_ACCESS_KEY_ID"}},
		{"may not write", "sse: aws:kms\ntags: {a: b}", refusePut, "conditional writes", []string{"fail", "s3:PutObject", "kms:GenerateDataKey", "s3:PutObjectTagging"}},
		{"no conditions", "", func(f *fixture) { f.fake.careless = true }, "conditional writes", []string{"fail", "conditional_writes: off"}},
		{"no conditions in parts", "", func(f *fixture) { f.fake.carelessParts = true }, "uploads in parts", []string{"fail", "conditional_writes: off"}},
		{"conditions off", "conditional_writes: off", nil, "conditional writes", []string{"warn", "at least once"}},
		{"a clock that is off", "", func(f *fixture) { f.now = func() time.Time { return time.Now().Add(20 * time.Minute) } }, "clock", []string{"fail", "20m"}},
		{"a clock that is a little off", "", func(f *fixture) { f.now = func() time.Time { return time.Now().Add(-150 * time.Second) } }, "clock", []string{"warn", "2m"}},
		{"no encryption", "", nil, "encryption", []string{"warn", "sse"}},
		{"no lock", "object_lock: { mode: governance, retain: 24h }", nil, "object lock", []string{"fail", "when a bucket is made"}},
		{"a claim that is broken", "", func(f *fixture) {
			f.fake.objects["_connector/acme/archive.json"] = &fakeObject{body: []byte("x"), etag: `"x"`}
		}, "claim", []string{"fail", "takeover"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, "")
			f.sink.bucket, f.sink.config.Bucket = "audit", "audit"
			text, bucket, _ := strings.Cut(c.more, "bucket: ")
			f.open(text)
			if bucket != "" {
				f.sink.bucket = bucket
			}
			if c.world != nil {
				c.world(f)
			}
			got := findings(t, f.sink)
			for _, want := range c.want {
				if !strings.Contains(got[c.finding], want) {
					t.Errorf("%s: %s, want %q in it; all: %v", c.finding, got[c.finding], want, got)
				}
			}
		})
	}
}
