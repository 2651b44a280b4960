// Package mutants lists deliberate bugs, each of which the tests must find. A test
// is worth what its mutants say: one that survives shows a hole in the proof.
//
// The list is [All]. TestMutants, run by "make mutants", compiles each mutant by
// an overlay, so that nothing is copied and the product has no hooks, and runs the
// tests of its tier until one fails. It needs the build tag mutants; without it the
// tests only check that the list fits the code. MUTANT_SEEDS in the environment says
// how many histories of the model world to try for each (default 20,000).
//
// One mutant alone: go test -tags mutants ./internal/mutants -run 'TestMutants/cap_per_span' -v
package mutants
