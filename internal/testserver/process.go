package testserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Command is a server to start.
type Command struct {
	Path string
	Args []string
	Env  []string // added to this process's
	Dir  string   // working directory; empty: a folder of the test
	Log  string   // file for its output; empty: one beside Dir

	// Ready returns nil once the server takes requests. It is asked until then.
	Ready func(ctx context.Context) error
	// Timeout is how long it may take; 0: a minute.
	Timeout time.Duration
}

// Process is a server that was started. It may be killed and started again.
type Process struct {
	t    testing.TB
	c    Command
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended
}

// Start starts a server and waits until it is ready. The server is killed when t
// is over. What cannot be started ends t with an error: it was installed, so it has
// to run.
func Start(t testing.TB, c Command) *Process {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	if c.Log == "" {
		c.Log = filepath.Join(t.TempDir(), filepath.Base(c.Path)+".log")
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	p := &Process{t: t, c: c}
	t.Cleanup(p.Kill)
	p.Start()
	return p
}

// Start starts the server again, after [Process.Kill] or [Process.Stop].
func (p *Process) Start() {
	p.t.Helper()
	if err := p.start(); err != nil {
		p.t.Fatalf("start %s: %v\n%s", filepath.Base(p.c.Path), err, p.Tail())
	}
}

func (p *Process) start() error {
	log, err := os.OpenFile(p.c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd = exec.Command(p.c.Path, p.c.Args...)
	p.cmd.Dir, p.cmd.Env = p.c.Dir, append(os.Environ(), p.c.Env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	dieWithParent(p.cmd)
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) { _ = cmd.Wait(); close(done) }(p.cmd, p.done)
	return p.await()
}

// await asks the server until it is ready.
func (p *Process) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), p.c.Timeout)
	defer cancel()
	for {
		err := p.c.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended at once: %s", p.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("not ready after %s: %w", p.c.Timeout, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Pid returns the process ID.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Kill ends the server as a power cut does, and waits until it is gone.
func (p *Process) Kill() { p.end(syscall.SIGKILL) }

// Stop asks the server to end, and waits until it is gone; after half a minute it
// is killed.
func (p *Process) Stop() { p.end(syscall.SIGTERM) }

func (p *Process) end(sig syscall.Signal) {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	p.Signal(sig)
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		p.Signal(syscall.SIGKILL)
		<-p.done
	}
}

// Signal sends sig to the server: SIGSTOP makes it hang.
func (p *Process) Signal(sig syscall.Signal) {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("signal %s: %v", filepath.Base(p.c.Path), err)
	}
}

// Tail returns the end of what the server printed.
func (p *Process) Tail() string {
	out, _ := os.ReadFile(p.c.Log)
	return string(out[max(0, len(out)-4000):])
}

// nextPort spreads the ports of processes that test at the same time.
var nextPort atomic.Int64

func init() { nextPort.Store(int64(os.Getpid() % 1000 * 10)) }

// FreePort returns a port that nobody listens on, outside the range from which
// outgoing connections take theirs.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 2000 {
		port := 20000 + int(nextPort.Add(1)%10000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}
