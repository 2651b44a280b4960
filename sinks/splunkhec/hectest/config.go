package hectest

import (
	"net/http"
	"time"
)

// What a Server lets in unless its Config says otherwise.
const (
	DefaultToken       = "00000000-1111-2222-3333-444444444444"
	DefaultSearchToken = "search-token-of-the-test-server"
)

// Limits of real servers, in bytes.
const (
	enterpriseLimit = 838_860_800 // max_content_length of 10.4
	cloudLimit      = 5 << 20     // more is answered as if the first event were bad
)

// Config is what a Server is like. The zero value is a well-behaved Splunk
// Enterprise with one token, without acknowledgements, and the index main.
type Config struct {
	Tokens           map[string]Token // nil: DefaultToken
	Indexes          []string         // nil: main
	MaxContentLength int64            // bytes, before and after decompression; 0: 838,860,800
	Cloud            bool             // more than 5 MiB is 400 code 6 number 0, as on Splunk Cloud
	QueryToken       bool             // a token may stand in the address
	SearchToken      string           // empty: DefaultSearchToken
	Version          string           // empty: 10.4.3
	Nodes            int              // indexers behind a load balancer that goes by a cookie; 0: 1

	AckDelay   time.Duration // from taking events to their acknowledgement; negative: never
	IndexDelay time.Duration // from taking events to their being found
	Health     int           // the code that /health answers; 0: 17

	// Refuse returns the code with which an event is refused for good: 6, 7, 12, 13
	// or 15; 0: it is taken. Nil: all are.
	Refuse func(e *Event) int

	// Fault says what happens to the n-th request, counted from 1. Nil: nothing.
	Fault func(n int, r *http.Request) Fault

	// OnRequest is called before a request is looked at, OnAnswer after its answer
	// has left or was broken off. They may be called concurrently.
	OnRequest, OnAnswer func(n int, r *http.Request)

	Now func() time.Time // nil: time.Now
}

// Token is what a token may do.
type Token struct {
	Disabled bool
	Ack      bool     // indexer acknowledgement (useACK)
	Indexes  []string // that it may write; nil: all
	Index    string   // where events go that name none; empty: main
}

// Fault is what goes wrong with one request.
type Fault int

// The faults. "Taken" means that the request had its effect.
const (
	FaultNone          Fault = iota
	FaultLost                // the connection ends before the request is looked at
	FaultUnanswered          // taken, and the connection ends without an answer
	FaultLate                // the connection ends; it is taken when Release is called
	FaultInternalTaken       // 500 code 8, taken
	FaultGatewayTaken        // 504 with a page of HTML, taken
	FaultGatewayLost         // 502 with a page of HTML, not taken
	FaultNearQueue           // taken, 200 with code 24 instead of 0
	FaultNearAck             // taken, 200 with code 25 instead of 0
	FaultNoNumber            // taken; a refusal does not say which event it means
	FaultNoAckID             // taken; the answer does not say which acknowledgement to ask for
	FaultPage                // 200 with a page of HTML, not taken

	faultCode // and the code, see Code
)

// Code is the fault of a request that is answered with code and not taken.
func Code(code int) Fault { return faultCode + Fault(code) }

func (c Config) withDefaults() Config {
	if c.Tokens == nil {
		c.Tokens = map[string]Token{DefaultToken: {}}
	}
	if c.Indexes == nil {
		c.Indexes = []string{"main"}
	}
	if c.MaxContentLength == 0 {
		c.MaxContentLength = enterpriseLimit
	}
	if c.SearchToken == "" {
		c.SearchToken = DefaultSearchToken
	}
	if c.Version == "" {
		c.Version = "10.4.3"
	}
	c.Nodes = max(c.Nodes, 1)
	if c.Health == 0 {
		c.Health = codeHealthy
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}
