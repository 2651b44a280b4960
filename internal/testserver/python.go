package testserver

import (
	"crypto/sha256"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Python returns a Python interpreter that has packages ("name==version"), in an
// environment of its own.
func Python(t testing.TB, packages ...string) string {
	t.Helper()
	system, err := exec.LookPath("python3")
	if err != nil {
		Unavailable(t, "no Python: %v", err)
	}
	sum := sha256.Sum256([]byte(strings.Join(packages, " ")))
	name := fmt.Sprintf("python-%x", sum[:6])
	build := func(dir string) error {
		env := filepath.Join(dir, "env")
		// The scripts in it name the folder they were made in, which is renamed; the
		// interpreter does not care.
		if err := Run(exec.Command(system, "-m", "venv", env)); err != nil {
			return err
		}
		return Run(exec.Command(filepath.Join(env, "bin", "python"), append([]string{"-m", "pip", "install", "--quiet", "--disable-pip-version-check"}, packages...)...))
	}
	return filepath.Join(Install(t, name, build), "env", "bin", "python")
}
