package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/secret"
	"auditlog-connector/pipeline"
)

func handlerFor(st pipeline.Status, token secret.String) http.Handler {
	log, status := slog.New(slog.DiscardHandler), func() pipeline.Status { return st }
	page := &statusPage{status: status, flow: &flow{}, trouble: newRecentTrouble(time.Now), now: time.Now, log: log}
	return newHTTPHandler(token, status, newMetricRegistry(), page, log)
}

func ask(h http.Handler, method, path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

var healthy = pipeline.Status{
	Sources: []pipeline.SourceStatus{{Name: "a", State: "ok"}},
	Lanes:   []pipeline.LaneStatus{{Lane: "a/b", State: "following", Recovered: true, Watermarks: map[string]time.Time{}}},
}

func TestHTTPAnswers(t *testing.T) {
	h := handlerFor(healthy, secret.String{})
	for path, want := range map[string]struct {
		code int
		text string
	}{
		"/":           {200, "<h3>a/b</h3>"},
		"/livez":      {200, "ok"},
		"/readyz":     {200, `{"ready":true,"reasons":[]}`},
		"/metrics":    {200, `connector_build_info{goversion="go`},
		"/status":     {200, `"lanes":[{"lane":"a/b"`},
		"/status/":    {404, "not found"},
		"/favicon.ic": {404, "not found"},
	} {
		w := ask(h, http.MethodGet, path, "")
		if w.Code != want.code || !strings.Contains(w.Body.String(), want.text) {
			t.Errorf("%s: %d %s, want %d and %q", path, w.Code, w.Body, want.code, want.text)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", path, w.Header())
		}
		if w := ask(h, http.MethodHead, path, ""); w.Code != want.code {
			t.Errorf("HEAD %s: %d", path, w.Code)
		}
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
			if w := ask(h, method, path, ""); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d, %v", method, path, w.Code, w.Header())
			}
		}
	}
}

func TestReadiness(t *testing.T) {
	lane := func(state string, recovered bool) pipeline.Status {
		return pipeline.Status{
			Sources: []pipeline.SourceStatus{{Name: "a", State: "failing"}},
			Lanes:   []pipeline.LaneStatus{{Lane: "a/b", State: state, Recovered: recovered, Reason: "with a detail"}},
		}
	}
	refused := lane("following", true)
	refused.Sources[0].State = "refused"
	for name, tt := range map[string]struct {
		st   pipeline.Status
		code int
		want string
	}{
		"catching up":    {lane("catching_up", true), 200, `"reasons":[]`},
		"in doubt, live": {lane("in_doubt", true), 200, `"reasons":[]`},
		"not recovered":  {lane("catching_up", false), 503, "lane a/b has not recovered yet"},
		"halted":         {lane("halted", true), 503, "lane a/b is halted"},
		"source refused": {refused, 503, "source a refuses to be read"},
	} {
		w := ask(handlerFor(tt.st, secret.Literal("x")), http.MethodGet, "/readyz", "")
		if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.want) || strings.Contains(w.Body.String(), "detail") {
			t.Errorf("%s: %d %s, want %d %s", name, w.Code, w.Body, tt.code, tt.want)
		}
	}
}

func TestStatusHasTheShapeOfTheContract(t *testing.T) {
	var got map[string]any
	for name, st := range map[string]pipeline.Status{"with lanes": healthy, "empty": {}} {
		w := ask(handlerFor(st, secret.String{}), http.MethodGet, "/status", "")
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v: %s", name, err, w.Body)
		}
		if len(got) != 3 || got["version"] == "" {
			t.Errorf("%s: %v, want version, sources and lanes", name, got)
		}
		for _, list := range []string{"sources", "lanes"} {
			if _, ok := got[list].([]any); !ok {
				t.Errorf("%s: %s is %T", name, list, got[list])
			}
		}
	}
}

func TestTokenGuardsAllButTheProbes(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("token", []byte("first\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var token secret.String
	if err := token.UnmarshalScalar("${file:token}"); err != nil {
		t.Fatal(err)
	}
	h := handlerFor(healthy, token)
	for _, path := range []string{"/livez", "/readyz"} {
		if w := ask(h, http.MethodGet, path, ""); w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	for _, path := range []string{"/", "/metrics", "/status", "/other"} {
		for _, sent := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Basic first", "first", "Bearer first2", "Bearer firs"} {
			w := ask(h, http.MethodGet, path, sent)
			if w.Code != http.StatusUnauthorized || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s with %q: %d, %v", path, sent, w.Code, w.Header())
			}
		}
		if w := ask(h, http.MethodGet, path, "bearer first"); w.Code == http.StatusUnauthorized {
			t.Errorf("%s with the token: %d", path, w.Code)
		}
	}
	for password, want := range map[string]int{"first": http.StatusOK, "wrong": http.StatusUnauthorized, "": http.StatusUnauthorized} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.SetBasicAuth("whoever", password)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != want {
			t.Errorf("password %q: %d, want %d", password, w.Code, want)
		}
	}
	if err := os.WriteFile("token", []byte("second\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if w := ask(h, http.MethodGet, "/status", "Bearer second"); w.Code != http.StatusOK {
		t.Errorf("a token that was changed: %d", w.Code)
	}
	if err := os.Remove("token"); err != nil {
		t.Fatal(err)
	}
	if w := ask(h, http.MethodGet, "/status", "Bearer second"); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "second") {
		t.Errorf("a token that is gone: %d %s", w.Code, w.Body)
	}
}

// writePair writes a certificate for 127.0.0.1 with that serial number.
func writePair(t *testing.T, serial int64, at time.Time) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "connector"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestTLSServesTheCertificateOfTheFilesAsTheyAreNow(t *testing.T) {
	t.Chdir(t.TempDir())
	s := &settings{httpConfigured: true}
	s.file.HTTP = httpConfig{Listen: "127.0.0.1:0", TLS: &tlsConfig{CertFile: "cert.pem", KeyFile: "key.pem"}}
	if _, err := listenHTTP(s, false, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "http.tls") {
		t.Errorf("without files: %v", err)
	}
	long := time.Now().Add(-time.Hour)
	first := writePair(t, 1, long)
	var log bytes.Buffer
	e, err := listenHTTP(s, false, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	e.serve(s, func() pipeline.Status { return healthy }, newMetricRegistry(), newRecentTrouble(time.Now), slog.New(slog.DiscardHandler))
	get := func(trust *x509.Certificate) (serial int64, err error) {
		pool := x509.NewCertPool()
		pool.AddCert(trust)
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
		resp, err := client.Get("https://" + e.listener.Addr().String() + "/livez")
		if err != nil {
			return 0, err
		}
		_ = resp.Body.Close()
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64(), nil
	}
	if got, err := get(first); err != nil || got != 1 {
		t.Errorf("serial %d, %v", got, err)
	}
	second := writePair(t, 2, long.Add(time.Minute))
	if got, err := get(second); err != nil || got != 2 {
		t.Errorf("after a change: serial %d, %v", got, err)
	}
	if err := os.WriteFile("key.pem", []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := get(second); err != nil || got != 2 {
		t.Errorf("with a torn key: serial %d, %v", got, err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "certificate stays as it was") {
		t.Errorf("log: %s", &log)
	}
	if _, err := get(second); err == nil {
		t.Error("it still answers after Close")
	}
}

func TestAnAddressThatIsInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := &settings{}
	s.file.HTTP.Listen = l.Addr().String()
	var log bytes.Buffer
	if e, err := listenHTTP(s, false, slog.New(slog.NewTextHandler(&log, nil))); err != nil || e.listener != nil || !strings.Contains(log.String(), "are not served") {
		t.Errorf("the default: %v, %+v, log: %s", err, e, &log)
	}
	if e, err := listenHTTP(s, true, slog.New(slog.DiscardHandler)); err != nil || e.listener != nil {
		t.Errorf("the default, once: %v, %+v", err, e)
	}
	w := runWorld(t, runConfig+"http: { listen: \""+l.Addr().String()+"\" }\n")
	for _, args := range [][]string{{"run", "-c", "c.yaml"}, {"run", "-c", "c.yaml", "--once"}} {
		if code := w.exec(t.Context(), args...); code != exitFailure || !strings.Contains(w.err.String(), "http.listen: ") {
			t.Errorf("%v, configured: exit %d, %s", args, code, &w.err)
		}
	}
}

func TestRequestsUnderWayAreFinished(t *testing.T) {
	s := &settings{httpConfigured: true}
	s.file.HTTP.Listen = "127.0.0.1:0"
	e, err := listenHTTP(s, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	asked, answer := make(chan struct{}), make(chan struct{})
	e.serve(s, func() pipeline.Status { close(asked); <-answer; return healthy }, newMetricRegistry(), newRecentTrouble(time.Now), slog.New(slog.DiscardHandler))
	got := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+e.listener.Addr().String()+"/status", nil)
		if err != nil {
			got <- err
			return
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			err = errors.Join(err, resp.Body.Close())
		}
		got <- err
	}()
	<-asked
	closed := make(chan error, 1)
	go func() { closed <- e.Close() }()
	close(answer)
	if err := errors.Join(<-got, <-closed); err != nil {
		t.Error(err)
	}
}
