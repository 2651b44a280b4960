package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/linkedin/goavro/v2"

	"auditlog-connector/internal/httpclient"
	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/internal/testserver"
	"auditlog-connector/pipeline"
	"auditlog-connector/sinks"
	"auditlog-connector/sinks/s3/format"
	"auditlog-connector/sinks/sinktest"
)

// TestMain keeps whatever AWS configuration this machine has out of the tests.
func TestMain(m *testing.M) {
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			os.Unsetenv(name)
		}
	}
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "testaccess", "AWS_SECRET_ACCESS_KEY": "testsecret123", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": "/nonexistent/config", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/credentials",
	} {
		os.Setenv(name, value)
	}
	os.Exit(m.Run())
}

// contextWithoutEnd is the context of a request that outlives its sender.
func contextWithoutEnd(r *http.Request) context.Context { return context.WithoutCancel(r.Context()) }

// settings decodes a configuration as the program does.
func settings(t testing.TB, text string) *Config {
	t.Helper()
	n, problems := strictyaml.Parse([]byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	c, problems := strictyaml.DecodeConfig(n, "", nil, defaults, validate)
	if strictyaml.HasErrors(problems) {
		t.Fatal(problems)
	}
	return c
}

// open opens the sink of a lane, source/sink.
func open(t testing.TB, c *Config, lane string, transport http.RoundTripper) *sink {
	t.Helper()
	source, name, _ := strings.Cut(lane, "/")
	return newSink(c, sinks.Env{Source: source, Sink: name, Lane: lane, Logger: slog.New(slog.DiscardHandler), Transport: transport})
}

// store is a destination of the suite.
type store struct {
	url    string
	ca     string
	bucket string
	client *awss3.Client // an independent way in

	read map[string]*held // by key and version
}

// held is what was read of an object.
type held struct {
	copies map[string]int
	raw    map[string][]byte
}

func newStore(t testing.TB, url, ca, bucket string) *store {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	tls, err := httpclient.TLS{CAFile: ca}.Config()
	if err != nil {
		t.Fatal(err)
	}
	transport.TLSClientConfig = tls
	transport.DisableKeepAlives = true // the suite counts goroutines
	client := awss3.New(awss3.Options{
		Region: "us-east-1", BaseEndpoint: &url, UsePathStyle: true, HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider("testaccess", "testsecret123", ""),
	})
	return &store{url: url, ca: ca, bucket: bucket, client: client, read: make(map[string]*held)}
}

func (s *store) create(t testing.TB) {
	t.Helper()
	if _, err := s.client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &s.bucket}); err != nil {
		t.Fatal(err)
	}
}

// contents reads all objects of batches back, with readers that are not the sink's
// where there are any, and returns the copies and the raw entries by event ID.
func (s *store) contents(t testing.TB, prefix string) (map[string]int, map[string][]byte) {
	t.Helper()
	got, raw := make(map[string]int), make(map[string][]byte)
	pages := awss3.NewListObjectsV2Paginator(s.client, &awss3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			if !strings.Contains(*o.Key, "/dt=") {
				continue
			}
			version := fmt.Sprint(*o.Key, o.LastModified, o.ETag)
			h := s.read[version]
			if h == nil {
				h = &held{make(map[string]int), make(map[string][]byte)}
				count(t, *o.Key, s.get(t, *o.Key), h.copies, h.raw)
				s.read[version] = h
			}
			for id, n := range h.copies {
				got[id] += n
			}
			maps.Copy(raw, h.raw)
		}
	}
	return got, raw
}

func (s *store) get(t testing.TB, key string) []byte {
	t.Helper()
	out, err := s.client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(out.Body); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// count adds the events of an object.
func count(t testing.TB, key string, content []byte, copies map[string]int, raw map[string][]byte) {
	t.Helper()
	if strings.HasSuffix(key, ".avro") {
		r, err := goavro.NewOCFReader(bytes.NewReader(content))
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		for r.Scan() {
			v, err := r.Read()
			if err != nil {
				t.Fatalf("%s: %v", key, err)
			}
			m := v.(map[string]any)
			id := m["event_id"].(string)
			copies[id]++
			raw[id] = m["raw"].([]byte)
		}
		if r.Err() != nil {
			t.Fatalf("%s: %v", key, r.Err())
		}
		return
	}
	err := format.Read(key, content, func(e format.Event) error {
		var d struct {
			ID string `json:"event_id"`
		}
		if err := json.Unmarshal(e.Line, &d); err != nil {
			return err
		}
		copies[d.ID]++
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
}

// harness describes the store to the suite, with a configuration beside the address.
func (s *store) harness(t testing.TB, more string) sinktest.Harness {
	n := newNetwork(t)
	c := s.settings(t, more)
	tls, err := c.TLS.Config()
	if err != nil {
		t.Fatal(err)
	}
	n.TLSClientConfig = tls
	h := sinktest.Harness{
		Open:     func(t *testing.T, lane string) pipeline.Sink { return open(t, c, lane, n) },
		Kill:     func(t *testing.T, s pipeline.Sink) { s.(*sink).disconnect() },
		Contents: func(t *testing.T) map[string]int { got, _ := s.contents(t, c.prefix()); return got },
		Inject: func(_ *testing.T, f sinktest.Fault, cancel func()) (func(), bool) {
			return n.inject(f, cancel)
		},
		Break: func(*testing.T) func() {
			set := func(broken bool) { n.mu.Lock(); n.broken = broken; n.mu.Unlock() }
			set(true)
			return func() { set(false) }
		},
		Large:     3000,
		Guarantee: pipeline.ExactlyOnce,
		Resolves:  true,
		Members:   true,
		Claims:    true,
	}
	if !c.ConditionalWrites {
		h.Guarantee = pipeline.AtLeastOnce
	}
	if c.Format == format.Avro {
		h.Raw = func(t *testing.T, _, id string) []byte { _, raw := s.contents(t, c.prefix()); return raw[id] }
	}
	return h
}

func (s *store) settings(t testing.TB, more string) *Config {
	text := "bucket: " + s.bucket + "\nendpoint: " + s.url + "\npath_style: true\nregion: us-east-1\n" + more
	if s.ca != "" {
		text += "\ntls: { ca_file: " + s.ca + " }"
	}
	return settings(t, text)
}

// variants are the configurations that the suite passes with.
var variants = map[string]string{
	"avro":                  "prefix: avro",
	"jsonl":                 "prefix: a/b\nformat: jsonl\npartition: dt/hour",
	"parquet":               "prefix: parquet\nformat: parquet",
	"no conditional writes": "prefix: off\nconditional_writes: off",
}

func TestSuiteOnFake(t *testing.T) {
	for name, more := range variants {
		t.Run(name, func(t *testing.T) {
			_, url := newFake(t)
			sinktest.Run(t, newStore(t, url, "", "audit").harness(t, more))
		})
	}
	t.Run("in parts", func(t *testing.T) {
		_, url := newFake(t)
		h := newStore(t, url, "", "audit").harness(t, "")
		whole := h.Open
		h.Open = func(t *testing.T, lane string) pipeline.Sink {
			s := whole(t, lane)
			s.(*sink).partSize = 1500
			return s
		}
		sinktest.Run(t, h)
	})
}

func TestSuiteOnMinIO(t *testing.T) {
	testserver.Require(t)
	suiteOn(t, testserver.MinIO, []string{"jsonl", "parquet"})
}

func TestSuiteOnVersity(t *testing.T) {
	testserver.Require(t)
	suiteOn(t, testserver.Versity, []string{"no conditional writes"})
}

// suiteOn runs the suite with the default format over TLS, and with others without.
func suiteOn(t *testing.T, start func(testing.TB, testserver.S3Options) *testserver.S3, others []string) {
	run := func(tls bool, names ...string) {
		server := start(t, testserver.S3Options{TLS: tls})
		s := newStore(t, server.URL, server.CAFile, "audit")
		s.create(t)
		for _, name := range names {
			t.Run(name, func(t *testing.T) { sinktest.Run(t, s.harness(t, variants[name])) })
		}
	}
	run(true, "avro")
	run(false, others...)
}
