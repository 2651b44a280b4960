package mutants

import (
	"fmt"
	"strings"
)

// Tier is the tier of tests (see docs/architecture.md) that must kill a mutant.
type Tier int

const (
	TierUnit   Tier = 1 // scenarios of the ledger, and tests of one part
	TierWorld  Tier = 2 // the model world
	TierEngine Tier = 3 // the engine in bubbles
)

// Edit replaces text that occurs once.
type Edit struct{ Old, New string }

// Mutant is one deliberate bug.
type Mutant struct {
	Name string
	Why  string // what goes wrong, in a sentence
	File string // relative to the module's root
	Edit
	Also []Edit // more edits of the same file, if one does not make the bug
	Tier Tier
	Run  string // the package and the tests that kill it, as "./pipeline TestX"; empty: those of its tier
}

// Command is the package whose tests kill m, and the arguments for its test binary.
// Seeds are the histories tried, where the tests are histories.
func (m Mutant) Command(seeds int) (pkg string, args []string) {
	switch {
	case m.Run != "":
		pkg, tests, _ := strings.Cut(m.Run, " ")
		return pkg, []string{"-test.run=" + tests}
	case m.Tier == TierWorld:
		return "./pipeline", []string{"-test.run=^TestModelWorld$", fmt.Sprintf("-sim.seeds=%d", seeds)}
	default:
		return "./pipeline", []string{"-test.run=^TestEngine$", fmt.Sprintf("-engine.seeds=%d", seeds)}
	}
}

// Apply returns source with the bug. It returns an error if an edit does not fit
// the source any more: the list is stale.
func (m Mutant) Apply(source string) (string, error) {
	for _, e := range append([]Edit{m.Edit}, m.Also...) {
		if n := strings.Count(source, e.Old); n != 1 {
			return "", fmt.Errorf("mutant %q is stale: %s has %d times, want once:\n%s", m.Name, m.File, n, e.Old)
		}
		if e.Old == e.New {
			return "", fmt.Errorf("mutant %q changes nothing", m.Name)
		}
		source = strings.Replace(source, e.Old, e.New, 1)
	}
	return source, nil
}
