package splunkhec

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/splunkhec/hectest"
)

// A repeat needs an index delay above settle, and a request that was taken.
func TestSettle(t *testing.T) {
	const settleFor = 5 * time.Minute
	for _, delay := range []time.Duration{0, time.Minute, settleFor - time.Second, settleFor + time.Minute} {
		for _, fault := range []hectest.Fault{hectest.FaultUnanswered, hectest.FaultLost} {
			for _, reopen := range []bool{false, true} {
				for _, acks := range []bool{false, true} {
					bubble(t, fmt.Sprintf("found after %s, fault %d, re-opened %t, acknowledged %t", delay, fault, reopen, acks), func(t *testing.T) {
						server := newServer(hectest.Config{IndexDelay: delay, AckDelay: delay, Fault: onPost(2, 2, fault)})
						c := testConfig(func(c *Config) {
							withSearch(c)
							c.MaxContentLength = minContent
							if acks {
								withAcks(c)
							}
						})
						s := open(t, server, c)
						b := batch(s, 1, 200) // several requests; the second one fails
						if err := s.Deliver(t.Context(), b); err == nil {
							t.Fatal("delivered although a request failed")
						}
						first := len(server.Events())
						if reopen {
							s.Close()
							s = open(t, server, c)
						}
						defer s.Close()
						began := time.Now()
						if _, err := settle(t, s, b, true); err != nil {
							t.Fatal(err)
						}
						repeated := len(server.Events()) - len(b.Records)
						switch {
						case delay < settleFor && repeated != 0:
							t.Errorf("%d events are there twice", repeated)
						case delay > settleFor && reopen && repeated != first:
							t.Errorf("%d events are there twice, want the %d that could not be found", repeated, first)
						case time.Since(began) < settleFor:
							t.Errorf("settled after %s, want search.settle", time.Since(began))
						}
					})
				}
			}
		}
	}
}

// Events that come in while they are looked for begin the wait anew.
func TestCountThatMovesIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		there := 0
		s := open(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			var found strings.Builder
			for i := range there {
				fmt.Fprintf(&found, `{"preview":false,"offset":%d,"result":{"event_id":"event-1-%d","count":"1"}}`+"\n", i, i)
			}
			return textResponse(r, 200, found.String()), nil
		}), testConfig(withSearch))
		defer s.Close()
		b := batch(s, 1, 10)
		for ; there < 10; there += 2 {
			if out, err := s.Resolve(t.Context(), b.Manifest); !isClean(err) || throttled(err) <= 0 || throttled(err) > 5*time.Minute {
				t.Fatalf("%d of 10 are there: %s, %v", there, out, err)
			}
			time.Sleep(4 * time.Minute) // less than settle
		}
		if out, err := s.Resolve(t.Context(), b.Manifest); out != pipeline.OutcomeCommitted || err != nil {
			t.Fatalf("all are there: %s, %v", out, err)
		}
	})
}

// textResponse answers r.
func textResponse(r *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r}
}

func TestSearchFailuresAreNoEvidence(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
		refused    bool
	}{
		{"wrong token", `{"messages":[{"type":"WARN","text":"call not properly authenticated"}]}`, 401, true},
		{"no right", `{}`, 403, true},
		{"not there", `not found`, 404, false},
		{"server error", `oops`, 500, false},
		{"a page", `<html>`, 200, false},
		{"a fatal message", `{"messages":[{"type":"FATAL","text":"unknown search command"}]}`, 200, false},
		{"a peer is down", `{"preview":false,"messages":[{"type":"WARN","text":"Unable to distribute to peer named idx3"}],"lastrow":true}`, 200, false},
		{"results that are cut", `{"preview":false,"offset":0,"result":{"event_id":"event-1-0","count":"1"}}` + "\n" + `{"previ`, 200, false},
	} {
		s := open(t, roundTripper(func(r *http.Request) (*http.Response, error) { return textResponse(r, tt.status, tt.body), nil }), testConfig(withSearch))
		b := batch(s, 1, 3)
		out, err := s.Resolve(t.Context(), b.Manifest)
		if err == nil || isClean(err) || out != pipeline.OutcomeUnknown || errors.Is(err, pipeline.ErrRefused) != tt.refused {
			t.Errorf("%s: %s, %v", tt.name, out, err)
		}
		s.Close()
	}
}

// Every request may fail in every way, and no event is there twice or lost.
func TestHistories(t *testing.T) {
	faults := []hectest.Fault{
		hectest.FaultLost, hectest.FaultUnanswered, hectest.FaultInternalTaken, hectest.Code(8), hectest.Code(9), hectest.Code(26), hectest.Code(23),
		hectest.FaultGatewayTaken, hectest.FaultGatewayLost, hectest.FaultNearQueue, hectest.FaultNoAckID,
	}
	doubts, repeats := 0, 0
	for seed := range uint64(24) {
		synctest.Test(t, func(t *testing.T) {
			roll := func(n int, salt string) uint64 {
				h := fnv.New64a()
				fmt.Fprint(h, seed, salt, n)
				return h.Sum64() >> 8
			}
			server := newServer(hectest.Config{
				IndexDelay: time.Duration(roll(0, "delay")%240) * time.Second, AckDelay: time.Duration(roll(0, "ack")%900) * time.Second,
				Refuse: refuseBad(13), Nodes: 1 + int(roll(0, "nodes")%3),
				Fault: func(n int, r *http.Request) hectest.Fault {
					if !strings.Contains(r.URL.Path, "/collector") || roll(n, "fault")%4 != 0 {
						return hectest.FaultNone
					}
					return faults[roll(n, "which")%uint64(len(faults))]
				},
			})
			c := testConfig(func(c *Config) {
				withSearch(c)
				c.MaxContentLength = minContent
				if seed%2 == 0 {
					withAcks(c)
				}
			})
			s := open(t, server, c)
			for seq := range uint64(4) {
				bad := []int{int(roll(int(seq), "bad") % 150)}
				b := batch(s, seq+1, 150, bad...)
				doubt, lives := false, 0
				for {
					err := s.Deliver(t.Context(), b)
					if isRejected(err) {
						break
					}
					if err == nil || pipeline.IsPermanent(err) {
						t.Fatalf("seed %d: %v", seed, err)
					}
					doubt = doubt || !isClean(err)
					if roll(lives, "die")%5 == 0 && lives < 3 {
						s.Close()
						s, doubt = open(t, server, c), true
					}
					lives++
					if doubt {
						doubts++
						for out := pipeline.OutcomeUnknown; out == pipeline.OutcomeUnknown; {
							out, err = s.Resolve(t.Context(), b.Manifest)
							time.Sleep(max(throttled(err), time.Second))
						}
						if isRejected(err) {
							break
						}
					}
					time.Sleep(time.Second)
				}
				holds(t, server, b, map[int]int{bad[0]: 0})
			}
			s.Close()
			for _, n := range server.Copies("event_id") {
				repeats += n - 1
			}
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		})
	}
	if doubts < 10 || repeats > 0 {
		t.Errorf("%d batches were in doubt, %d events repeated", doubts, repeats)
	}
}
