package openaisim

import (
	"bytes"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is what goes out, and how.
type answer struct {
	status  int
	html    bool
	body    []byte
	header  [][2]string // beside those of every answer
	fault   Fault       // how the answer is spoilt on its way: resets, slow bodies
	pooled  *bytes.Buffer
	entries int
}

func (e apiError) answer(header ...[2]string) answer {
	return answer{status: e.status, body: e.body(), header: header}
}

// answer decides about the nth request.
func (s *Server) answer(cfg *Config, n int, r *http.Request) answer {
	if r.URL.Path != Path {
		if admin, ok := adminLists[r.URL.Path]; ok && cfg.KeyRights != RightsUnknown {
			return cfg.adminList(r, admin)
		}
		return apiError{status: http.StatusNotFound, message: "Invalid URL (" + r.Method + " " + r.URL.Path + ")"}.answer()
	}
	if r.Method != http.MethodGet {
		return apiError{status: http.StatusMethodNotAllowed, message: "Not allowed to " + r.Method + " on " + Path + " (HINT: use GET)", code: "method_not_supported"}.
			answer([2]string{"Allow", http.MethodGet})
	}
	if refused := cfg.authorize(r); refused != nil {
		return refused.answer()
	}
	now := cfg.Now()
	if !s.limiter.allow(now, cfg.RateLimit) {
		return throttled.answer([2]string{"Retry-After", "1"})
	}
	q, bad := parseQuery(cfg, r.URL.RawQuery)
	if bad != nil {
		return bad.answer()
	}
	k := int(s.stats.streams[q.stream].Add(1))
	refusal := cfg.RefuseOrganization
	if q.stream == streamTenant {
		refusal = cfg.RefuseTenant
	}
	if refusal != RefuseNone {
		return refusals[refusal].answer()
	}
	if cfg.Logging == LoggingOffError {
		return apiError{status: http.StatusForbidden, message: "Audit logging is not enabled for this organization."}.answer()
	}
	fault := cfg.Faults.pick(n, s.sites[q.stream], k)
	if a, failed := cfg.fail(fault, now); failed {
		s.stats.fault(fault)
		return a
	}
	return s.page(cfg, n, q, fault, now)
}

// authorize says why a request is not let in, or nil.
func (c *Config) authorize(r *http.Request) *apiError {
	key, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer || strings.TrimSpace(key) == "" {
		return &apiError{status: http.StatusUnauthorized, message: "You didn't provide an API key. Send it as a bearer token in the Authorization header."}
	}
	var refused apiError
	switch {
	case c.Refuse != RefuseNone:
		refused = refusals[c.Refuse]
	case key == c.AdminKey:
		return nil
	case strings.HasPrefix(key, "sk-") && !strings.HasPrefix(key, "sk-admin-"):
		// A project's or a user's key is known to the API, but lacks the scope.
		refused = refusals[RefuseScope]
	default:
		refused = refusals[RefuseKey]
	}
	if c.EchoKey && refused.status == http.StatusUnauthorized {
		refused.message += " You sent: " + key
	}
	return &refused
}

var throttled = apiError{status: http.StatusTooManyRequests, message: "Rate limit reached. Try again later.", kind: "requests", code: "rate_limit_exceeded"}

const cdnPage = "<!DOCTYPE html>\n<html><head><title>Service unavailable</title></head>\n<body><h1>Please stand by</h1><p>cdn</p></body></html>\n"

// fail answers a fault that leaves no page at all; false: it is not of that kind.
func (c *Config) fail(fault Fault, now time.Time) (answer, bool) {
	retryAfter := func(v string) [2]string { return [2]string{"Retry-After", v} }
	internal := apiError{status: http.StatusInternalServerError, message: "The server had an error while processing your request.", kind: "server_error"}
	switch fault {
	case FaultThrottled:
		return throttled.answer(retryAfter("1")), true
	case FaultThrottledBare:
		return throttled.answer(), true
	case FaultThrottledMillis:
		return throttled.answer([2]string{"Retry-After-Ms", "100"}), true
	case FaultThrottledLong:
		seconds := int64(math.Ceil(c.Faults.LongWait.Seconds()))
		return throttled.answer(retryAfter(strconv.FormatInt(seconds, 10))), true
	case FaultThrottledDate:
		at := now.Add(c.DateSkew + 2*time.Second) // dates are cut to seconds
		return throttled.answer(retryAfter(at.UTC().Format(http.TimeFormat))), true
	case FaultInternal:
		return internal.answer(), true
	case FaultNoRetry:
		return internal.answer([2]string{"X-Should-Retry", "false"}), true
	case FaultShouldRetry:
		return apiError{status: http.StatusConflict, message: "Another request is under way.", kind: "conflict"}.answer([2]string{"X-Should-Retry", "true"}), true
	case FaultOverloaded:
		return apiError{status: http.StatusServiceUnavailable, message: "The server is overloaded.", kind: "service_unavailable_error", code: "server_is_overloaded"}.answer(), true
	case FaultBareString:
		return apiError{status: http.StatusInternalServerError, message: "Internal error", bare: true}.answer(), true
	case FaultUnauthorized:
		return refusals[RefuseKey].answer(), true
	case FaultHTML503:
		return answer{status: http.StatusServiceUnavailable, html: true, body: []byte(cdnPage)}, true
	case FaultHTML200:
		return answer{status: http.StatusOK, html: true, body: []byte(cdnPage)}, true
	case FaultReset:
		return answer{status: http.StatusOK, fault: fault}, true
	}
	return answer{}, false
}
