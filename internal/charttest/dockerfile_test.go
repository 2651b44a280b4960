package charttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func readFile(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDockerfileBuildsWithTheModulesGo(t *testing.T) {
	dockerfile := readFile(t, "../../Dockerfile")
	want := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(readFile(t, "../../go.mod"))
	got := regexp.MustCompile(`golang:(\S+) AS build`).FindStringSubmatch(dockerfile)
	if want == nil || got == nil || got[1] != want[1] {
		t.Errorf("the image is built with Go %v, the module is of %v", got, want)
	}
	for _, line := range []string{
		"FROM --platform=$BUILDPLATFORM golang:", "FROM gcr.io/distroless/static-debian12:nonroot", "-trimpath", "-buildid=", "CGO_ENABLED=0",
		"USER 65532:65532", `ENTRYPOINT ["/connector"]`, "org.opencontainers.image.licenses=",
	} {
		if !strings.Contains(dockerfile, line) {
			t.Errorf("the Dockerfile lacks %s", line)
		}
	}
}

// TestDockerignoreLetsThroughWhatIsBuilt compares the files that the binary is made
// of with what .dockerignore keeps in the context.
func TestDockerignoreLetsThroughWhatIsBuilt(t *testing.T) {
	var kept, dropped []string
	for line := range strings.Lines(readFile(t, "../../.dockerignore")) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "!"):
			kept = append(kept, line[1:])
		case strings.HasPrefix(line, "**/"):
			dropped = append(dropped, line[3:])
		}
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	list := exec.Command("go", "list", "-deps", "-f", `{{if not .Standard}}{{if .Module.Main}}{{range .GoFiles}}{{$.Dir}}/{{.}}
{{end}}{{range .EmbedFiles}}{{$.Dir}}/{{.}}
{{end}}{{end}}{{end}}`, "auditlog-connector/cmd/connector")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Fields(string(out))
	if len(files) < 100 {
		t.Fatalf("%d files: the list is not right", len(files))
	}
	for _, file := range files {
		rel, err := filepath.Rel(root, file)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(filepath.ToSlash(rel), "/")
		out := slices.ContainsFunc(parts, func(part string) bool {
			return slices.ContainsFunc(dropped, func(pattern string) bool { ok, _ := filepath.Match(pattern, part); return ok })
		})
		if !slices.Contains(kept, parts[0]) || out {
			t.Errorf(".dockerignore keeps %s out", rel)
		}
	}
}
