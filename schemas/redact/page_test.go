package redact

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestPageListsTheFields compares the table at the end of the page about redaction.
func TestPageListsTheFields(t *testing.T) {
	mark := map[bool]string{true: "yes", false: ""}
	var want strings.Builder
	for _, f := range fields {
		note := ""
		switch {
		case f.kept != "":
			note = "stays: " + f.kept
		case len(under(f.path)) > 1:
			note = "all of `" + f.path + ".…`"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s | %s |\n", f.path, mark[f.kept == ""], mark[slices.Contains(HashPaths(), f.path)], note)
	}
	page, err := os.ReadFile("../../docs/redaction.md")
	if err != nil {
		t.Fatal(err)
	}
	const head = "| field | `drop` | `hash` | |\n| --- | --- | --- | --- |\n"
	if _, got, ok := strings.Cut(string(page), head); !ok || got != want.String() {
		t.Errorf("the table in docs/redaction.md is not\n%s%s", head, &want)
	}
}
