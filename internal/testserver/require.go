package testserver

import (
	"os"
	"testing"
)

// enable is the variable that "make test" sets.
const enable = "CONNECTOR_TEST_SERVERS"

// Enabled reports whether tests against real servers are wanted.
func Enabled() bool { return os.Getenv(enable) != "" }

// Require skips t unless tests against real servers are wanted.
func Require(t testing.TB) {
	t.Helper()
	if !Enabled() {
		t.Skipf("needs a real server: make test, or %s=1", enable)
	}
}

// Unavailable ends t because this machine lacks something: it skips, and with
// CI=true it fails.
func Unavailable(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("not available, and CI must run every test: "+format, args...)
	}
	t.Skipf("not available here: "+format, args...)
}
