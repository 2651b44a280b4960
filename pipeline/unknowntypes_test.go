package pipeline

import (
	"fmt"
	"strings"
	"testing"
)

func TestUnknownTypesHaveFewLabels(t *testing.T) {
	var u unknownTypes
	for _, name := range []string{"", strings.Repeat("a", 65), "with space", "quote\"", "new\nline", "\xff", "é"} {
		if got := u.label(name); got != otherTypes {
			t.Errorf("%q has the label %q", name, got)
		}
	}
	labels := make(map[string]bool)
	for range 2 {
		for i := range 100 {
			labels[u.label(fmt.Sprintf("thing_%d.created", i))] = true
		}
	}
	if len(labels) != mostUnknownTypes+1 || !labels["thing_0.created"] || !labels[otherTypes] {
		t.Errorf("%d labels: %v", len(labels), labels)
	}
	if got := u.label("thing_0.created"); got != "thing_0.created" {
		t.Errorf("a type that has its label gets %q", got)
	}
}
