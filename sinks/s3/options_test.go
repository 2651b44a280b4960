package s3

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
)

// requests records the headers of requests by method and what they are about.
type requests struct {
	http.RoundTripper
	seen map[string]http.Header
	urls map[string]string
}

func (r *requests) RoundTrip(req *http.Request) (*http.Response, error) {
	what := "other"
	switch {
	case strings.HasSuffix(req.URL.Path, ".json"):
		what = "claim"
	case strings.HasSuffix(req.URL.Path, ".probe"):
		what = "probe"
	case strings.Contains(req.URL.Path, "/dt="):
		what = "batch"
	}
	if req.URL.Query().Has("partNumber") {
		what += " part"
	}
	if req.Method == http.MethodPost {
		what += " " + req.URL.RawQuery[:min(7, len(req.URL.RawQuery))]
	}
	r.seen[req.Method+" "+what] = req.Header.Clone()
	r.urls[req.Method+" "+what] = req.URL.String()
	return r.RoundTripper.RoundTrip(req)
}

func TestEveryOptionIsAskedFor(t *testing.T) {
	fake, url := newFake(t)
	_ = fake
	c := settings(t, "bucket: audit\npath_style: true\nregion: eu-central-2\nendpoint: "+url+`
compression: none
sse: aws:kms
kms_key_id: arn:aws:kms:eu-central-2:123456789012:key/1
storage_class: STANDARD_IA
object_lock: { mode: compliance, retain: 8760h }
tags: { team: "sec ops", data-class: audit }
expected_owner: "123456789012"
`)
	rec := &requests{http.DefaultTransport, make(map[string]http.Header), make(map[string]string)}
	s := open(t, c, "acme/archive", rec)
	s.now = func() time.Time { return day }
	f := &fixture{T: t, sink: s}
	f.claim(1)
	f.deliver(f.batch(1, 3))
	s.partSize = 1000
	f.deliver(f.batch(2, 10))
	for what, want := range map[string]map[string]string{
		"PUT batch": {
			"If-None-Match": "*", "X-Amz-Server-Side-Encryption": "aws:kms",
			"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "arn:aws:kms:eu-central-2:123456789012:key/1", "X-Amz-Storage-Class": "STANDARD_IA",
			"X-Amz-Object-Lock-Mode": "COMPLIANCE", "X-Amz-Object-Lock-Retain-Until-Date": "2027-11-22T09:30:00Z",
			"X-Amz-Tagging": "data-class=audit&team=sec%20ops", "X-Amz-Expected-Bucket-Owner": "123456789012",
		},
		"POST batch uploads": {
			"X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Storage-Class": "STANDARD_IA", "X-Amz-Object-Lock-Mode": "COMPLIANCE",
			"X-Amz-Tagging": "data-class=audit&team=sec%20ops", "X-Amz-Expected-Bucket-Owner": "123456789012", "X-Amz-Checksum-Algorithm": "SHA256",
		},
		"POST batch uploadI": {"If-None-Match": "*", "X-Amz-Expected-Bucket-Owner": "123456789012"},
		// The claim changes hands and is read with every batch.
		"PUT claim": {
			"If-None-Match": "*", "X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Storage-Class": "", "X-Amz-Object-Lock-Mode": "",
			"X-Amz-Expected-Bucket-Owner": "123456789012",
		},
		"PUT probe": {"If-None-Match": "*", "X-Amz-Object-Lock-Mode": "", "X-Amz-Storage-Class": ""},
		"GET claim": {"X-Amz-Expected-Bucket-Owner": "123456789012"},
	} {
		h := rec.seen[what]
		if h == nil {
			t.Errorf("no request %q", what)
			continue
		}
		for name, value := range want {
			if got := h.Get(name); got != value {
				t.Errorf("%s: %s is %q, want %q", what, name, got, value)
			}
		}
		if got := h.Get("Authorization"); !strings.Contains(got, "/eu-central-2/s3/") {
			t.Errorf("%s is signed for another region: %s", what, got)
		}
	}
	if h := rec.seen["PUT batch"]; h.Get("X-Amz-Checksum-Sha256") == "" {
		t.Error("no checksum")
	}
}

// TestAddresses looks where requests would go.
func TestAddresses(t *testing.T) {
	for _, c := range []struct{ more, env, want string }{
		{"region: eu-west-3", "", "https://audit.s3.eu-west-3.amazonaws.com/_connector/"},
		{"region: eu-west-3\npath_style: true", "", "https://s3.eu-west-3.amazonaws.com/audit/_connector/"},
		{"region: eu-west-3\ndual_stack: true", "", "https://audit.s3.dualstack.eu-west-3.amazonaws.com/_connector/"},
		{"region: us-gov-west-1\nfips: true", "", "https://audit.s3-fips.us-gov-west-1.amazonaws.com/_connector/"},
		{"endpoint: https://minio.example:9000", "", "https://audit.minio.example:9000/_connector/"},
		{"path_style: true", "https://store.example/base", "https://store.example/base/audit/_connector/"},
	} {
		t.Run(c.want, func(t *testing.T) {
			if c.env != "" {
				t.Setenv("AWS_ENDPOINT_URL_S3", c.env)
			}
			rec := &requests{refusing{}, make(map[string]http.Header), make(map[string]string)}
			s := open(t, settings(t, "bucket: audit\n"+c.more), "acme/archive", rec)
			if err := s.owned(t.Context(), epoch); err == nil {
				t.Fatal("no error")
			}
			if got := rec.urls["GET claim"]; !strings.HasPrefix(got, c.want) {
				t.Errorf("asked %s, want %s…", got, c.want)
			}
		})
	}
	s := open(t, settings(t, "bucket: audit"), "acme/archive", refusing{})
	if err := s.owned(t.Context(), epoch); !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "region") {
		t.Errorf("without a region: %v", err)
	}
}

type refusing struct{}

func (refusing) RoundTrip(r *http.Request) (*http.Response, error) {
	return refusal(r, 500, "InternalError"), nil
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		text string
		want string // paths of the errors, and of warnings with !
	}{
		{"bucket: audit", ""},
		{"bucket: arn:aws:s3:eu-west-1:123456789012:accesspoint/audit", ""},
		{"{}", "bucket"},
		{"bucket: s3://audit/logs", "bucket"},
		{"bucket: Audit_Logs", "bucket"},
		{"bucket: 192.168.1.1", "bucket"},
		{"bucket: a", "bucket"},
		{"bucket: audit\nprefix: /logs", "prefix"},
		{"bucket: audit\nprefix: a//b", "prefix"},
		{"bucket: audit\nprefix: a/../b", "prefix"},
		{"bucket: audit\nprefix: " + strings.Repeat("x", 601), "prefix"},
		{"bucket: audit\nprefix: logs/", ""},
		{"bucket: audit\nendpoint: localhost:9000", "endpoint"},
		{"bucket: audit\nendpoint: http://localhost:9000", ""},
		{"bucket: audit\nendpoint: http://store.example", "!endpoint"},
		{"bucket: audit\nendpoint: https://u:p@store.example", "endpoint"},
		{"bucket: audit\nendpoint: https://store.example\nfips: true", "endpoint"},
		{"bucket: audit\nformat: orc", "format"},
		{"bucket: audit\nformat: parquet\ncompression: gzip", "compression"},
		{"bucket: audit\nschema: raw", "schema"},
		{"bucket: audit\nformat: jsonl\nschema: raw", ""},
		{"bucket: audit\npartition: day", "partition"},
		{"bucket: audit\nsse: aes", "sse"},
		{"bucket: audit\nkms_key_id: k", "kms_key_id"},
		{"bucket: audit\nstorage_class: COLD", "storage_class"},
		{"bucket: audit\nstorage_class: COLD\nendpoint: https://store.example", ""},
		{"bucket: audit\nstorage_class: GLACIER", "!storage_class"},
		{"bucket: audit\nobject_lock: { mode: legal, retain: 24h }", "object_lock.mode"},
		{"bucket: audit\nobject_lock: { mode: governance }", "object_lock.retain"},
		{"bucket: audit\nobject_lock: { retain: 24h }", "object_lock.retain"},
		{"bucket: audit\nobject_lock: { mode: compliance, retain: 175200h }", "!object_lock.retain"},
		{"bucket: audit\ntags: { 'aws:x': y }", "tags.aws:x"},
		{"bucket: audit\nexpected_owner: me", "expected_owner"},
		{"bucket: audit\nassume_role: { arn: admin }", "assume_role.arn"},
		{"bucket: audit\nassume_role: { external_id: x }", "assume_role.external_id"},
		{"bucket: audit\nassume_role: { arn: 'arn:aws:iam::123456789012:role/audit/writer', external_id: x }", ""},
		{"bucket: audit\ntls: { cert_file: x }", ""}, // reported without a path
		{"bucket: audit\nbuckte: x", "buckte"},
		{"bucket: audit\nconditional_writes: maybe", "conditional_writes"},
	} {
		n, _ := strictyaml.Parse([]byte(c.text))
		_, problems := strictyaml.DecodeConfig(n, "", nil, defaults, validate)
		var got []string
		for _, p := range problems {
			if p.Warning {
				p.Path = "!" + p.Path
			}
			got = append(got, p.Path)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s:\n%v, want %s", c.text, problems, c.want)
		}
	}
}

func TestGuaranteeDependsOnConditions(t *testing.T) {
	if g, words := guarantee(&Config{ConditionalWrites: true}); g != pipeline.ExactlyOnce || len(words) == 0 {
		t.Errorf("with conditions: %s", g)
	}
	if g, words := guarantee(&Config{}); g != pipeline.AtLeastOnce || len(words) == 0 {
		t.Errorf("without: %s", g)
	}
}

func FuzzParseKey(f *testing.F) {
	k := &keys{prefix: "p/", source: "acme", sink: "archive"}
	f.Add("p/source=acme/dt=2026-11-22/archive-0a1b2c3d-00000000000000000007.avro")
	f.Add("p/source=acme/dt=2026-11-22/hour=09/archive-0a1b2c3d-00000000000000000007.jsonl.gz")
	f.Add("p/source=acme/dt=2026-11-22/archive-x-0a1b2c3d-00000000000000000007.avro")
	f.Add("p/source=acme/dt=/archive--.")
	f.Fuzz(func(t *testing.T, key string) {
		n, ok := k.parse(key)
		if !ok {
			return
		}
		if !strings.Contains(key, k.name(n.Epoch, n.Seq)+".") || !strings.HasPrefix(key, k.day(n.Day.Format(time.DateOnly))) {
			t.Errorf("parse(%q) = %+v", key, n)
		}
	})
}
