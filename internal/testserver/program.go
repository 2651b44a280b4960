package testserver

import (
	"os"
	"os/exec"
	"testing"
)

// Program returns the path of a program. If this machine does not have it, the
// Debian package that has it is installed, which needs root; where that cannot be,
// t ends as [Unavailable] does.
func Program(t testing.TB, name, debianPackage string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 {
		Unavailable(t, "%s is not installed (Debian package %s)", name, debianPackage)
	}
	// One at a time: apt does not wait for another apt.
	Install(t, "debian-"+debianPackage, func(string) error {
		env := "DEBIAN_FRONTEND=noninteractive"
		if err := Run(exec.Command(apt, "-q", "update"), env); err != nil {
			return err
		}
		return Run(exec.Command(apt, "-q", "-y", "-o", "DPkg::Lock::Timeout=300", "--no-install-recommends", "install", debianPackage), env)
	})
	path, err := exec.LookPath(name)
	if err != nil {
		Unavailable(t, "%s is not in package %s: %v", name, debianPackage, err)
	}
	return path
}
