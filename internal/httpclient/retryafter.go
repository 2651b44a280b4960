package httpclient

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxRetryAfter is the longest wait that a server is believed.
const MaxRetryAfter = 24 * time.Hour

// RetryAfter returns how long the server asks to wait: Retry-After-Ms, else
// Retry-After in seconds or as a date, which is compared with the answer's own
// Date if it has one, else with now. It is at least 0 and at most
// [MaxRetryAfter]; 0 if the server does not say or cannot be understood.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	if ms, ok := number(h.Get("Retry-After-Ms")); ok {
		return wait(ms / 1000)
	}
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, ok := number(value); ok {
		return wait(seconds)
	}
	if at, err := http.ParseTime(value); err == nil {
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			now = date
		}
		return wait(at.Sub(now).Seconds())
	}
	return 0
}

func number(s string) (float64, bool) {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return f, err == nil && !math.IsNaN(f)
}

func wait(seconds float64) time.Duration {
	return time.Duration(math.Ceil(min(max(seconds, 0), MaxRetryAfter.Seconds()) * float64(time.Second)))
}
