//go:build !linux && !darwin

package main

// diskSpace does not know on this platform.
func diskSpace(string) (free, size float64, ok bool) { return 0, 0, false }
