package strictyaml

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// fuzzed has a field of every kind that Decode knows.
type fuzzed struct {
	Text  string            `yaml:"text"`
	On    bool              `yaml:"on"`
	Count int               `yaml:"count"`
	Small uint8             `yaml:"small"`
	Share float64           `yaml:"share"`
	Wait  time.Duration     `yaml:"wait"`
	Size  Size              `yaml:"size"`
	List  []string          `yaml:"list"`
	Map   map[string]int    `yaml:"map"`
	Inner *fuzzedInner      `yaml:"inner"`
	Many  []fuzzedInner     `yaml:"many"`
	Deep  map[string][]Size `yaml:"deep"`
	Node  yaml.Node         `yaml:"node"`
}

type fuzzedInner struct {
	Name string  `yaml:"name"`
	Size *Size   `yaml:"size"`
	Also *string `yaml:"also"`
}

// FuzzEveryProblemHasAPlace decodes any text: whatever is wrong with it stands on
// one of its lines.
func FuzzEveryProblemHasAPlace(f *testing.F) {
	for _, seed := range []string{
		"", "~", "text: [a]\n", "{", "a: &a [*a]\n", "text: 1\ntext: 2\n", "list: [~, 1, {}]\n", "many: [{nam: x}, 3]\n",
		"inner: &i {size: 1MiB}\nmany: [*i, {<<: *i, size: x}]\n", "? {a: b}\n: c\n", "wait: 1 s\nsize: 1XB\nsmall: 256\nshare: .inf\n",
		"deep: {a: [1, ${env:NOBODY}]}\ntext: ${env:\n", "text: |\n  a\n  ${file:}\n", "--- 1\n--- 2\n", "\ttext: x\n", "map: {a: 1, a: 2, 3: 4}\n",
	} {
		f.Add([]byte(seed))
	}
	x := &Expander{LookupEnv: func(string) (string, bool) { return "", false }}
	f.Fuzz(func(t *testing.T, text []byte) {
		if strings.Contains(string(text), "file:") {
			return // it could name any file of this machine
		}
		lines := strings.Count(string(text), "\n") + strings.Count(string(text), "\r") + 1
		if !utf8.Valid(text) {
			lines = len(text) + 1 // another encoding has other line ends
		}
		lines += strings.Count(string(text), "\u0085") + strings.Count(string(text), "\u2028") + strings.Count(string(text), "\u2029")
		n, problems := Parse(text)
		if n != nil {
			var into fuzzed
			problems = append(problems, Decode(n, "", &into, x)...)
		}
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Column < 1 {
				t.Errorf("%+v: not a place in a text of %d lines", p, lines)
			}
			if p.Message == "" || strings.ContainsAny(p.String(), "\n\x00") {
				t.Errorf("%q: want one line of words", p.String())
			}
		}
	})
}
