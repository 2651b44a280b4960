package main

import (
	"strings"
	"testing"

	"auditlog-connector/internal/openaisim"
)

func TestValidateWarnsOfASourceThatIsTooLarge(t *testing.T) {
	_, env := simulator(t, openaisim.Config{Seed: 1, Events: 3000})
	inFolder(t, map[string]string{"connector.yaml": with(t, "  overlap: 2000h")})
	if code, _, stderr := real(t, env, "validate"); code != exitOK || stderr != "" {
		t.Fatalf("nothing is known yet: exit %d, %s", code, stderr)
	}
	if code, _, stderr := real(t, env, "run", "--once", "--log-level", "error"); code != exitOK {
		t.Fatalf("run: exit %d, %s", code, stderr)
	}
	// 3000 events are 30 pages.
	for rate, warned := range map[string]bool{"0.03": true, "0.04": false, "1000": false} {
		write(t, "connector.yaml", with(t, "  overlap: 2000h\n      requests_per_second: "+rate))
		code, stdout, stderr := real(t, env, "validate")
		const want = "warning: sources[0].config: overlap (2000h) holds 3,000 events: a sweep takes 16m40s or longer, more than a quarter of sweep_interval (1h)"
		if code != exitOK || strings.Contains(stderr, want) != warned || (stderr != "") != warned || !strings.Contains(stdout, "acme/db") {
			t.Errorf("%s requests a second: exit %d, %s", rate, code, stderr)
		}
	}
}
