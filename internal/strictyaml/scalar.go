package strictyaml

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ScalarUnmarshaler is implemented by types that read themselves from a scalar,
// given with its variables expanded. The error says what is wrong with the value,
// in words, without the value.
type ScalarUnmarshaler interface {
	UnmarshalScalar(text string) error
}

// DeferredUnmarshaler is implemented by types that expand the variables later, by
// x, which stays valid: secrets, which may change while the program runs. Text is
// as written; the error never quotes it.
type DeferredUnmarshaler interface {
	UnmarshalDeferred(text string, x *Expander) error
}

// Warner is implemented by types with values that deserve a warning. An empty
// text means there is nothing to say.
type Warner interface {
	Warning() (message, hint string)
}

// Size is a number of bytes: 8MiB (2^20), 1MB (10^6) or a plain number.
type Size int64

var sizeUnits = []struct {
	name   string
	factor int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// UnmarshalScalar reads a size; unit names are not case-sensitive.
func (s *Size) UnmarshalScalar(text string) error {
	number, factor := text, int64(1)
	for _, u := range sizeUnits {
		if n := len(text) - len(u.name); n >= 0 && strings.EqualFold(text[n:], u.name) {
			number, factor = strings.TrimSpace(text[:n]), u.factor
			break
		}
	}
	bad := FieldError{Err: errors.New("not a size"), Hint: "write 8MiB, 1MB or a number of bytes"}
	if number == "" || strings.Trim(number, "0123456789.") != "" {
		return bad
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return bad
	}
	f *= float64(factor)
	if f >= math.MaxInt64 || f != math.Trunc(f) {
		return bad
	}
	*s = Size(f)
	return nil
}

// String returns s in the largest unit that divides it.
func (s Size) String() string {
	best := ""
	for _, u := range sizeUnits {
		if s != 0 && int64(s)%u.factor == 0 {
			if text := strconv.FormatInt(int64(s)/u.factor, 10) + u.name; best == "" || len(text) < len(best) {
				best = text
			}
		}
	}
	if best == "" {
		return "0B"
	}
	return best
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "on", "true":
		return true, nil
	case "off", "false":
		return false, nil
	}
	return false, FieldError{Err: errors.New("neither on nor off"), Hint: "write on or off, true or false"}
}

func parseInt(text string, bits int) (int64, error) {
	n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, bits)
	return n, numberError(err)
}

func parseUint(text string, bits int) (uint64, error) {
	n, err := strconv.ParseUint(strings.ReplaceAll(text, "_", ""), 10, bits)
	if err != nil && strings.HasPrefix(text, "-") {
		return 0, errors.New("negative")
	}
	return n, numberError(err)
}

func numberError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, strconv.ErrRange):
		return errors.New("out of range")
	}
	return errors.New("not a whole number")
}

func parseFloat(text string, bits int) (float64, error) {
	f, err := strconv.ParseFloat(text, bits)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, errors.New("not a number")
	}
	return f, nil
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil {
		return d, nil
	}
	e := FieldError{Err: errors.New("not a duration"), Hint: "write 30s, 10m or 24h"}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		e.Err, e.Hint = errors.New("a duration needs a unit"), fmt.Sprintf("write %ss", text)
	}
	return 0, e
}
