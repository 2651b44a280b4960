package testserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// Images is a store of container images that is filled without a registry: the bases
// that the project's Dockerfile begins with are stand-ins made of this machine's own
// files, with what the Dockerfile uses of the real ones.
type Images struct {
	t       testing.TB
	buildah string
	dir     string
}

// Names of the stand-ins, as a Dockerfile has them.
const (
	baseGo     = "docker.io/library/golang:1.26"
	baseStatic = "gcr.io/distroless/static-debian12:nonroot"
	pauseName  = "registry.k8s.io/pause:3.10"
)

// OpenImages opens the machine's store of images for tests. It needs root and
// Debian's buildah; without them t ends as [Unavailable] does.
func OpenImages(t testing.TB) *Images {
	t.Helper()
	if os.Geteuid() != 0 {
		Unavailable(t, "building an image needs root")
	}
	i := &Images{t: t, buildah: Program(t, "buildah", "buildah")}
	busybox := Program(t, "busybox", "busybox-static")
	i.dir = Install(t, "images-"+runtime.Version(), func(dir string) error {
		partial := &Images{t: t, buildah: i.buildah, dir: dir}
		return errors.Join(partial.makeGo(busybox), partial.makeStatic())
	})
	return i
}

// makeGo makes the stand-in for the image with Go: the toolchain that runs this test
// and a shell. Modules come from the folder that [Images.Build] mounts and from
// nowhere else.
func (i *Images) makeGo(busybox string) error {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("find Go: %w", err)
	}
	goroot := string(root[:len(root)-1])
	return i.fromScratch(baseGo, []string{"--env", "PATH=/usr/local/go/bin:/bin", "--env", "GOPATH=/go", "--env", "GOPROXY=off", "--env", "HOME=/root"},
		[2]string{busybox, "/bin/sh"}, [2]string{busybox, "/bin/mkdir"}, [2]string{busybox, "/bin/touch"}, [2]string{i.t.TempDir(), "/tmp"},
		[2]string{filepath.Join(goroot, "bin"), "/usr/local/go/bin"}, [2]string{filepath.Join(goroot, "pkg"), "/usr/local/go/pkg"},
		[2]string{filepath.Join(goroot, "src"), "/usr/local/go/src"}, [2]string{filepath.Join(goroot, "lib"), "/usr/local/go/lib"},
		[2]string{filepath.Join(goroot, "go.env"), "/usr/local/go/go.env"}, [2]string{filepath.Join(goroot, "VERSION"), "/usr/local/go/VERSION"})
}

// makeStatic makes the stand-in for the image without a shell: authorities, and the
// user that it is named after.
func (i *Images) makeStatic() error {
	dir := i.t.TempDir()
	if err := writeFiles(map[string]string{
		filepath.Join(dir, "passwd"): "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
		filepath.Join(dir, "group"):  "root:x:0:\nnonroot:x:65532:\n",
	}); err != nil {
		return err
	}
	for _, name := range []string{"passwd", "group"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o644); err != nil {
			return err
		}
	}
	return i.fromScratch(baseStatic, []string{"--user", "65532", "--workingdir", "/home/nonroot"},
		[2]string{filepath.Join(dir, "passwd"), "/etc/passwd"}, [2]string{filepath.Join(dir, "group"), "/etc/group"},
		[2]string{"/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt"})
}

// fromScratch makes an image of files of this machine.
func (i *Images) fromScratch(name string, config []string, files ...[2]string) error {
	container, err := i.command("from", "scratch").Output()
	if err != nil {
		return fmt.Errorf("begin image %s: %w", name, err)
	}
	id := string(container[:len(container)-1])
	defer i.remove(id)
	for _, f := range files {
		if err := Run(i.command("copy", "-q", id, f[0], f[1])); err != nil {
			return fmt.Errorf("copy %s into image %s: %w", f[0], name, err)
		}
	}
	if err := Run(i.command(append(append([]string{"config"}, config...), id)...)); err != nil {
		return err
	}
	return Run(i.command("commit", "-q", id, name))
}

// remove removes a container that an image was made of, or that ran.
func (i *Images) remove(container string) {
	if err := Run(i.command("rm", container)); err != nil {
		i.t.Errorf("remove container %s: %v", container, err)
	}
}

func (i *Images) command(args ...string) *exec.Cmd {
	return exec.Command(i.buildah, append([]string{"--root", filepath.Join(i.dir, "root"), "--runroot", filepath.Join(i.dir, "run")}, args...)...)
}

// BuildOptions say how [Images.Build] builds an image.
type BuildOptions struct {
	Platform string   // such as "linux/arm64"
	Args     []string // further arguments of "buildah bud"
	Afresh   bool     // compiles everything, whatever was compiled before
}

// Build builds the Dockerfile in dir, unchanged, as image name, which goes away with
// t. It contacts nobody: modules are this machine's.
func (i *Images) Build(name, dir string, o BuildOptions) {
	i.t.Helper()
	var env struct{ GOMODCACHE, GOCACHE string }
	out, err := exec.Command("go", "env", "-json", "GOMODCACHE", "GOCACHE").Output()
	if err == nil {
		err = json.Unmarshal(out, &env)
	}
	if err != nil {
		i.t.Fatal(err)
	}
	if o.Afresh {
		env.GOCACHE = i.t.TempDir()
	}
	download := exec.Command("go", "mod", "download")
	download.Dir = dir
	if err := Run(download); err != nil {
		i.t.Fatal(err)
	}
	args := []string{"bud", "-q", "--isolation", "chroot", "--pull-never", "--platform", o.Platform,
		// Debian's buildah does not set it.
		"--build-arg", "BUILDPLATFORM=linux/" + runtime.GOARCH, "--volume", env.GOMODCACHE + ":/go/pkg/mod", "--volume", env.GOCACHE + ":/root/.cache/go-build", "--tag", name}
	if err := Run(i.command(append(append(args, o.Args...), dir)...)); err != nil {
		i.t.Fatalf("build image %s: %v", name, err)
	}
	i.t.Cleanup(func() {
		if err := Run(i.command("rmi", "-f", name)); err != nil {
			i.t.Error(err)
		}
	})
}

// RunIn runs a command in a container of an image and returns what it printed.
func (i *Images) RunIn(name string, command ...string) (string, error) {
	container, err := i.command("from", "--pull-never", name).Output()
	if err != nil {
		return "", fmt.Errorf("make a container of %s: %w", name, err)
	}
	id := string(container[:len(container)-1])
	defer i.remove(id)
	out, err := i.command(append([]string{"run", "--isolation", "chroot", id, "--"}, command...)...).CombinedOutput()
	return string(out), err
}

// Archive writes an image to a file that [Kubernetes.Load] takes.
func (i *Images) Archive(name, file string) {
	i.t.Helper()
	if err := i.archive(name, file); err != nil {
		i.t.Fatal(err)
	}
}

func (i *Images) archive(name, file string) error {
	if err := Run(i.command("push", "-q", name, "docker-archive:"+file+":"+name)); err != nil {
		return fmt.Errorf("write image %s: %w", name, err)
	}
	return nil
}

// pauseImage returns the archive of the image that every pod needs: a program that
// does nothing until it is told to end.
func pauseImage(t testing.TB) string {
	t.Helper()
	images := OpenImages(t)
	dir := Install(t, "pause-1", func(dir string) error {
		if err := writeFiles(map[string]string{
			filepath.Join(dir, "go.mod"): "module pause\n\ngo 1.26.0\n",
			filepath.Join(dir, "main.go"): "package main\n\nimport (\n\t\"os\"\n\t\"os/signal\"\n\t\"syscall\"\n)\n\nfunc main() {\n" +
				"\tended := make(chan os.Signal, 1)\n\tsignal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)\n\t<-ended\n}\n",
		}); err != nil {
			return err
		}
		build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", "pause", ".")
		build.Dir = dir
		if err := Run(build, "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN=local"); err != nil {
			return err
		}
		if err := images.fromScratch(pauseName, []string{"--entrypoint", `["/pause"]`}, [2]string{filepath.Join(dir, "pause"), "/pause"}); err != nil {
			return err
		}
		return images.archive(pauseName, filepath.Join(dir, "pause.tar"))
	})
	return filepath.Join(dir, "pause.tar")
}
