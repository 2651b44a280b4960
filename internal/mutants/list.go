package mutants

import "slices"

// All is every mutant.
var All = slices.Concat(taking, reading, delivering)
