package testserver

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Versions of the tools that look at the Helm chart.
const (
	helmVersion         = "v3.22.0"
	kubeconformVersion  = "v0.8.0"
	kubeScoreVersion    = "v1.20.0"
	helmUnittestVersion = "v1.1.2"
)

// Helm returns the path of Helm 3.
func Helm(t testing.TB) string {
	t.Helper()
	return goTool(t, "helm", "helm.sh/helm/v3/cmd/helm", helmVersion)
}

// Kubeconform returns the path of kubeconform, which compares manifests with the
// schemas of [KubernetesSchemas].
func Kubeconform(t testing.TB) string {
	t.Helper()
	return goTool(t, "kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", kubeconformVersion)
}

// KubeScore returns the path of kube-score.
func KubeScore(t testing.TB) string {
	t.Helper()
	return goTool(t, "kube-score", "github.com/zegl/kube-score/cmd/kube-score", kubeScoreVersion)
}

// HelmUnittest returns the path of helm-unittest, as a program of its own.
func HelmUnittest(t testing.TB) string {
	t.Helper()
	dir := Install(t, "helm-unittest-"+helmUnittestVersion, func(dir string) error {
		// Its go.mod replaces a module, which "go install" refuses: the replacement
		// has to stand in a main module.
		mod := fmt.Sprintf("module unittest\n\ngo 1.26.0\n\nrequire github.com/helm-unittest/helm-unittest %s\n\nreplace github.com/vmware-labs/yaml-jsonpath => github.com/helm-unittest/yaml-jsonpath v0.4.0\n",
			helmUnittestVersion)
		if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o600); err != nil {
			return err
		}
		cmd := exec.Command("go", "build", "-mod=mod", "-trimpath", "-ldflags=-s -w", "-o", "helm-unittest", "github.com/helm-unittest/helm-unittest/cmd/helm-unittest")
		cmd.Dir = dir
		return Run(cmd, "GOFLAGS=", "GOTOOLCHAIN=local")
	})
	return filepath.Join(dir, "helm-unittest")
}

// goTool installs the program of a Go module and returns its path.
func goTool(t testing.TB, name, program, version string) string {
	t.Helper()
	dir := Install(t, name+"-"+version, func(dir string) error { return GoInstall(dir, program+"@"+version) })
	return filepath.Join(dir, name)
}
