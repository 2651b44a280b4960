package testserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestInstallBuildsOnceAndNeverLeavesHalf(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("CI", "")
	builds := 0
	build := func(dir string) error {
		builds++
		return os.WriteFile(filepath.Join(dir, "server"), nil, 0o700)
	}
	failed := true
	t.Run("a build that fails", func(t *testing.T) {
		defer func() { failed = t.Skipped() }()
		Install(t, "thing-1", func(dir string) error { return errors.Join(build(dir), errors.New("no disk")) })
	})
	if !failed {
		t.Error("a failed build did not skip")
	}
	first := Install(t, "thing-1", build)
	if again := Install(t, "thing-1", build); again != first || builds != 2 {
		t.Errorf("Install: %s then %s in %d builds, want one folder and 2 builds", first, again, builds)
	}
	if _, err := os.Stat(filepath.Join(first, "server")); err != nil {
		t.Error(err)
	}
}

func TestRunTellsWhatTheCommandSaid(t *testing.T) {
	err := Run(exec.Command("go", "no-such-verb"))
	if err == nil || !strings.Contains(err.Error(), "no-such-verb") {
		t.Errorf("Run: %v, want what go printed", err)
	}
}

func TestProcessIsKilledAndStartedAgain(t *testing.T) {
	if os.Getenv("TESTSERVER_CHILD") != "" {
		l, err := net.Listen("tcp", os.Getenv("TESTSERVER_CHILD"))
		if err != nil {
			t.Fatal(err)
		}
		for {
			l.Accept()
		}
	}
	addr := fmt.Sprintf("127.0.0.1:%d", FreePort(t))
	dial := func(ctx context.Context) error {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			c.Close()
		}
		return err
	}
	p := Start(t, Command{
		Path: os.Args[0], Args: []string{"-test.run", "^" + t.Name() + "$"}, Env: []string{"TESTSERVER_CHILD=" + addr}, Ready: dial,
	})
	first := p.Pid()
	p.Kill()
	if err := dial(t.Context()); err == nil {
		t.Error("a killed server answers")
	}
	p.Start()
	if err := dial(t.Context()); err != nil || p.Pid() == first {
		t.Errorf("started again: pid %d then %d, %v", first, p.Pid(), err)
	}
}
