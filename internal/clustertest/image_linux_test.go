package clustertest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"auditlog-connector/internal/testserver"
)

const repository = "../.."

// image is what an archive of an image holds.
type image struct {
	Config struct {
		Architecture string
		Config       struct {
			User         string
			Entrypoint   []string
			Cmd          []string
			WorkingDir   string
			Labels       map[string]string
			ExposedPorts map[string]struct{}
		}
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	size  int64             // of all layers, not compressed
	files map[string][]byte // of all layers, by path
	modes map[string]tar.Header
}

// open reads an image.
func open(t *testing.T, images *testserver.Images, name string) *image {
	t.Helper()
	archive := filepath.Join(t.TempDir(), "image.tar")
	images.Archive(name, archive)
	parts := untar(t, readFile(t, archive))
	var manifest []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal(parts["manifest.json"].content, &manifest); err != nil || len(manifest) != 1 {
		t.Fatalf("read the manifest: %v: %s", err, parts["manifest.json"].content)
	}
	i := &image{files: make(map[string][]byte), modes: make(map[string]tar.Header)}
	if err := json.Unmarshal(parts[manifest[0].Config].content, &i.Config); err != nil {
		t.Fatal(err)
	}
	for _, layer := range manifest[0].Layers {
		content := parts[layer].content
		if parts[layer].Typeflag == tar.TypeSymlink {
			content = parts[parts[layer].Linkname].content
		}
		i.size += int64(len(content))
		for name, f := range untar(t, content) {
			i.files[name], i.modes[name] = f.content, f.Header
		}
	}
	return i
}

type tarred struct {
	tar.Header
	content []byte
}

func untar(t *testing.T, archive []byte) map[string]tarred {
	t.Helper()
	all := make(map[string]tarred)
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(h.Name, "/")] = tarred{*h, content}
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestImage builds the Dockerfile, unchanged, on stand-ins for its two bases.
func TestImage(t *testing.T) {
	testserver.Require(t)
	version := []string{"--build-arg", "VERSION=1.2.3", "--timestamp", "0"}
	name := func(arch string) string { return "localhost/auditlog-connector:image-" + arch }
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		t.Run(arch, func(t *testing.T) {
			images := testserver.OpenImages(t)
			images.Build(name(arch), repository, testserver.BuildOptions{Platform: "linux/" + arch, Args: version})
			i := open(t, images, name(arch))
			i.check(t, arch)
			program, err := elf.NewFile(bytes.NewReader(i.files["connector"]))
			if err != nil {
				t.Fatal(err)
			}
			if program.Machine != machine {
				t.Errorf("the program is for %s", program.Machine)
			}
			for _, p := range program.Progs {
				if p.Type == elf.PT_INTERP {
					t.Error("the program is not static: it needs an interpreter")
				}
			}
			if got, want := sha256.Sum256(i.files["connector"]), sha256.Sum256(compiled(t, arch)); got != want {
				t.Errorf("the image's program is %x, the same sources in another folder make %x", got, want)
			}
			t.Logf("%s: %.1f MB in %d layers", arch, float64(i.size)/1e6, len(i.Config.RootFS.DiffIDs))
		})
	}
}

// check looks at what a platform team looks at first.
func (i *image) check(t *testing.T, arch string) {
	t.Helper()
	const most = 60_000_000
	c := i.Config.Config
	if i.size > most {
		t.Errorf("%d bytes, want at most %d", i.size, most)
	}
	if i.Config.Architecture != arch || c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{"/connector"}) || !slices.Equal(c.Cmd, []string{"run"}) {
		t.Errorf("%s, user %s, entry point %q, command %q", i.Config.Architecture, c.User, c.Entrypoint, c.Cmd)
	}
	want := map[string]string{
		"org.opencontainers.image.title": "auditlog-connector", "org.opencontainers.image.description": "Exports OpenAI's organization audit log, each event once",
		"org.opencontainers.image.licenses": "Apache-2.0", "org.opencontainers.image.version": "1.2.3",
	}
	maps.DeleteFunc(c.Labels, func(label, _ string) bool { return !strings.HasPrefix(label, "org.opencontainers.") })
	if !maps.Equal(c.Labels, want) {
		t.Errorf("labels %v, want %v", c.Labels, want)
	}
	if h := i.modes["connector"]; h.FileInfo().Mode().Perm() != 0o755 || h.Uid != 0 {
		t.Errorf("the program has mode %o and belongs to %d: nobody but root may change it", h.Mode, h.Uid)
	}
	if h, there := i.modes["var/lib/connector"]; !there || h.Uid != 65532 {
		t.Errorf("the folder for data is not the program's: %+v", h)
	}
	for path := range i.files {
		if strings.HasPrefix(path, "src") || strings.Contains(path, "go/pkg") {
			t.Errorf("%s is left of the build", path)
		}
	}
}

// compiled is the program as the Dockerfile compiles it, compiled in this folder.
func compiled(t *testing.T, arch string) []byte {
	t.Helper()
	program := filepath.Join(t.TempDir(), "connector")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid= -X main.version=1.2.3", "-o", program, "./cmd/connector")
	cmd.Dir = repository
	if err := testserver.Run(cmd, "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOTOOLCHAIN=local"); err != nil {
		t.Fatal(err)
	}
	return readFile(t, program)
}

// TestImageIsTheSameTwice compiles everything twice, the second time without what the
// first has left, and compares the layers.
func TestImageIsTheSameTwice(t *testing.T) {
	testserver.Require(t)
	images := testserver.OpenImages(t)
	var layers [][]string
	for n := range 2 {
		name := fmt.Sprintf("localhost/auditlog-connector:again-%d", n)
		images.Build(name, repository, testserver.BuildOptions{Platform: "linux/amd64", Args: []string{"--timestamp", "0"}, Afresh: n == 1})
		i := open(t, images, name)
		layers = append(layers, i.Config.RootFS.DiffIDs)
		out, err := images.RunIn(name, "/connector", "version")
		if err != nil || !strings.Contains(out, "development") {
			t.Errorf("connector version in the image: %v: %s", err, out)
		}
	}
	if len(layers[0]) < 2 || !slices.Equal(layers[0], layers[1]) {
		t.Errorf("layers of two builds:\n%v\n%v", layers[0], layers[1])
	}
}
