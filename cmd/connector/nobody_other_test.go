//go:build !linux

package main

import (
	"os"
	"testing"
)

// asNobody fails if the tests run as root: only Linux can give its rights up for a
// while.
func asNobody(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		t.Fatal("run the tests as another user: permissions do not keep root out")
	}
}
