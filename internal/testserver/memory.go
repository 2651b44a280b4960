package testserver

import (
	"os"
	"testing"
)

// MemoryFolder returns a folder in memory, or, where there is none with room, on the
// disk. It goes away with t.
//
// It is for what is killed and read again: the kernel keeps what a dead process wrote
// wherever that lies, and on a busy disk each sync takes many times longer than
// everything else.
func MemoryFolder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(memory(), "testserver-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
