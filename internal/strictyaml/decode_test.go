package strictyaml

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

type inner struct {
	Size  Size   `yaml:"size"`
	Words []word `yaml:"words"`
}

type word string

func (w *word) UnmarshalScalar(text string) error {
	if strings.ContainsAny(text, " ") {
		return fmt.Errorf("%q: more than one word", text)
	}
	*w = word(text)
	return nil
}

type document struct {
	Name     string            `yaml:"name"`
	On       bool              `yaml:"on"`
	Count    int               `yaml:"count"`
	Small    int8              `yaml:"small"`
	Positive uint              `yaml:"positive"`
	Rate     float64           `yaml:"rate"`
	Interval time.Duration     `yaml:"interval"`
	Inner    inner             `yaml:"inner"`
	Optional *inner            `yaml:"optional"`
	Number   *int              `yaml:"number"`
	List     []string          `yaml:"list"`
	Inners   []inner           `yaml:"inners"`
	Tags     map[string]string `yaml:"tags"`
	Raw      yaml.Node         `yaml:"raw"`
	Untagged string
}

func decodeText(t *testing.T, text string, into any, x *Expander) []Problem {
	t.Helper()
	n, ps := Parse([]byte(text))
	return append(ps, Decode(n, "", into, x)...)
}

func texts(ps []Problem) string {
	var b strings.Builder
	for _, p := range ps {
		fmt.Fprintln(&b, p)
	}
	return b.String()
}

func TestDecodeReadsEveryKind(t *testing.T) {
	got := document{Name: "default", Count: 7, List: []string{"a", "b"}, Untagged: "kept"}
	ps := decodeText(t, `
name: 1.0e3
on: on
small: -128
positive: 10_000
rate: 2.5
interval: 1h30m
inner: { size: 8MiB, words: [a, b] }
optional: { size: 1MB }
number: 5
list: [x]
inners:
  - size: 3
  - words: ["no"]
tags: { a: b, 1: 2 }
raw: [1, { x: y }]
`, &got, nil)
	if len(ps) > 0 {
		t.Fatalf("problems:\n%s", texts(ps))
	}
	if got.Raw.Kind != yaml.SequenceNode || len(got.Raw.Content) != 2 {
		t.Errorf("raw = %+v", got.Raw)
	}
	got.Raw = yaml.Node{}
	five := 5
	want := document{
		Name: "1.0e3", On: true, Count: 7, Small: -128, Positive: 10000, Rate: 2.5, Interval: 90 * time.Minute,
		Inner: inner{Size: 8 << 20, Words: []word{"a", "b"}}, Optional: &inner{Size: 1e6}, Number: &five, List: []string{"x"},
		Inners: []inner{{Size: 3}, {Words: []word{"no"}}}, Tags: map[string]string{"a": "b", "1": "2"}, Untagged: "kept",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestNullKeepsTheDefault(t *testing.T) {
	got := document{Name: "default", List: []string{"a"}, Count: 1}
	if ps := decodeText(t, "name:\nlist: ~\ncount: null\ninner:\n", &got, nil); len(ps) > 0 {
		t.Fatalf("problems:\n%s", texts(ps))
	}
	if got.Name != "default" || len(got.List) != 1 || got.Count != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestDecodeReportsEverythingAtOnce(t *testing.T) {
	got := document{Name: "default", Count: 7, Interval: time.Second, On: true}
	ps := decodeText(t, `nam: x
name: [a]
on: yes
count: many
small: 300
positive: -1
rate: fast
interval: 30
inner:
  size: 8 Mo
  words: [ok, not ok]
  colour: red
list: a
inners: { size: 1 }
optional: 3
tags: [a]
count: 8
Name: y
`, &got, nil)
	want := `1:1: nam: unknown key (did you mean name?)
2:7: name: want a single value, got a list
3:5: on: "yes": neither on nor off (write on or off, true or false)
4:8: count: "many": not a whole number
5:8: small: "300": out of range
6:11: positive: "-1": negative
7:7: rate: "fast": not a number
8:11: interval: "30": a duration needs a unit (write 30s)
10:9: inner.size: "8 Mo": not a size (write 8MiB, 1MB or a number of bytes)
11:15: inner.words[1]: "not ok": more than one word
12:3: inner.colour: unknown key (known: size, words)
13:7: list: want a list, got a single value (put it in brackets: [ … ])
14:9: inners: want a list, got a mapping
15:11: optional: want a mapping, got a single value
16:7: tags: want a mapping, got a list
17:1: count: key given twice (first on line 4)
18:1: Name: unknown key (did you mean name?)
`
	// A mapping's own problems (keys given twice) come before its fields'.
	if got, want := sortLines(texts(ps)), sortLines(want); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if got.Name != "default" || got.Count != 7 || got.Interval != time.Second || !got.On {
		t.Errorf("a wrong value changed the default: %+v", got)
	}
}

func sortLines(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for i := range lines {
		for j := i + 1; j < len(lines); j++ {
			if lines[j] < lines[i] {
				lines[i], lines[j] = lines[j], lines[i]
			}
		}
	}
	return strings.Join(lines, "\n")
}

func TestParseReportsBrokenDocuments(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"value in value":  {"a: b\n  c: d\n", "2:1: not valid YAML"},
		"indentation":     {"a:\n  b: c\n d: e\n", "3:1: not valid YAML"},
		"open bracket":    {"a: b\nc: [1,\nd: 2\n", "not valid YAML"},
		"open quote":      {"a: b\nc: \"x\n", "2:1: not valid YAML"},
		"tab":             {"a:\n\tb: c\n", "2:1: not valid YAML"},
		"two documents":   {"a: b\n---\nc: d\n", "2:1: a second document"},
		"unknown anchor":  {"a: *x\n", "not valid YAML"},
		"not a mapping":   {"- a\n", "1:1: want a mapping, got a list"},
		"list as key":     {"[a]: b\n", "1:1: a key must be a word"},
		"invalid UTF-8":   {"a: \xff\xfe\n", "not valid YAML"},
		"endless aliases": {"inners: &a [*a]\n", "want a mapping, got a list"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := texts(decodeText(t, tt.text, &document{}, nil)); !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	for _, empty := range []string{"", "# nothing\n", "---\n", "~"} {
		if ps := decodeText(t, empty, &document{}, nil); len(ps) > 0 {
			t.Errorf("%q: %s", empty, texts(ps))
		}
	}
}

func TestAliasesAndMerges(t *testing.T) {
	var got struct {
		Base  inner   `yaml:"base"`
		Same  inner   `yaml:"same"`
		More  inner   `yaml:"more"`
		Lists []inner `yaml:"lists"`
	}
	ps := decodeText(t, `
base: &base { size: 1, words: [a] }
same: *base
more: { <<: *base, size: 2 }
lists: [ *base, { <<: [*base] } ]
`, &got, nil)
	if len(ps) > 0 {
		t.Fatalf("problems:\n%s", texts(ps))
	}
	if got.Same.Size != 1 || got.More.Size != 2 || len(got.More.Words) != 1 || len(got.Lists) != 2 || got.Lists[1].Size != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestVariablesAreExpandedAfterParsing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("from: file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"N": "5", "NAME": "a: b # c", "EMPTY": "", "D": "1m"}
	x := &Expander{LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	var got document
	ps := decodeText(t, `
name: ${env:NAME}
count: ${env:N}
interval: ${env:D}
list:
  - ${file:`+file+`}
  - a${env:N}b${env:N}${env:EMPTY}
  - $${env:N} costs $5 or $$5 or 5$
tags: { k: "$${", l: "$$${env:N}" }
`, &got, x)
	if len(ps) > 0 {
		t.Fatalf("problems:\n%s", texts(ps))
	}
	want := document{Name: "a: b # c", Count: 5, Interval: time.Minute,
		List: []string{"from: file", "a5b5", "${env:N} costs $5 or $$5 or 5$"}, Tags: map[string]string{"k": "${", "l": "$${env:N}"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestVariableProblemsHaveAPlaceAndKeepTheValueToThemselves(t *testing.T) {
	const hidden = "hidden-value"
	x := &Expander{LookupEnv: func(name string) (string, bool) { return hidden, name == "H" }}
	missing := filepath.Join(t.TempDir(), "missing")
	var got document
	ps := decodeText(t, `name: ${env:UNSET}
count: ${env:H}
interval: ${env:H}
list: ["${file:`+missing+`}", "${HOME}", "${env:", "${env:}"]
inner: { size: "${env:H}", words: ["${env:H} x"] }
on: `+strings.Repeat("sk", 30)+`
`, &got, x)
	out := texts(ps)
	for _, want := range []string{
		"1:7: name: environment variable UNSET is not set",
		"2:8: count: the value of ${env:H} cannot be used as a whole number",
		"3:11: interval: the value of ${env:H} cannot be used as a duration",
		"4:8: list[0]: file " + missing + ": no such file or directory",
		"list[1]: ${ is not followed by env: or file:",
		"list[2]: ${env: without a closing }",
		"list[3]: ${env:} names nothing",
		"5:16: inner.size: the value of ${env:H} cannot be used as a size",
		"inner.words[0]: the value of ${env:H} x cannot be used",
		"6:5: on: the value cannot be used as on or off",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, hidden) || strings.Contains(out, "sksk") {
		t.Errorf("a value is shown:\n%s", out)
	}
}

func TestFileThatIsTooLargeOrAFolder(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{large: "larger than 1 MiB", dir: "is a directory"} {
		if _, err := new(Expander).Expand("${file:" + path + "}"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

func TestDecodeConfigPointsAtFields(t *testing.T) {
	n, _ := Parse([]byte("sinks:\n  - config:\n      count: x\n      inner: { size: 2 }\n"))
	type config struct {
		Count int      `yaml:"count"`
		Inner inner    `yaml:"inner"`
		List  []string `yaml:"list"`
	}
	validate := func(c *config) []error {
		return []error{
			Field("count", "is required"), // said already: it could not be read
			Field("inner.size", "too small").WithHint("at least 3"),
			errors.Join(Field("list", "is required"), errors.New("all wrong")),
			FieldError{Path: "inner", Err: errors.New("odd"), Warning: true},
			nil,
		}
	}
	c, ps := DecodeConfig(n.Content[1].Content[0].Content[1], "sinks[0].config", nil, func() config { return config{Count: 4} }, validate)
	want := `3:14: sinks[0].config.count: "x": not a whole number
4:22: sinks[0].config.inner.size: too small (at least 3)
3:7: sinks[0].config.list: is required
3:7: sinks[0].config: all wrong
4:14: warning: sinks[0].config.inner: odd
`
	if got := texts(ps); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if c.Count != 4 || c.Inner.Size != 2 {
		t.Errorf("got %+v", c)
	}
	if _, ps := DecodeConfig[config](nil, "x", nil, nil, nil); len(ps) > 0 {
		t.Errorf("nothing to decode: %v", ps)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("name: [a]\ninner: &a {size: 1}\nmore: {<<: *a}\n? [x]\n: y\n"))
	f.Add([]byte("name: ${env:X}$${\ncount: 1_0\ntags: {a: b, a: c}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, ps := Parse(data)
		ps = append(ps, Decode(n, "", &document{}, &Expander{LookupEnv: func(string) (string, bool) { return "", false }})...)
		for _, p := range ps {
			if p.Message == "" {
				t.Errorf("a problem without words: %+v", p)
			}
		}
	})
}
