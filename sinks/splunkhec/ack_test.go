package splunkhec

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/splunkhec/hectest"
)

// onPoll is a fault of the n-th question for acknowledgements that matter, counted
// from 1: the probe at the beginning is none.
func onPoll(from, to int, f hectest.Fault) func(int, *http.Request) hectest.Fault {
	polls := -1
	return func(_ int, r *http.Request) hectest.Fault {
		if !isPoll(r) {
			return hectest.FaultNone
		}
		if polls++; polls < from || polls > to {
			return hectest.FaultNone
		}
		return f
	}
}

func TestAcknowledgementsAreWaitedFor(t *testing.T) {
	for _, delay := range []time.Duration{0, 3 * time.Second, 5 * time.Minute, 9 * time.Minute} {
		bubble(t, delay.String(), func(t *testing.T) {
			server := newServer(hectest.Config{AckDelay: delay})
			s := open(t, server, testConfig(func(c *Config) { withAcks(c); c.MaxContentLength = minContent }))
			defer s.Close()
			b := batch(s, 1, 400)
			began := time.Now()
			if err := s.Deliver(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			took := time.Since(began)
			if took < delay || took > delay+lastPoll+time.Second {
				t.Errorf("delivered after %s", took)
			}
			st := server.Stats()
			if polls := int(took/lastPoll) + 20; st.Polls > polls || st.Pending > 0 {
				t.Errorf("%d polls for %d requests in %s, %d unsaid", st.Polls, st.Posts, took, st.Pending)
			}
			holds(t, server, b, nil)
			if len(s.progress.pending) > 0 {
				t.Errorf("%d requests still pending", len(s.progress.pending))
			}
			if got := histogramCount(t, s); got != uint64(st.Posts) {
				t.Errorf("%d acknowledgements in the metric, %d requests", got, st.Posts)
			}
		})
	}
}

func TestAcknowledgementsThatNeverCome(t *testing.T) {
	for _, search := range []bool{false, true} {
		bubble(t, map[bool]string{false: "without a search", true: "with one"}[search], func(t *testing.T) {
			server := newServer(hectest.Config{AckDelay: -1})
			s := open(t, server, testConfig(func(c *Config) {
				withAcks(c)
				if search {
					withSearch(c)
				}
			}))
			defer s.Close()
			b := batch(s, 1, 50)
			began := time.Now()
			if search {
				if delivered, err := settle(t, s, b, false); err != nil || delivered != 1 {
					t.Fatalf("delivered %d times, %v", delivered, err)
				}
				holds(t, server, b, nil)
				return
			}
			for i := range 6 {
				err := s.Deliver(t.Context(), b)
				if !errors.Is(err, errNotAcked) || isClean(err) || pipeline.IsPermanent(err) {
					t.Fatalf("attempt %d: %v, want doubt", i, err)
				}
				if out, err := s.Resolve(t.Context(), b.Manifest); out != pipeline.OutcomeUnknown || err != nil {
					t.Fatalf("attempt %d: resolved as %s, %v", i, out, err)
				}
				if n := len(s.progress.pending); n > 1 {
					t.Fatalf("%d requests are remembered", n)
				}
			}
			// One copy for each attempt, and each attempt waits longer.
			copies, took := server.Copies("event_id")[b.Records[0].ID], time.Since(began)
			if copies != 6 || took < 10*time.Hour {
				t.Errorf("%d copies in %s", copies, took)
			}
		})
	}
}

func TestLateAcknowledgementStopsTheRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(hectest.Config{AckDelay: 10*time.Minute + 30*time.Second})
		s := open(t, server, testConfig(withAcks))
		defer s.Close()
		b := batch(s, 1, 20)
		if err := s.Deliver(t.Context(), b); !errors.Is(err, errNotAcked) {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if out, err := s.Resolve(t.Context(), b.Manifest); out != pipeline.OutcomeCommitted || err != nil {
			t.Fatalf("%s, %v", out, err)
		}
		holds(t, server, b, nil)
	})
}

func TestRestartForgetsAcknowledgements(t *testing.T) {
	for _, tt := range []struct {
		name   string
		lose   bool
		search bool
		copies int
	}{
		{"nothing is lost, without a search", false, false, 2},
		{"nothing is lost, with a search", false, true, 1},
		{"what was not indexed is lost, with a search", true, true, 1},
		{"what was not indexed is lost, without a search", true, false, 1},
	} {
		bubble(t, tt.name, func(t *testing.T) {
			server := newServer(hectest.Config{AckDelay: time.Minute, IndexDelay: time.Minute})
			s := open(t, server, testConfig(func(c *Config) {
				withAcks(c)
				if tt.search {
					withSearch(c)
				}
			}))
			defer s.Close()
			b := batch(s, 1, 20)
			go func() {
				time.Sleep(30 * time.Second)
				server.Restart(tt.lose)
			}()
			if _, err := settle(t, s, b, false); err != nil {
				t.Fatal(err)
			}
			except := make(map[int]int)
			for i := range b.Records {
				except[i] = tt.copies
			}
			holds(t, server, b, except)
			next := batch(s, 2, 5)
			if err := s.Deliver(t.Context(), next); err != nil {
				t.Fatal(err)
			}
			holds(t, server, next, nil)
		})
	}
}

// The ids begin at 0 again: the second request's is that of the first.
func TestRestartBetweenRequestsIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var server *hectest.Server
		posts := 0
		server = newServer(hectest.Config{AckDelay: 5 * time.Second, OnRequest: func(_ int, r *http.Request) {
			if isPost(r) {
				if posts++; posts == 2 {
					server.Restart(false)
				}
			}
		}})
		s := open(t, server, testConfig(func(c *Config) { withAcks(c); withSearch(c); c.MaxContentLength = minContent }))
		defer s.Close()
		b := batch(s, 1, 100)
		began := time.Now()
		if err := s.Deliver(t.Context(), b); !errors.Is(err, errNotAcked) || time.Since(began) > time.Minute {
			t.Fatalf("%v after %s, want doubt at once", err, time.Since(began))
		}
		if _, err := settle(t, s, b, true); err != nil {
			t.Fatal(err)
		}
		holds(t, server, b, nil)
	})
}

func TestLostPollLeavesDoubt(t *testing.T) {
	for name, f := range map[string]hectest.Fault{
		"true was said and not heard": hectest.FaultUnanswered, "the question was lost": hectest.FaultLost, "a gateway's page": hectest.FaultGatewayTaken,
		"no acknowledgement": hectest.FaultPage,
	} {
		for _, search := range []bool{false, true} {
			bubble(t, name+map[bool]string{false: "", true: ", searched"}[search], func(t *testing.T) {
				server := newServer(hectest.Config{Fault: onPoll(1, 1, f)})
				s := open(t, server, testConfig(func(c *Config) {
					withAcks(c)
					if search {
						withSearch(c)
					}
				}))
				defer s.Close()
				b := batch(s, 1, 20)
				began := time.Now()
				if err := s.Deliver(t.Context(), b); !errors.Is(err, errNotAcked) || isClean(err) {
					t.Fatalf("%v, want doubt", err)
				}
				if _, err := settle(t, s, b, true); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took > time.Minute {
					t.Errorf("settled after %s", took)
				}
				if copies := server.Copies("event_id")[b.Records[0].ID]; copies > 2 || search && copies != 1 {
					t.Errorf("%d copies", copies)
				}
			})
		}
	}
}

func TestBusyPollIsNoDoubt(t *testing.T) {
	for _, code := range []int{9, 26} {
		synctest.Test(t, func(t *testing.T) {
			server := newServer(hectest.Config{AckDelay: time.Second, Fault: onPoll(1, 10, hectest.Code(code))})
			s := open(t, server, testConfig(withAcks))
			defer s.Close()
			b := batch(s, 1, 20)
			if err := s.Deliver(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			holds(t, server, b, nil)
		})
	}
}

func TestCookieKeepsThePollAtItsIndexer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(hectest.Config{Nodes: 3, AckDelay: time.Second})
		s := open(t, server, testConfig(func(c *Config) { withAcks(c); c.MaxContentLength = minContent }))
		defer s.Close()
		for seq := range uint64(3) {
			b := batch(s, seq+1, 200)
			if err := s.Deliver(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			holds(t, server, b, nil)
		}
	})
}

func TestAcknowledgementsTurnedOffAreNeverCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var server *hectest.Server
		polls := 0
		server = newServer(hectest.Config{AckDelay: time.Minute, OnRequest: func(_ int, r *http.Request) {
			if isPoll(r) {
				if polls++; polls == 3 {
					server.Update(func(c *hectest.Config) { c.Tokens = map[string]hectest.Token{ackToken: {}} })
				}
			}
		}})
		var log bytes.Buffer
		s := open(t, server, testConfig(withAcks))
		s.log = slog.New(slog.NewTextHandler(&log, nil))
		defer s.Close()
		b := batch(s, 1, 20)
		if err := s.Deliver(t.Context(), b); !errors.Is(err, errNotAcked) || !strings.Contains(err.Error(), "code 14") {
			t.Fatalf("%v, want doubt", err)
		}
		if err := s.Deliver(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), "has indexer acknowledgement") || !strings.Contains(log.String(), "has no indexer acknowledgement") {
			t.Errorf("the log does not say what became of acknowledgements:\n%s", &log)
		}
	})
}

func TestAckSetting(t *testing.T) {
	for _, tt := range []struct {
		name string
		ack  Ack
		acks bool // the token has them
		want string
	}{
		{"on without", AckOn, false, "code 14"},
		{"on with", AckOn, true, ""},
		{"off without", AckOff, false, ""},
		{"off with", AckOff, true, "code 10"},
		{"auto without", AckAuto, false, ""},
		{"auto with", AckAuto, true, ""},
	} {
		bubble(t, tt.name, func(t *testing.T) {
			server := newServer(hectest.Config{})
			s := open(t, server, testConfig(func(c *Config) {
				c.Ack = tt.ack
				if tt.acks {
					withAcks(c)
				}
			}))
			defer s.Close()
			b := batch(s, 1, 3)
			err := s.Deliver(t.Context(), b)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				holds(t, server, b, nil)
				return
			}
			if !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), tt.want) || len(server.Events()) > 0 {
				t.Errorf("%v, %d events taken", err, len(server.Events()))
			}
		})
	}
}

func TestMissingAckIDIsNoAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(hectest.Config{Fault: onPost(1, 1, hectest.FaultNoAckID)})
		s := open(t, server, testConfig(func(c *Config) { withAcks(c); withSearch(c) }))
		defer s.Close()
		b := batch(s, 1, 20)
		began := time.Now()
		if err := s.Deliver(t.Context(), b); !errors.Is(err, errNotAcked) || time.Since(began) > time.Minute {
			t.Fatalf("%v after %s, want doubt at once", err, time.Since(began))
		}
		if _, err := settle(t, s, b, true); err != nil {
			t.Fatal(err)
		}
		holds(t, server, b, nil)
	})
}
