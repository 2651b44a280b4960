package strictyaml

import "strings"

// Suggest returns the one of known that text was probably meant to be, or "".
func Suggest(text string, known []string) string {
	best, bestDistance := "", 0
	for _, k := range known {
		d := distance(normal(text), normal(k))
		if best == "" || d < bestDistance {
			best, bestDistance = k, d
		}
	}
	// A third of the word may be wrong: two letters of six, one of three.
	if best == "" || bestDistance*3 > max(len(best), 3) {
		return ""
	}
	return best
}

// DidYouMean returns a hint for text, which is none of known: the one it was
// probably meant to be, or all of them.
func DidYouMean(text string, known []string) string {
	if s := Suggest(text, known); s != "" {
		return "did you mean " + s + "?"
	}
	if len(known) == 0 {
		return ""
	}
	return "known: " + strings.Join(known, ", ")
}

// normal makes spellings alike that differ by case or separator only.
func normal(s string) string {
	return strings.ToLower(strings.NewReplacer("-", "_", " ", "_").Replace(s))
}

// distance is the number of letters to insert, delete, replace or swap with
// their neighbour to make a into b. Words longer than any key are not compared.
func distance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return longest
	}
	var before, prev, row [longest + 1]int
	for j := range len(b) + 1 {
		prev[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(prev[j+1]+1, row[j]+1, prev[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, prev = prev, row
	}
	return prev[len(b)]
}
