//go:build !unix

package testserver

import "errors"

// lock is not there: the servers run on Unix only.
func lock(string) (unlock func(), err error) { return nil, errors.New("only on Unix") }
