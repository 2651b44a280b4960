package httpclient

import (
	"compress/gzip"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditlog-connector/pipeline"
)

const key = "sk-admin-0123456789abcdefghij"

func send(t *testing.T, o Options, h http.HandlerFunc) (*Response, error) {
	t.Helper()
	s := httptest.NewServer(h)
	defer s.Close()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/v1/things?q=private", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	return c.Do(req)
}

func TestStatusDecidesTheClass(t *testing.T) {
	const throttled, refused, permanent, transient = "throttled", "refused", "permanent", "transient"
	for status, want := range map[int]string{
		200: "", 204: "", 301: permanent, 307: permanent, 400: permanent, 401: refused, 403: refused, 404: permanent, 405: permanent, 422: permanent,
		408: transient, 409: transient, 425: transient, 429: throttled, 500: transient, 502: transient, 503: transient, 599: transient,
	} {
		resp, err := send(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.Header().Set("Retry-After", "7200")
			w.WriteHeader(status)
		})
		if err != nil {
			t.Fatalf("%d: %v", status, err)
		}
		err = resp.Err()
		var te *pipeline.ThrottledError
		got := ""
		switch {
		case errors.As(err, &te):
			got = throttled
			if te.After != 2*time.Hour {
				t.Errorf("%d: after %s", status, te.After)
			}
		case errors.Is(err, pipeline.ErrRefused) && pipeline.IsPermanent(err):
			got = refused
		case pipeline.IsPermanent(err):
			got = permanent
		case err != nil:
			got = transient
		}
		if got != want || err != nil && Status(err) != status {
			t.Errorf("%d: %q (%v), want %q", status, got, err, want)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	asked := 0
	resp, err := send(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "/other", http.StatusFound)
	})
	if err != nil || resp.Status != http.StatusFound || asked != 1 {
		t.Errorf("%v %v, asked %d times", resp, err, asked)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, tt := range []struct {
		name    string
		headers map[string]string
		want    time.Duration
	}{
		{"absent", nil, 0},
		{"seconds", map[string]string{"Retry-After": "1"}, time.Second},
		{"hours", map[string]string{"Retry-After": "10800"}, 3 * time.Hour},
		{"a fraction", map[string]string{"Retry-After": "0.5"}, 500 * time.Millisecond},
		{"milliseconds first", map[string]string{"Retry-After": "60", "Retry-After-Ms": "250"}, 250 * time.Millisecond},
		{"a date", map[string]string{"Retry-After": at(time.Minute)}, time.Minute},
		{"a date by the server's clock", map[string]string{"Retry-After": at(2 * time.Hour), "Date": at(time.Hour)}, time.Hour},
		{"a date that has passed", map[string]string{"Retry-After": at(-time.Minute)}, 0},
		{"negative", map[string]string{"Retry-After": "-5"}, 0},
		{"nonsense", map[string]string{"Retry-After": "soon"}, 0},
		{"NaN", map[string]string{"Retry-After": "NaN"}, 0},
		{"beyond belief", map[string]string{"Retry-After": "1e300"}, MaxRetryAfter},
	} {
		h := http.Header{}
		for k, v := range tt.headers {
			h.Set(k, v)
		}
		if got := RetryAfter(h, now); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestMessageIsShortAndWithoutCredentials(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"error object", `{"error":{"message":"Incorrect API key provided: ` + key + `.","type":"x","code":"invalid_api_key"}}`, "Incorrect API key provided: [redacted]. (invalid_api_key)"},
		{"masked key", `{"error":{"message":"Incorrect API key provided: sk-admin********wxyz"}}`, "Incorrect API key provided: [redacted]"},
		{"bare string", `{"error":"Missing scopes: api.audit_logs.read"}`, "Missing scopes: api.audit_logs.read"},
		{"HEC", `{"text":"Invalid token","code":4}`, "Invalid token"},
		{"Elasticsearch", `{"error":{"root_cause":[],"type":"t","reason":"no such index"},"status":404}`, "no such index"},
		{"several lines", "one\r\n\ttwo\x00\x1b[31m", "one two [31m"},
		{"HTML", "<!DOCTYPE html><html><head><title>502 Bad\nGateway</title>", "a page of HTML: 502 Bad Gateway"},
		{"echoed header", `echo: Authorization: Bearer ` + key, "echo: Authorization: [redacted]"},
		{"echoed and escaped", `"` + strings.ReplaceAll("Bearer "+key, " ", "+") + `"`, "[redacted]"},
		{"empty", "", ""},
		{"not UTF-8", "a\xffb", "a\uFFFDb"},
		{"long", strings.Repeat("é", 1000), strings.Repeat("é", 150) + "…"},
		{"nothing in it", `{"x":1}`, `{"x":1}`},
	} {
		resp, err := send(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(500)
			_, _ = io.WriteString(w, tt.body)
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Message(); got != tt.want || strings.Contains(resp.Err().Error(), key) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestCredentialsAreFoundInEveryForm(t *testing.T) {
	req := httptest.NewRequest(http.MethodGet, "https://user:pass%22word@host/", nil)
	req.SetBasicAuth("elastic", `sec"ret pass`)
	secrets := credentials(req)
	echo := `{"u":"elastic:sec\"ret pass"} ` + `sec"ret pass` + " sec%22ret+pass " + req.Header.Get("Authorization") + ` pass"word`
	if got := Redact(echo, secrets...); strings.Contains(got, "ret") || strings.Contains(got, "pass") {
		t.Errorf("%q of %q", got, echo)
	}
}

func TestTransportErrorsNameTheAddressOnly(t *testing.T) {
	_, err := send(t, Options{Transport: failing("dial " + key)}, nil)
	if err == nil || strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "private") || !strings.Contains(err.Error(), "/v1/things") {
		t.Errorf("%v", err)
	}
}

type failing string

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New(string(f)) }

func TestAnswersAreBounded(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"long":       func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, 2000)) },
		"compressed": func(w http.ResponseWriter, r *http.Request) { writeGzip(w, make([]byte, 1<<20)) },
	} {
		if _, err := send(t, Options{MaxBody: 1000}, h); err == nil || !strings.Contains(err.Error(), "more than 1000 bytes") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if resp, err := send(t, Options{MaxBody: 1000}, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, 1000)) }); err != nil || len(resp.Body) != 1000 {
		t.Errorf("at the limit: %v", err)
	}
}

func writeGzip(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	_, _ = z.Write(body)
	_ = z.Close()
}

func TestCompressedAnswersAreReadAndCutOnesNoticed(t *testing.T) {
	resp, err := send(t, Options{}, func(w http.ResponseWriter, r *http.Request) { writeGzip(w, []byte("hello")) })
	if err != nil || string(resp.Body) != "hello" {
		t.Errorf("%v %v", resp, err)
	}
	if _, err = send(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(Gzip([]byte("hello"))[:20])
	}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut: %v", err)
	}
}

func TestSlowAnswerEndsInTime(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	slow := func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("begin"))
		w.(http.Flusher).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}
	if _, err := send(t, Options{Timeout: 50 * time.Millisecond}, slow); err == nil || !strings.Contains(err.Error(), "no answer within 50ms") {
		t.Errorf("%v", err)
	}
	c, err := New(Options{Transport: waiting{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://x/", nil)
	if _, err := c.Do(req); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

type waiting struct{}

func (waiting) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestTLSBlock(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		tls  TLS
		ok   bool
	}{
		{"unknown authority", TLS{}, false},
		{"its authority", TLS{CAFile: ca}, true},
		{"another name", TLS{CAFile: ca, ServerName: "elsewhere.invalid"}, false},
		{"no verification", TLS{InsecureSkipVerify: true, MinVersion: "1.3"}, true},
	} {
		c, err := New(Options{TLS: tt.tls})
		if err != nil {
			t.Fatal(err)
		}
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
		if _, err = c.Do(req); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
		_ = c.Close()
	}
	for _, bad := range []TLS{{CAFile: "missing.pem"}, {CertFile: "a"}, {KeyFile: "b"}, {MinVersion: "1.0"}, {CertFile: "missing", KeyFile: "missing"}, {InsecureSkipVerify: true, CAFile: ca}} {
		if _, err := New(Options{TLS: bad}); err == nil {
			t.Errorf("%+v: accepted", bad)
		}
	}
}
