// Package crash kills the real program with SIGKILL and looks whether every event
// is in every destination once. It has tests only.
//
// # A kill
//
//	world    a simulated organization, a folder, a configuration with two lanes:
//	         SQLite and file
//	life 1   the program runs and is killed at the point that is tried
//	autopsy  what it left, read from copies: the batches that are in doubt, and what
//	         the destinations really hold of them
//	life 2   "run --once", undisturbed
//	verdict  the destinations, read without the program's help, against the
//	         simulator's log; and whether every batch in doubt was settled as the
//	         autopsy says it had to be
//
// The points are: each request of a run, before the server looks at it and after
// its answer has left; each write of the checkpoint and each call of a sink, before
// and after, in a child that kills itself; the requests of a long run with sweeps.
//
// # Running it
//
// "go test" tries every tenth point, with -short every fiftieth; -crash.every=1 tries
// all. With -v the matrix prints what was tried and how the batches in doubt were
// settled. A single point is tried again with -run 'TestMatrix/<kind>' -crash.point=<n>.
package crash
