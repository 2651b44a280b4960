package testserver

import (
	"os/exec"
	"path/filepath"
	"testing"
)

const playwrightVersion = "1.65.1"

// Browser returns a function that runs a JavaScript module with Node.js, for any
// goroutine. The module finds Playwright in the folder that PLAYWRIGHT_CORE names and
// Chromium's program in CHROMIUM, and gets args. The error holds the end of what it
// printed.
func Browser(t testing.TB) func(module string, args ...string) error {
	t.Helper()
	node, chromium := Program(t, "node", "nodejs"), Program(t, "chromium", "chromium")
	dir := Install(t, "playwright-core-"+playwrightVersion, func(dir string) error {
		npm := Program(t, "npm", "npm")
		return Run(exec.Command(npm, "install", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "playwright-core@"+playwrightVersion))
	})
	return func(module string, args ...string) error {
		return Run(exec.Command(node, append([]string{module}, args...)...),
			"PLAYWRIGHT_CORE="+filepath.Join(dir, "node_modules", "playwright-core"), "CHROMIUM="+chromium)
	}
}
