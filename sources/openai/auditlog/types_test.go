package auditlog_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"auditlog-connector/schemas"
)

// constants returns the values of the constants in types.go, in order.
func constants(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("types.go")
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "types.go", text, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for n := range ast.Preorder(file) {
		if spec, ok := n.(*ast.ValueSpec); ok {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, value)
			// TypeAPIKeyCreated is "api_key.created", whatever the case.
			name := strings.ToLower(strings.TrimPrefix(spec.Names[0].Name, "Type"))
			if name != strings.NewReplacer(".", "", "_", "").Replace(value) {
				t.Errorf("%s is %q", spec.Names[0].Name, value)
			}
		}
	}
	return all
}

func TestTheConstantsAreTheCatalogue(t *testing.T) {
	got := constants(t)
	var want []string
	for _, listed := range schemas.Catalogue().Types() {
		want = append(want, listed.Type)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || len(got) != 149 {
		t.Errorf("%d constants, and %d types in the catalogue:\n%q\n%q", len(got), len(want), got, want)
	}
}
