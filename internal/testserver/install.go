package testserver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Install returns the folder where name is installed, and calls build to fill it
// if this machine does not have it yet. Name says the version: another version is
// another folder. It blocks while another process installs the same. A build that
// fails leaves nothing, and ends t as [Unavailable] does.
func Install(t testing.TB, name string, build func(dir string) error) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		Unavailable(t, "no cache directory: %v", err)
	}
	root := filepath.Join(cache, "auditlog-connector", "testserver")
	if err := os.MkdirAll(root, 0o700); err != nil {
		Unavailable(t, "%v", err)
	}
	dir := filepath.Join(root, name)
	unlock, err := lock(dir + ".lock")
	if err != nil {
		Unavailable(t, "lock %s: %v", name, err)
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir
	} else if !errors.Is(err, fs.ErrNotExist) {
		Unavailable(t, "%v", err)
	}
	// A folder under its final name is complete: the rename comes last.
	partial := dir + ".partial"
	if err := errors.Join(os.RemoveAll(partial), os.MkdirAll(partial, 0o700)); err != nil {
		Unavailable(t, "%v", err)
	}
	if err := build(partial); err != nil {
		Unavailable(t, "install %s: %v", name, err)
	}
	if err := os.Rename(partial, dir); err != nil {
		Unavailable(t, "%v", err)
	}
	return dir
}

// GoInstall builds the program of a Go module, "path@version", into dir.
func GoInstall(dir, program string) error {
	return Run(exec.Command("go", "install", "-trimpath", "-ldflags=-s -w", program), "GOBIN="+dir, "GOFLAGS=-mod=mod", "GOTOOLCHAIN=local")
}

// Run runs cmd to its end, with env added to the environment. Its error holds the
// end of what cmd printed.
func Run(cmd *exec.Cmd, env ...string) error {
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, strings.Join(lines[max(0, len(lines)-5):], "; "))
	}
	return nil
}
