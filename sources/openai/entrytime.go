package openai

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The range of times that the pipeline takes: years 1 to 9999.
const (
	minSecond = -62135596800
	maxSecond = 253402300799
)

// time returns when the entry happened, in whole seconds. A fraction is floored,
// a numeric text is read as its number, and what lies outside the years 1 to 9999
// counts as their first or last second.
func (e *entry) time() (time.Time, error) {
	if e.effectiveAt == nil {
		return time.Time{}, errors.New("it has no effective_at")
	}
	text := e.effectiveAt
	if text[0] == '"' {
		text = []byte(strings.TrimSpace(unquote(text)))
	}
	sec, ok := wholeSeconds(text)
	if !ok {
		return time.Time{}, fmt.Errorf("its effective_at is %s and not a time", kindOf(e.effectiveAt))
	}
	return time.Unix(sec, 0).UTC(), nil
}

// wholeSeconds returns the floor of a number in JSON's notation, exactly.
func wholeSeconds(b []byte) (int64, bool) {
	s := scanner{b: b}
	if len(b) == 0 || s.number() != nil || s.i != len(b) {
		return 0, false
	}
	if len(b) <= 15 { // the usual case: an integer
		if n, err := strconv.ParseInt(string(b), 10, 64); err == nil {
			return clamp(n), true
		}
	}
	text, negative := strings.CutPrefix(string(b), "-")
	exponent := 0
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		n, err := strconv.Atoi(text[i+1:])
		switch {
		case err == nil:
			exponent = n
		case text[i+1] == '-':
			exponent = -1 << 30
		default:
			exponent = 1 << 30
		}
		text = text[:i]
	}
	whole, fraction, _ := strings.Cut(text, ".")
	digits := whole + fraction
	// The decimal point lies after so many digits.
	point := len(whole) + exponent
	leading := len(digits) - len(strings.TrimLeft(digits, "0"))
	if leading == len(digits) {
		return 0, true // zero, whatever the exponent
	}
	var n int64
	rest := digits
	switch {
	case point-leading > 12: // beyond the year 9999
		n, rest = maxSecond+1, ""
	case point > 0:
		cut := min(point, len(digits))
		n, _ = strconv.ParseInt(digits[:cut]+strings.Repeat("0", point-cut), 10, 64)
		rest = digits[cut:]
	}
	if negative {
		n = -n
		if strings.Trim(rest, "0") != "" {
			n--
		}
	}
	return clamp(n), true
}

func clamp(n int64) int64 { return min(max(n, minSecond), maxSecond) }
