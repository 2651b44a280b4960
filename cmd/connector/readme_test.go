package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"auditlog-connector/internal/openaisim"
)

// fenced returns the blocks of that language in a document.
func fenced(document, language string) []string {
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(document, -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestReadmeConfigurationWorks does what a newcomer does with the README.
func TestReadmeConfigurationWorks(t *testing.T) {
	text := readme(t)
	configs := fenced(text, "yaml")
	if len(configs) != 1 {
		t.Fatalf("README.md has %d blocks of YAML, want 1", len(configs))
	}
	inFolder(t, map[string]string{"connector.yaml": configs[0]})
	_, env := simulator(t, openaisim.Config{Seed: 1, Events: 200})

	code, stdout, stderr := real(t, env, "validate")
	if code != exitOK || stderr != "" || !strings.Contains(text, stdout) {
		t.Errorf("validate: exit %d, %s, and README.md does not show this table:\n%s", code, stderr, stdout)
	}
	if code, _, stderr := real(t, env, "run", "--once", "--log-level", "error"); code != exitOK {
		t.Fatalf("run: exit %d, %s", code, stderr)
	}
	statement := regexp.MustCompile(`connector query "([^"]+)"`).FindStringSubmatch(text)
	if statement == nil {
		t.Fatal("README.md has no query")
	}
	if code, stdout, stderr := real(t, env, "query", statement[1]); code != exitOK || !strings.Contains(stdout, "api_key.created") {
		t.Errorf("query: exit %d, %s%s", code, stdout, stderr)
	}
}

// TestDocumentsLinkToWhatIsThere follows the relative links of all documents.
func TestDocumentsLinkToWhatIsThere(t *testing.T) {
	root := filepath.Join("..", "..")
	links := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	n := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range links.FindAllStringSubmatch(string(text), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			n++
			there := path
			if target != "" {
				there = filepath.Join(filepath.Dir(path), target)
			}
			if _, err := os.Stat(there); err != nil {
				t.Errorf("%s links to %s, which is not there", path, m[1])
			} else if anchor != "" && !hasHeading(t, there, anchor) {
				t.Errorf("%s links to %s, which has no such heading", path, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		t.Error("no document has a link")
	}
}

// hasHeading reports whether the document has a heading that anchor points at.
func hasHeading(t *testing.T, document, anchor string) bool {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	drop := regexp.MustCompile(`[^a-z0-9 -]`)
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(text), -1) {
		if strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-") == anchor {
			return true
		}
	}
	return false
}
