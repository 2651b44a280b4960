package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// runMain makes the test binary be the program: the process that a test starts.
const runMain = "CONNECTOR_TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program starts the program as another process, which is killed when the test
// ends, and returns it with its standard input and output.
func program(t *testing.T, args ...string) (cmd *exec.Cmd, stdin io.Writer, stdout *bufio.Reader) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), runMain+"=1")
	cmd.Dir = t.TempDir()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, in, bufio.NewReader(out)
}

// exit waits for the program's end and returns its exit code.
func exit(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	err := cmd.Wait()
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

func TestFirstSignalStopsInGoodOrder(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd, _, stdout := program(t, "simulate", "--listen", "127.0.0.1:0", "--events", "1")
		if _, err := stdout.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, stdout)
		if got := exit(t, cmd); got != exitOK {
			t.Errorf("%s: exit %d, want 0", signal, got)
		}
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	for signal, want := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130} {
		// It waits for its standard input, which no first signal ends.
		cmd, stdin, _ := program(t, "query", "-")
		// More than a pipe holds: once it is written, the program is reading.
		if _, err := stdin.Write(bytes.Repeat([]byte(" "), 300<<10)); err != nil {
			t.Fatal(err)
		}
		ended := make(chan int)
		go func() { ended <- exit(t, cmd) }()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for running, sent := true, 0; running; {
			select {
			case got := <-ended:
				running = false
				if got != want || sent < 2 {
					t.Errorf("%s: exit %d after %d signals, want %d after 2 or more", signal, got, sent, want)
				}
			case <-tick.C:
				// Two at once may count as one.
				_ = cmd.Process.Signal(signal) // it may just have ended
				sent++
			}
		}
	}
}
