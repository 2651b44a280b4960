package pipeline

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestHintsNameTheWholeCommand(t *testing.T) {
	const reset = "connector checkpoint reset --lane acme/db --start earliest --takeover"
	for _, c := range []struct {
		err  error
		want []string
	}{
		{ErrForeignEpoch, []string{reset}},
		{ErrFenced, []string{"another connector", "was renamed", reset}},
		{ErrHistoryLost, []string{"connector checkpoint resolve --lane acme/db --as committed"}},
		{ErrInDoubt, []string{"connector checkpoint resolve --lane acme/db --as committed"}},
		{ErrCorrupt, []string{"backup", reset}},
		{&RejectedError{Records: map[int]error{0: errors.New("x")}}, []string{"on_reject: quarantine"}},
	} {
		hint := hintFor("acme/db", fmt.Errorf("deliver: %w", c.err))
		for _, want := range c.want {
			if !strings.Contains(hint, want) {
				t.Errorf("%v: %q, want %q", c.err, hint, want)
			}
		}
	}
	if hint := hintFor("acme/db", errors.New("disk full")); hint != "" {
		t.Errorf("a transient error has the hint %q", hint)
	}
}
