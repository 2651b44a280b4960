package splunkhec

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"

	"auditlog-connector/internal/secret"
	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/splunkhec/hectest"
)

// histogramCount is how many acknowledgements were measured.
func histogramCount(t *testing.T, s *sink) uint64 {
	t.Helper()
	var m dto.Metric
	if err := s.ackSeconds.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetHistogram().GetSampleCount()
}

// hosts sends requests to a server by their host; without one, nothing is there.
type hosts map[string]http.RoundTripper

func (h hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	if to := h[r.URL.Host]; to != nil {
		return to.RoundTrip(r)
	}
	return nil, errors.New("no such host")
}

func TestHealthIsAskedFirstAndWhileTheServerIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		server := newServer(hectest.Config{
			OnRequest: func(_ int, r *http.Request) { asked = append(asked, r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]) },
			Fault:     onPost(2, 2, hectest.Code(9)),
		})
		s := open(t, server, testConfig(nil))
		defer s.Close()
		deliver := func(seq uint64, want string) {
			t.Helper()
			asked = nil
			err := s.Deliver(t.Context(), batch(s, seq, 3))
			if got := strings.Join(asked, " "); got != want {
				t.Errorf("asked %s, want %s (%v)", got, want, err)
			}
		}
		deliver(1, "health ack event")
		deliver(2, "event") // busy
		server.Update(func(c *hectest.Config) { c.Health = 18 })
		deliver(2, "health")
		server.Update(func(c *hectest.Config) { c.Health = 24 })
		began := time.Now()
		deliver(2, "health event")
		if time.Since(began) < slowPause {
			t.Error("no pause although the server is near its capacity")
		}
		deliver(3, "event")
	})
}

func TestUnhealthyServerGetsNothing(t *testing.T) {
	for _, code := range []int{18, 19, 20, 23} {
		server := newServer(hectest.Config{Health: code})
		s := open(t, server, testConfig(nil))
		if err := s.Deliver(t.Context(), batch(s, 1, 3)); !isClean(err) || server.Stats().Posts > 0 {
			t.Errorf("health %d: %v, %d posts", code, err, server.Stats().Posts)
		}
		s.Close()
	}
}

func TestHealthThatAGatewayHidesIsNoHindrance(t *testing.T) {
	server := newServer(hectest.Config{})
	hiding := roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/health") {
			r.URL.Path = "/nothing"
		}
		return server.RoundTrip(r)
	})
	s := open(t, hiding, testConfig(nil))
	defer s.Close()
	b := batch(s, 1, 3)
	if err := s.Deliver(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	holds(t, server, b, nil)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestFailover(t *testing.T) {
	urls := func(c *Config) { c.URL, c.URLs = "", []string{"http://a", "http://b", "http://c"} }
	for _, tt := range []struct {
		name   string
		a, b   hectest.Config
		doubt  bool
		inB    bool
		posted int // to a
	}{
		{"the first one takes it", hectest.Config{}, hectest.Config{}, false, false, 1},
		{"busy: the next one at once", hectest.Config{Fault: onPost(1, 9, hectest.Code(9))}, hectest.Config{}, false, true, 0},
		{"shutting down", hectest.Config{Fault: onPost(1, 9, hectest.Code(23))}, hectest.Config{}, false, true, 0},
		{"unhealthy", hectest.Config{Health: 20}, hectest.Config{}, false, true, 0},
		{"in doubt: not before it is settled", hectest.Config{Fault: onPost(1, 9, hectest.FaultUnanswered)}, hectest.Config{}, true, false, 1},
	} {
		bubble(t, tt.name, func(t *testing.T) {
			a, b := newServer(tt.a), newServer(tt.b)
			s := open(t, hosts{"a": a, "b": b}, testConfig(urls))
			defer s.Close()
			batch := batch(s, 1, 10)
			err := s.Deliver(t.Context(), batch)
			if (err != nil) != tt.doubt {
				t.Fatal(err)
			}
			if n := len(b.Events()); (n > 0) != tt.inB {
				t.Errorf("%d events at the second address", n)
			}
			if n := a.Stats().Posts; n != tt.posted {
				t.Errorf("%d posts at the first address, want %d", n, tt.posted)
			}
		})
	}
	t.Run("nobody there is no doubt", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		nobody := "http://" + l.Addr().String()
		l.Close()
		s := open(t, nil, testConfig(func(c *Config) { c.URL = nobody }))
		defer s.Close()
		if err := s.Deliver(t.Context(), batch(s, 1, 1)); !isClean(err) {
			t.Errorf("%v, want a clean failure", err)
		}
		server := newServer(hectest.Config{})
		h := httptest.NewServer(server)
		defer h.Close()
		s2 := open(t, nil, testConfig(func(c *Config) { c.URL, c.URLs = "", []string{nobody, h.URL} }))
		defer s2.Close()
		b := batch(s2, 1, 5)
		if err := s2.Deliver(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		holds(t, server, b, nil)
	})
}

func TestServerThatGoesAwayIsCleanOnlyWhileNotConnected(t *testing.T) {
	server := newServer(hectest.Config{Fault: onPost(2, 2, hectest.FaultUnanswered)})
	h := httptest.NewServer(server)
	s := open(t, nil, testConfig(func(c *Config) { c.URL = h.URL }))
	defer s.Close()
	if err := s.Deliver(t.Context(), batch(s, 1, 3)); err != nil {
		t.Fatal(err)
	}
	if err := s.Deliver(t.Context(), batch(s, 2, 3)); err == nil || isClean(err) {
		t.Errorf("the connection was cut after the request: %v, want doubt", err)
	}
	h.Close()
	if err := s.Deliver(t.Context(), batch(s, 3, 3)); !isClean(err) {
		t.Errorf("nobody listens: %v, want a clean failure", err)
	}
}

func TestTokenIsReadAgainWhenItIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var token secret.String
	if err := token.UnmarshalScalar("${file:" + path + "}"); err != nil {
		t.Fatal(err)
	}
	server := newServer(hectest.Config{})
	s := open(t, server, testConfig(func(c *Config) { c.Token = token }))
	defer s.Close()
	b := batch(s, 1, 3)

	write("11111111-old")
	if err := s.Deliver(t.Context(), b); !errors.Is(err, pipeline.ErrRefused) || !pipeline.IsPermanent(err) || strings.Contains(err.Error(), "11111111-old") {
		t.Errorf("%v, want refused", err)
	}
	write("22222222-old")
	if err := s.Deliver(t.Context(), b); !errors.Is(err, pipeline.ErrRefused) {
		t.Errorf("%v, want refused", err)
	}
	server.Update(func(c *hectest.Config) {
		c.OnRequest = func(int, *http.Request) { write(hectest.DefaultToken) }
	})
	if err := s.Deliver(t.Context(), b); !isClean(err) || !strings.Contains(err.Error(), "another token") {
		t.Errorf("%v, want to be told of another token", err)
	}
	if err := s.Deliver(t.Context(), b); err != nil {
		t.Error(err)
	}
	holds(t, server, b, nil)
	write("two lines\nof text")
	s.token.text = ""
	if err := s.Deliver(t.Context(), batch(s, 2, 1)); !isClean(err) || strings.Contains(err.Error(), "two lines") {
		t.Errorf("%v", err)
	}
}

func TestEnvelope(t *testing.T) {
	server := newServer(hectest.Config{Indexes: []string{"audit"}})
	s := open(t, server, testConfig(func(c *Config) { c.Index, c.Host, c.Schema = "audit", "collector-1", "normalized" }))
	defer s.Close()
	b := batch(s, 7, 2)
	b.Records[1].Audit.EffectiveAt = b.Records[1].Time.Add(45 * time.Millisecond)
	if err := s.Deliver(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%d audit collector-1 acme openai:audit map[batch_id:acme/siem/0a1b2c3d/00000000000000000007 event_id:event-7-0 event_type:api_key.created]", day.Unix())
	got := server.Events()
	if e := got[0]; fmt.Sprint(e.Time, " ", e.Index, " ", e.Host, " ", e.Source, " ", e.Sourcetype, " ", e.Fields) != want || !strings.HasPrefix(string(e.Event), `{"event_id":"event-7-0"`) {
		t.Errorf("%+v", e)
	}
	if e := got[1]; e.Time != fmt.Sprintf("%d.045", day.Unix()+1) {
		t.Errorf("time %s", e.Time)
	}
}
