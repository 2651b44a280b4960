//go:build unix

package main

import (
	"os"
	"syscall"
)

// dumpSignal asks for the state of everything.
var dumpSignal os.Signal = syscall.SIGUSR1
