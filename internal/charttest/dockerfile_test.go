package charttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"auditlog-connector/internal/testserver"
)

const buildkitVersion = "v0.29.0"

// dockerlint returns BuildKit's own checks of a Dockerfile, as a program.
func dockerlint(t *testing.T) string {
	t.Helper()
	source := readFile(t, "testdata/dockerlint/main.go")
	dir := testserver.Install(t, "dockerlint-"+buildkitVersion, func(dir string) error {
		mod := "module dockerlint\n\ngo 1.26.0\n\nrequire github.com/moby/buildkit " + buildkitVersion + "\n"
		for name, text := range map[string]string{"go.mod": mod, "main.go": source} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				return err
			}
		}
		for _, args := range [][]string{{"mod", "tidy"}, {"build", "-trimpath", "-ldflags=-s -w", "-o", "dockerlint", "."}} {
			cmd := exec.Command("go", args...)
			cmd.Dir = dir
			if err := testserver.Run(cmd, "GOFLAGS=", "GOTOOLCHAIN=local"); err != nil {
				return err
			}
		}
		return nil
	})
	return filepath.Join(dir, "dockerlint")
}

func TestDockerfilePassesBuildKitsChecks(t *testing.T) {
	testserver.Require(t)
	lint := func(dockerfile string) (string, error) {
		cmd := exec.Command(dockerlint(t))
		cmd.Stdin = strings.NewReader(dockerfile)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := lint(readFile(t, "../../Dockerfile")); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	for rule, dockerfile := range map[string]string{
		"StageNameCasing":         "FROM scratch AS Build\n",
		"RedundantTargetPlatform": "FROM --platform=$TARGETPLATFORM scratch\n",
		"SecretsUsedInArgOrEnv":   "FROM scratch\nARG ACCESS_TOKEN\n",
		"UndefinedVar":            "FROM scratch\nCOPY $NOWHERE /\n",
		"unknown instruction":     "FROM scratch\nRUNS true\n",
	} {
		if out, err := lint(dockerfile); err == nil || !strings.Contains(out, rule) {
			t.Errorf("a Dockerfile against %s passes: the test shows nothing: %s", rule, out)
		}
	}
}

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
