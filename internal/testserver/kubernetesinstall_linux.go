package testserver

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// KubernetesVersion is the release of the cluster that [StartKubernetes] starts.
const KubernetesVersion = "1.36.3"

const containerdVersion = "v2.4.2"

// kubernetesPrograms are built from the module k8s.io/kubernetes.
var kubernetesPrograms = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kubelet"}

// kubernetesTools are where the cluster's programs are.
type kubernetesTools struct {
	bin        string // folder of kubernetesPrograms
	containerd string // folder of containerd, its shim and ctr
	etcd, ip   string
}

// installKubernetes returns the programs of a cluster, which it builds from their Go
// modules once per machine: about ten minutes of two cores.
func installKubernetes(t testing.TB) kubernetesTools {
	t.Helper()
	tools := kubernetesTools{
		etcd: Program(t, "etcd", "etcd-server"),
		ip:   Program(t, "ip", "iproute2"),
	}
	Program(t, "runc", "runc") // containerd's shim looks for it
	Program(t, filepath.Join(cniPlugins, "bridge"), "containernetworking-plugins")
	tools.containerd = Install(t, "containerd-"+containerdVersion, func(dir string) error {
		for _, name := range []string{"containerd", "containerd-shim-runc-v2", "ctr"} {
			program := "github.com/containerd/containerd/v2/cmd/" + name + "@" + containerdVersion
			cmd := exec.Command("go", "install", "-trimpath", "-ldflags=-s -w", program)
			if err := Run(cmd, "GOBIN="+dir, "GOFLAGS=", "GOTOOLCHAIN=local", "CGO_ENABLED=0"); err != nil {
				return err
			}
		}
		return nil
	})
	tools.bin = Install(t, "kubernetes-"+KubernetesVersion, func(dir string) error {
		for _, name := range kubernetesPrograms {
			if err := buildKubernetes(dir, name); err != nil {
				return err
			}
		}
		return nil
	})
	return tools
}

var stagedModule = regexp.MustCompile(`(?m)^\s+(k8s\.io/\S+) => \./staging/`)

// buildKubernetes builds one program of Kubernetes into dir. The parts that its own
// repository keeps in a folder "staging" are not in its module, but each is a module
// of the same number: a module of ours replaces them one by one.
func buildKubernetes(dir, program string) error {
	out, err := exec.Command("go", "mod", "download", "-json", "k8s.io/kubernetes@v"+KubernetesVersion).Output()
	if err != nil {
		return fmt.Errorf("download k8s.io/kubernetes %s: %w", KubernetesVersion, err)
	}
	var module struct{ GoMod string }
	if err := json.Unmarshal(out, &module); err != nil {
		return err
	}
	text, err := os.ReadFile(module.GoMod)
	if err != nil {
		return err
	}
	staged := stagedModule.FindAllStringSubmatch(string(text), -1)
	if len(staged) < 20 {
		return fmt.Errorf("read %s: %d modules of its folder staging, expected thirty", module.GoMod, len(staged))
	}
	_, number, _ := strings.Cut(KubernetesVersion, ".")
	var mod strings.Builder
	fmt.Fprintf(&mod, "module cluster\n\ngo 1.26.0\n\ngodebug default=go1.26\n\nrequire k8s.io/kubernetes v%s\n\nreplace (\n", KubernetesVersion)
	for _, m := range staged {
		fmt.Fprintf(&mod, "\t%s => %s v0.%s\n", m[1], m[1], number)
	}
	mod.WriteString(")\n")
	src := filepath.Join(dir, program+"-source")
	if err := writeFiles(map[string]string{
		filepath.Join(src, "go.mod"):     mod.String(),
		filepath.Join(src, "cluster.go"): "package cluster\n\nimport _ \"k8s.io/kubernetes/cmd/" + program + "\"\n",
	}); err != nil {
		return err
	}
	env := []string{"GOFLAGS=", "GOTOOLCHAIN=local", "CGO_ENABLED=0", "GOWORK=off"}
	// Tests of its dependencies need modules that nobody has: -e lets them be.
	tidy := exec.Command("go", "mod", "tidy", "-e")
	tidy.Dir = src
	if err := Run(tidy, env...); err != nil {
		return err
	}
	const about = "k8s.io/component-base/version"
	major, minor, _ := strings.Cut(KubernetesVersion, ".")
	minor, _, _ = strings.Cut(minor, ".")
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, program),
		"-ldflags", fmt.Sprintf("-s -w -X %[1]s.gitVersion=v%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s", about, KubernetesVersion, major, minor),
		"k8s.io/kubernetes/cmd/"+program)
	build.Dir = src
	if err := Run(build, env...); err != nil {
		return err
	}
	return os.RemoveAll(src)
}
