package splunkhec

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks/splunkhec/hectest"
)

// bubble runs f as a subtest whose time is its own.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// onPost is a fault of the n-th request with events, counted from 1; to is the last
// such request.
func onPost(from, to int, f hectest.Fault) func(int, *http.Request) hectest.Fault {
	posts := 0
	return func(_ int, r *http.Request) hectest.Fault {
		if !isPost(r) {
			return hectest.FaultNone
		}
		if posts++; posts < from || posts > to {
			return hectest.FaultNone
		}
		return f
	}
}

// What has to become of a batch one of whose requests is answered with a code.
const (
	toBeDone     = "done"     // at once
	toBeRepeated = "repeated" // delivered again without doubt
	toBeDoubted  = "doubted"
	toBeRefused  = "refused" // permanent; tried again when keys may have changed
	toBeStopped  = "stopped" // permanent
	toBeRejected = "rejected"
)

// TestCodes crosses every code with acknowledgements and with whether something of
// the batch was taken before, and compares what is in the index with what must be.
func TestCodes(t *testing.T) {
	want := map[string][]int{
		toBeDone:     {0, 24, 25},
		toBeRepeated: {9, 18, 19, 20, 23, 26, 27},
		toBeDoubted:  {8, 17},
		toBeRefused:  {1, 2, 3, 4, 21, 22},
		toBeStopped:  {5, 10, 11, 14, 16, 28},
		toBeRejected: {6, 7, 12, 13, 15},
	}
	seen := 0
	for what, codes := range want {
		for _, code := range codes {
			seen++
			for _, acks := range []bool{false, true} {
				for _, partial := range []bool{false, true} {
					bubble(t, fmt.Sprintf("%d is %s, acknowledged %t, partial %t", code, what, acks, partial), func(t *testing.T) {
						testCode(t, code, what, acks, partial)
					})
				}
			}
		}
	}
	if seen != len(codes) {
		t.Errorf("%d codes are tried, there are %d", seen, len(codes))
	}
}

func testCode(t *testing.T, code int, what string, acks, partial bool) {
	// Requests of some forty events; the second one meets the code, or the first.
	const events = 100
	strike := 1
	if partial {
		strike = 2
	}
	fault := hectest.Code(code)
	switch code {
	case 0:
		fault = hectest.FaultNone
	case 24:
		fault = hectest.FaultNearQueue
	case 25:
		fault = hectest.FaultNearAck
	}
	config := hectest.Config{Fault: onPost(strike, strike, fault)}
	var bad []int
	if what == toBeRejected {
		config = hectest.Config{Refuse: refuseBad(code)}
		bad = []int{0}
		if partial {
			bad = []int{3, 57}
		}
		if code == 7 && !partial {
			what = toBeStopped // the first event of all: it is the configuration
		}
	}
	server := newServer(config)
	s := open(t, server, testConfig(func(c *Config) {
		withSearch(c)
		c.MaxContentLength = minContent
		if acks {
			withAcks(c)
		}
	}))
	defer s.Close()
	b := batch(s, 1, events, bad...)
	err := s.Deliver(t.Context(), b)

	refused := errors.Is(err, pipeline.ErrRefused)
	got := map[bool]string{
		err == nil: toBeDone, isClean(err): toBeRepeated, refused: toBeRefused,
		pipeline.IsPermanent(err) && !refused: toBeStopped, isRejected(err): toBeRejected,
	}[true]
	if got == "" {
		got = toBeDoubted
	}
	if got != what {
		t.Fatalf("%v: %s, want %s", err, got, what)
	}
	except := make(map[int]int)
	for _, i := range bad {
		except[i] = 0
	}
	switch {
	case what == toBeDone || what == toBeRejected:
		holds(t, server, b, except)
		return
	case len(bad) > 0: // the configuration is put right
		server.Update(func(c *hectest.Config) { c.Refuse = nil })
		except = nil
	}
	if n := len(server.Events()); partial && n == 0 || !partial && n > 0 {
		t.Fatalf("%d events are in the index before the batch is delivered again", n)
	}
	if _, err := settle(t, s, b, what == toBeDoubted); err != nil {
		t.Fatal(err)
	}
	holds(t, server, b, except)
}

func TestPoisonedEventCostsOne(t *testing.T) {
	for _, code := range []int{6, 7, 12, 13, 15} {
		for _, acks := range []bool{false, true} {
			bubble(t, fmt.Sprintf("code %d, acknowledged %t", code, acks), func(t *testing.T) {
				server := newServer(hectest.Config{Refuse: refuseBad(code)})
				s := open(t, server, testConfig(func(c *Config) {
					if acks {
						withAcks(c)
					}
				}))
				defer s.Close()
				b := batch(s, 1, 500, 217)
				var rejected *pipeline.RejectedError
				if err := s.Deliver(t.Context(), b); !errors.As(err, &rejected) || len(rejected.Records) != 1 || rejected.Records[217] == nil {
					t.Fatalf("%v, want record 217 rejected", err)
				}
				holds(t, server, b, map[int]int{217: 0})
				if why := rejected.Records[217].Error(); !strings.Contains(why, fmt.Sprintf("(code %d)", code)) || strings.Contains(why, "event-1-217") {
					t.Errorf("reason %q", why)
				}
			})
		}
	}
}

func TestManyBadEventsEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(hectest.Config{Refuse: refuseBad(15)})
		s := open(t, server, testConfig(func(c *Config) { withAcks(c); c.MaxContentLength = minContent }))
		defer s.Close()
		bad := []int{0, 1, 2, 50, 51, 99, 150, 199}
		b := batch(s, 1, 200, bad...)
		err := s.Deliver(t.Context(), b)
		var rejected *pipeline.RejectedError
		if !errors.As(err, &rejected) || len(rejected.Records) != len(bad) {
			t.Fatalf("%v, want %d rejected", err, len(bad))
		}
		except := make(map[int]int)
		for _, i := range bad {
			except[i] = 0
		}
		holds(t, server, b, except)
	})
}

func TestAnswersOfOthers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault hectest.Fault
		doubt bool
		taken bool
	}{
		{"a gateway's 504, taken", hectest.FaultGatewayTaken, true, true},
		{"a gateway's 502, not taken", hectest.FaultGatewayLost, true, false},
		{"code 8, taken", hectest.FaultInternalTaken, true, true},
		{"a page with 200 is no success", hectest.FaultPage, true, false},
		{"the answer is lost", hectest.FaultUnanswered, true, true},
		{"the request is lost", hectest.FaultLost, true, false},
		{"it arrives while it is looked for", hectest.FaultLate, true, false},
	} {
		bubble(t, tt.name, func(t *testing.T) {
			server := newServer(hectest.Config{Fault: onPost(1, 1, tt.fault)})
			s := open(t, server, testConfig(withSearch))
			defer s.Close()
			b := batch(s, 1, 10)
			err := s.Deliver(t.Context(), b)
			if err == nil || isClean(err) || pipeline.IsPermanent(err) {
				t.Fatalf("%v, want doubt", err)
			}
			if _, err := s.Resolve(t.Context(), b.Manifest); !tt.taken && !isClean(err) || tt.taken && err != nil {
				t.Errorf("resolve at once: %v", err)
			}
			server.Release()
			delivered, err := settle(t, s, b, true)
			if err != nil {
				t.Fatal(err)
			}
			if tt.taken == (delivered > 0) && tt.fault != hectest.FaultLate {
				t.Errorf("delivered %d times more", delivered)
			}
			holds(t, server, b, nil)
		})
	}
}

func TestServerThatDoesNotSayWhichEventIsBad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(hectest.Config{Refuse: refuseBad(12), Fault: func(int, *http.Request) hectest.Fault { return hectest.FaultNoNumber }})
		s := open(t, server, testConfig(nil))
		defer s.Close()
		b := batch(s, 1, 64, 20)
		var rejected *pipeline.RejectedError
		if err := s.Deliver(t.Context(), b); !errors.As(err, &rejected) || len(rejected.Records) != 1 || rejected.Records[20] == nil {
			t.Fatalf("%v, want record 20 rejected", err)
		}
		got := server.Copies("event_id")
		for i, r := range b.Records {
			if n := got[r.ID]; i != 20 && (n < 1 || n > 7) || i == 20 && n != 0 {
				t.Errorf("event %d: %d copies", i, n)
			}
		}
		if posts := server.Stats().Posts; posts > 16 {
			t.Errorf("%d requests, want the halves of halves", posts)
		}
	})
}

func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config hectest.Config
		limit  int64
		huge   int // size of record 1; 0: like the others
		reject bool
	}{
		{"413 cuts requests in half", hectest.Config{MaxContentLength: 40_000}, 1e6, 0, false},
		{"413 on one event rejects it", hectest.Config{MaxContentLength: 40_000}, 1e6, 50_000, true},
		{"Splunk Cloud's 400 is not the first event's fault", hectest.Config{Cloud: true}, 20e6, 0, false},
		{"Splunk Cloud's 400 on one event rejects it", hectest.Config{Cloud: true}, 1e6, 6_000_000, true},
		{"an event above max_content_length goes alone", hectest.Config{}, 1e6, 2_000_000, false},
	} {
		bubble(t, tt.name, func(t *testing.T) {
			server := newServer(tt.config)
			s := open(t, server, testConfig(func(c *Config) { c.MaxContentLength = 1e6; c.Schema = "normalized" }))
			s.limit = int(tt.limit)
			defer s.Close()
			n := 100
			if tt.limit > cloudLimit {
				n = 5000
			}
			b := batch(s, 1, n)
			if tt.huge > 0 {
				b.Records[1].Audit.Actor.Name = strings.Repeat("x", tt.huge)
			}
			err := s.Deliver(t.Context(), b)
			if isRejected(err) != tt.reject || !tt.reject && err != nil {
				t.Fatal(err)
			}
			except := map[int]int{}
			if tt.reject {
				except[1] = 0
			}
			holds(t, server, b, except)
			before := server.Stats().Posts
			second := batch(s, 2, 100)
			if err := s.Deliver(t.Context(), second); err != nil {
				t.Fatal(err)
			}
			holds(t, server, second, nil)
			t.Logf("%d requests, then %d", before, server.Stats().Posts-before)
		})
	}
}
