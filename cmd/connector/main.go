// Command connector exports an organization's audit log to any number of
// destinations, each event once.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	limitMemory()
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go obey(signals, cancel)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.LookupEnv)
	os.Exit(code)
}

// stopped is why the context of a program that was told to stop is done.
type stopped struct{ signal syscall.Signal }

func (s stopped) Error() string { return fmt.Sprintf("stopped by %s", s.signal) }

// exitCode is what a shell reports for a program that the signal ended.
func (s stopped) exitCode() int { return 128 + int(s.signal) }

// obey cancels on the first signal and ends the process at once on the second:
// nothing depends on the courtesy of a drain.
func obey(signals <-chan os.Signal, cancel context.CancelCauseFunc) {
	first := <-signals
	cancel(stopped{first.(syscall.Signal)})
	second := <-signals
	os.Exit(stopped{second.(syscall.Signal)}.exitCode())
}
