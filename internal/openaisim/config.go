package openaisim

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// DefaultAdminKey is the key of a simulator whose Config names none.
const DefaultAdminKey = "sk-admin-simulator"

// Config is what a simulated organization is like. The zero value is a
// well-behaved server without events. Shares and probabilities are in [0, 1];
// where zero means a default, a negative value means none.
type Config struct {
	AdminKey string // the only key that is let in; empty: DefaultAdminKey
	Seed     uint64 // decides everything that is invented and everything that goes wrong

	// Events that exist from the start, spread over From to To with working
	// hours, weekends and bursts. Zero times mean the last 30 days up to now.
	Events   int
	From, To time.Time
	Rate     float64 // events per second published from the start on, by Now

	// When events become visible. Delay is the longest usual wait, Late the share
	// that waits up to LateMax instead (default 10m).
	Delay   time.Duration
	Late    float64
	LateMax time.Duration
	// Backfill is the share of the initial events dated at most BackfillAge before
	// the start (default 24h) that become visible only after it, at some time
	// within BackfillWithin (default 10s).
	Backfill       float64
	BackfillAge    time.Duration
	BackfillWithin time.Duration
	// Future is the share of events dated up to FutureMax (default 24h) after they
	// become visible.
	Future    float64
	FutureMax time.Duration

	// What events look like.
	Both     float64 // share of events in both listings; 0: 0.01
	Unknown  float64 // share of events of a type nobody knows; 0: 0.002
	Odd      float64 // share with unusual parts: no actor, unknown actor, extra keys, details null or a list; 0: 0.01
	OddTimes float64 // share whose effective_at is a fraction or a text
	Changing float64 // share whose body differs on every call, by an additional key

	// How the listings behave.
	Order         Order
	TieOrder      TieOrder
	Before        BeforeMeaning
	UnknownCursor CursorAnswer
	RejectUnknown bool          // unknown parameters are 400 instead of ignored
	BareEnvelope  bool          // no object key, and absent instead of null cursors
	Retention     time.Duration // entries older than this vanish; 0: never
	Logging       Logging
	TenantIgnored bool // tenant_only is unknown: the organization's listing answers

	// Who is refused: everybody, or those who ask for one listing.
	Refuse, RefuseOrganization, RefuseTenant Refusal
	EchoKey                                  bool // 401 bodies repeat the key that was sent
	KeyRights                                Rights

	// How the network and the server behave.
	Faults    Faults
	Latency   time.Duration // before each answer, after the page was chosen
	RateLimit float64       // requests per second, beyond which 429 with Retry-After: 1; 0: no limit
	DateSkew  time.Duration // added to the Date header
	NoDate    bool          // no Date header

	// Now is the clock of the server; nil: time.Now.
	Now func() time.Time
	// OnRequest is called before a request of the API is looked at, OnAnswer after
	// its answer has left or was broken off; n counts requests from 1. They may be
	// called concurrently and may call the Server's methods.
	OnRequest, OnAnswer func(n int, r *http.Request)
}

// Validate reports everything in c that cannot be meant, joined.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Events < 0 || c.Events > 1<<30 {
		bad("events %d: want 0 to 2^30", c.Events)
	}
	if !c.From.IsZero() && !c.To.IsZero() && c.To.Before(c.From) {
		bad("to %v is before from %v", c.To, c.From)
	}
	if !c.From.IsZero() && (c.From.Year() < 1970 || c.To.Year() > 2200) {
		bad("from %v to %v: want years 1970 to 2200", c.From, c.To)
	}
	for _, s := range []struct {
		name  string
		value float64
	}{
		{"late", c.Late}, {"backfill", c.Backfill}, {"future", c.Future}, {"both", c.Both}, {"unknown", c.Unknown},
		{"odd", c.Odd}, {"odd_times", c.OddTimes}, {"changing", c.Changing}, {"error_rate", c.Faults.ErrorRate},
	} {
		if !(s.value <= 1) {
			bad("%s %v: want a share of at most 1", s.name, s.value)
		}
	}
	for _, s := range []struct {
		name  string
		value float64
	}{{"rate", c.Rate}, {"rate_limit", c.RateLimit}} {
		if !(s.value >= 0 && s.value <= 1e6) {
			bad("%s %v: want 0 to 1000000 a second", s.name, s.value)
		}
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"delay", c.Delay}, {"late_max", c.LateMax}, {"backfill_age", c.BackfillAge}, {"backfill_within", c.BackfillWithin},
		{"future_max", c.FutureMax}, {"retention", c.Retention}, {"latency", c.Latency},
		{"slow_for", c.Faults.SlowFor}, {"long_wait", c.Faults.LongWait},
	} {
		if d.value < 0 {
			bad("%s %v: want no negative duration", d.name, d.value)
		}
	}
	errs = append(errs,
		known("order", c.Order, OrderNewest, OrderHonoured, OrderOldest, OrderNone),
		known("tie_order", c.TieOrder, TieRandom, TieSequence, TieChanging),
		known("before", c.Before, BeforeNewer, BeforeOlder),
		known("unknown_cursor", c.UnknownCursor, CursorBadRequest, CursorNotFound, CursorEmpty),
		known("logging", c.Logging, LoggingOn, LoggingOffEmpty, LoggingOffError),
		known("key_rights", c.KeyRights, RightsAuditLogs, RightsAll),
		c.Faults.validate())
	for _, r := range []Refusal{c.Refuse, c.RefuseOrganization, c.RefuseTenant} {
		if _, ok := refusals[r]; !ok && r != RefuseNone {
			bad("refusal %q is unknown", r)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("configure simulator: %w", err)
	}
	return nil
}

// known reports a value that is neither empty nor one of the options.
func known[T ~string](name string, value T, options ...T) error {
	if value == "" || slices.Contains(options, value) {
		return nil
	}
	return fmt.Errorf("%s %q: want one of %q", name, value, options)
}

// withDefaults returns c with every default filled in, as of the moment now.
func (c Config) withDefaults(now time.Time) Config {
	if c.AdminKey == "" {
		c.AdminKey = DefaultAdminKey
	}
	if c.To.IsZero() {
		c.To = now
	}
	if c.From.IsZero() {
		c.From = c.To.AddDate(0, 0, -30)
	}
	fill(&c.LateMax, 10*time.Minute)
	fill(&c.BackfillAge, 24*time.Hour)
	fill(&c.BackfillWithin, 10*time.Second)
	fill(&c.FutureMax, 24*time.Hour)
	fill(&c.Both, 0.01)
	fill(&c.Unknown, 0.002)
	fill(&c.Odd, 0.01)
	fill(&c.Order, OrderNewest)
	fill(&c.TieOrder, TieRandom)
	fill(&c.Before, BeforeNewer)
	fill(&c.UnknownCursor, CursorBadRequest)
	fill(&c.Logging, LoggingOn)
	fill(&c.Faults.SlowFor, 500*time.Millisecond)
	fill(&c.Faults.LongWait, time.Hour)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// fill sets *p to value if it is zero.
func fill[T comparable](p *T, value T) {
	if *p == *new(T) {
		*p = value
	}
}
