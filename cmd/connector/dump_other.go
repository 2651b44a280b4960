//go:build !unix

package main

import "os"

// dumpSignal: there is none.
var dumpSignal os.Signal
