package openai

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/sources"
)

// dialing fails to connect with err, as the network's functions word it.
func dialing(err error) http.RoundTripper {
	return &http.Transport{DialContext: func(_ context.Context, network, _ string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}}
}

// transportFunc sends requests.
type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// closed is an address at which nobody listens.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestRequestWithoutAnAnswerIsExplained(t *testing.T) {
	silent := log.New(io.Discard, "", 0)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = silent
	secure.StartTLS()
	defer secure.Close()
	trusted := secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	_, port, _ := net.SplitHostPort(secure.Listener.Addr().String())
	modern := httptest.NewUnstartedServer(http.NotFoundHandler())
	modern.Config.ErrorLog, modern.TLS = silent, &tls.Config{MinVersion: tls.VersionTLS13}
	modern.StartTLS()
	defer modern.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	locked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }))
	defer locked.Close()
	nobody := closed(t)
	resetting := func(f openaisim.Fault) http.RoundTripper {
		sim, err := openaisim.New(openaisim.Config{AdminKey: testKey, Events: 10, Faults: openaisim.Faults{Script: map[int]openaisim.Fault{1: f}}})
		if err != nil {
			t.Fatal(err)
		}
		return sim
	}
	through := func(proxy string) http.RoundTripper {
		return &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", User: url.UserPassword("me", "hunter2"), Host: proxy})}
	}
	certificate := func(c *tls.Config) http.RoundTripper {
		c.RootCAs = trusted
		return &http.Transport{TLSClientConfig: c}
	}
	const host = "https://api.example/v1"
	for _, tt := range []struct {
		name, base string
		transport  http.RoundTripper
		want       string // * is what the system says
	}{
		{"no such name", host, dialing(&net.DNSError{Err: "no such host", Name: "api.example", IsNotFound: true}),
			"GET https://api.example/v1/organization/audit_logs: *no such host (there is no host of that name here: is base_url https://api.example/v1 right, and does this host need a proxy (HTTPS_PROXY)?)"},
		{"no name server", host, dialing(&net.DNSError{Err: "i/o timeout", Name: "api.example", IsTimeout: true}),
			"GET https://api.example/v1/organization/audit_logs: *i/o timeout (the name server does not answer: look at this host's DNS)"},
		{"no way", host, dialing(syscall.ENETUNREACH),
			"GET https://api.example/v1/organization/audit_logs: *unreachable (no way leads there from this host: look at its network, or set HTTPS_PROXY)"},
		{"nobody listens", "http://" + nobody + "/v1", &http.Transport{},
			"GET http://" + nobody + "/v1/organization/audit_logs: *connection refused (nothing listens there: is base_url http://" + nobody + "/v1 right, and does this host need a proxy (HTTPS_PROXY)?)"},
		{"the proxy is not there", host, through(nobody),
			"GET https://api.example/v1/organization/audit_logs: *connection refused (the proxy that HTTPS_PROXY names cannot be reached)"},
		{"the proxy wants a password", host, through(locked.Listener.Addr().String()),
			"GET https://api.example/v1/organization/audit_logs: *Proxy Authentication Required (the proxy wants to know who asks: put user and password into HTTPS_PROXY)"},
		{"an unknown authority", secure.URL + "/v1", &http.Transport{},
			"GET " + secure.URL + "/v1/organization/audit_logs: *unknown authority (this host does not trust the certificate of " + secure.Listener.Addr().String() + ": if a proxy looks into TLS, add its authority to this host's, or name a file with it in SSL_CERT_FILE)"},
		{"another host's certificate", "https://localhost:" + port + "/v1", certificate(&tls.Config{}),
			"GET https://localhost:" + port + "/v1/organization/audit_logs: *not localhost (the certificate is another host's: is base_url https://localhost:" + port + "/v1 right, or does a proxy answer in its place?)"},
		{"an expired certificate", secure.URL + "/v1", certificate(&tls.Config{Time: func() time.Time { return time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC) }}),
			"GET " + secure.URL + "/v1/organization/audit_logs: *is after 2084-01-29T16:00:00Z (the certificate of " + secure.Listener.Addr().String() + " is not valid now: is this host's clock right?)"},
		{"no common version", modern.URL + "/v1", certificate(&tls.Config{MaxVersion: tls.VersionTLS12}),
			"GET " + modern.URL + "/v1/organization/audit_logs: *protocol version not supported (" + modern.Listener.Addr().String() + " and this host do not agree on TLS: does a proxy or firewall interfere?)"},
		{"no TLS", strings.Replace(plain.URL, "http:", "https:", 1) + "/v1", &http.Transport{},
			"GET " + strings.Replace(plain.URL, "http:", "https:", 1) + "/v1/organization/audit_logs: * (" + plain.Listener.Addr().String() + " does not speak TLS: is base_url " + strings.Replace(plain.URL, "http:", "https:", 1) + "/v1 right?)"},
		{"reset", "http://localhost/v1", resetting(openaisim.FaultReset),
			"GET http://localhost/v1/organization/audit_logs: *connection reset by peer (the connection broke; the connector asks again by itself)"},
		{"reset in the answer", "http://localhost/v1", resetting(openaisim.FaultResetBody),
			"GET http://localhost/v1/organization/audit_logs: read answer: *connection reset by peer (the connection broke; the connector asks again by itself)"},
		{"something else", host, transportFunc(func(r *http.Request) (*http.Response, error) {
			return nil, errors.New("the cat has " + r.Header.Get("Authorization"))
		}), "GET https://api.example/v1/organization/audit_logs: the cat has [redacted]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := openSource(t, func(c *Config) { c.BaseURL = tt.base }, sources.Env{Transport: tt.transport})
			_, err := s.Page(t.Context(), org(0, 0))
			if err == nil || class(err) != "plain" || strings.Contains(err.Error(), testKey) || strings.Contains(err.Error(), "hunter2") {
				t.Fatalf("%v", err)
			}
			want := "read audit log, stream organization: " + tt.want
			before, after, any := strings.Cut(want, "*")
			if got := err.Error(); got != want && !(any && strings.HasPrefix(got, before) && strings.HasSuffix(got, after)) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestSilenceIsExplainedAndInterruptionIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openSource(t, nil, sources.Env{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})})
		const want = "read audit log, stream organization: GET https://api.openai.com/v1/organization/audit_logs: no answer within 1m0s: context deadline exceeded (does a firewall drop what goes to api.openai.com? The connector asks again by itself)"
		if _, err := s.Page(t.Context(), org(0, 0)); err == nil || err.Error() != want || class(err) != "plain" {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Page(ctx, org(0, 0)); !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "firewall") {
			t.Errorf("the caller's deadline: %v", err)
		}
	})
}
