package openaisim

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Fault is one way in which a single answer goes wrong.
type Fault string

// Faults of the network and of an overloaded server: [Faults.ErrorRate] spreads
// over these.
const (
	FaultThrottled       Fault = "throttled"        // 429, Retry-After: 1
	FaultThrottledBare   Fault = "throttled-bare"   // 429 without Retry-After
	FaultThrottledMillis Fault = "throttled-millis" // 429, Retry-After-Ms: 100
	FaultInternal        Fault = "internal"         // 500, error object
	FaultOverloaded      Fault = "overloaded"       // 503, error object
	FaultHTML503         Fault = "html-503"         // 503, a page of the CDN
	FaultHTML200         Fault = "html-200"         // 200, a page of the CDN
	FaultBareString      Fault = "bare-string"      // 500, {"error":"…"}
	FaultTruncated       Fault = "truncated"        // 200, well-formed HTTP, JSON cut in the middle
	FaultConcatenated    Fault = "concatenated"     // 200, the page as two JSON documents, one after the other
	FaultReset           Fault = "reset"            // connection reset before the headers
	FaultResetBody       Fault = "reset-body"       // connection reset in the middle of the body
	FaultSlow            Fault = "slow"             // 200, the body takes Faults.SlowFor
)

// Faults that happen only when they are named.
const (
	FaultThrottledLong Fault = "throttled-long"   // 429, Retry-After: Faults.LongWait
	FaultThrottledDate Fault = "throttled-date"   // 429, Retry-After: a date one second away
	FaultUnauthorized  Fault = "unauthorized"     // 401 invalid_api_key, for once
	FaultShouldRetry   Fault = "should-retry"     // 409, x-should-retry: true
	FaultNoRetry       Fault = "should-not-retry" // 500, x-should-retry: false
	FaultCursorNull    Fault = "cursor-null"      // last_id null, has_more true
	FaultCursorAbsent  Fault = "cursor-absent"    // no last_id, has_more true
	FaultCursorStuck   Fault = "cursor-stuck"     // last_id is the cursor that was sent, has_more true
	FaultCursorGone    Fault = "cursor-gone"      // the entry that the cursor names was just deleted
	FaultEmptyPage     Fault = "empty-page"       // no entries, has_more true
	FaultRepeatedPage  Fault = "repeated-page"    // the page that ends with the cursor, once more
	FaultRepeatedEntry Fault = "repeated-entry"   // the entry that the cursor names leads the page
	FaultNoHasMore     Fault = "has-more-absent"  // no has_more
	FaultOutOfBounds   Fault = "bounds-ignored"   // effective_at[…] is ignored
)

var realistic = []Fault{
	FaultThrottled, FaultThrottledBare, FaultThrottledMillis, FaultInternal, FaultOverloaded, FaultHTML503, FaultHTML200,
	FaultBareString, FaultTruncated, FaultConcatenated, FaultReset, FaultResetBody, FaultSlow,
}

var onlyNamed = []Fault{
	FaultThrottledLong, FaultThrottledDate, FaultUnauthorized, FaultShouldRetry, FaultNoRetry, FaultCursorNull, FaultCursorAbsent,
	FaultCursorStuck, FaultCursorGone, FaultEmptyPage, FaultRepeatedPage, FaultRepeatedEntry, FaultNoHasMore, FaultOutOfBounds,
}

// AllFaults returns every fault there is: first those that [Faults.ErrorRate]
// spreads over, then those that have to be named.
func AllFaults() []Fault { return slices.Concat(realistic, onlyNamed) }

// Faults says how often answers go wrong. At most one fault befalls a request;
// faults are for requests that would have been answered otherwise. The faults of
// cursors leave a request alone that they cannot apply to.
type Faults struct {
	ErrorRate float64           // share of requests that fail in some realistic way
	Rates     map[Fault]float64 // share of requests per fault, beside ErrorRate; not modified after New or Update
	Script    map[int]Fault     // what befalls the nth request, counted from 1 over all requests; goes before the rates
	SlowFor   time.Duration     // how long a slow body takes; 0: 500ms
	LongWait  time.Duration     // what FaultThrottledLong asks for; 0: 1h
}

func (f *Faults) validate() error {
	var errs []error
	sum := max(f.ErrorRate, 0)
	for fault, rate := range f.Rates {
		if !(rate >= 0) {
			errs = append(errs, fmt.Errorf("fault %s %v: want a share", fault, rate))
		}
		errs = append(errs, known("fault", fault, AllFaults()...))
		sum += rate
	}
	for _, fault := range f.Script {
		errs = append(errs, known("fault", fault, AllFaults()...))
	}
	if !(sum <= 1) {
		errs = append(errs, fmt.Errorf("faults: the shares add up to %v, want at most 1", sum))
	}
	return errors.Join(errs...)
}

// pick decides what befalls a request: the nth overall and the kth of a stream,
// whose site is at. The empty Fault is none.
func (f *Faults) pick(n int, at uint64, k int) Fault {
	if fault, ok := f.Script[n]; ok {
		return fault
	}
	if len(f.Rates) == 0 && f.ErrorRate <= 0 {
		return ""
	}
	u := unit(nth(at, uint64(k)))
	if len(f.Rates) > 0 {
		for _, fault := range AllFaults() {
			rate := f.Rates[fault]
			if u < rate {
				return fault
			}
			u -= rate
		}
	}
	if u < f.ErrorRate {
		return realistic[min(int(u/f.ErrorRate*float64(len(realistic))), len(realistic)-1)]
	}
	return ""
}
