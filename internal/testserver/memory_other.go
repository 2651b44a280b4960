//go:build !linux

package testserver

// memory returns "": no place for files is in memory everywhere.
func memory() string { return "" }
