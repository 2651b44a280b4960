package main

import (
	"context"
	"errors"

	"auditlog-connector/pipeline"
)

// Exit codes of the contract. A second signal gives 130 or 143.
const (
	exitOK       = 0
	exitFailure  = 1 // at run time
	exitUsage    = 2 // the command line or the configuration
	exitOperator = 3 // --once, and a lane needs an operator
)

// exitError gives err an exit code. A nil err was reported already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return "reported"
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usage marks err as a mistake on the command line or in the configuration.
func usage(err error) error { return &exitError{exitUsage, err} }

// exitCode returns the code for what a verb returned. Begun says whether the verb
// had begun: before that, only the command line can be wrong.
func exitCode(ctx context.Context, err error, begun bool) int {
	var e *exitError
	var s stopped
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		return e.code
	case errors.Is(err, context.Canceled) && errors.As(context.Cause(ctx), &s):
		return s.exitCode()
	case !begun:
		return exitUsage
	}
	return exitFailure
}

// onceCode returns the code for what stopped a "run --once".
func onceCode(err error) int {
	for _, operator := range []error{
		pipeline.ErrInDoubt, pipeline.ErrHistoryLost, pipeline.ErrCorrupt, pipeline.ErrForeignEpoch,
	} {
		if errors.Is(err, operator) {
			return exitOperator
		}
	}
	return exitFailure
}
