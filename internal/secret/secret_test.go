package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"auditlog-connector/internal/secret"
	"auditlog-connector/internal/strictyaml"
)

const text = "correct-horse-battery"

func TestNothingPrintsASecret(t *testing.T) {
	s := secret.Literal(text)
	type holder struct {
		Exported   secret.String
		unexported secret.String
		Pointer    *secret.String
		Map        map[string]secret.String
	}
	h := holder{s, s, &s, map[string]secret.String{"k": s}}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10s", "%w"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", &s)
		fmt.Fprintf(&out, verb+"\n", h)
		fmt.Fprintf(&out, verb+"\n", &h)
		fmt.Fprintf(&out, verb+"\n", []any{s, h})
	}
	fmt.Fprintln(&out, s, h)
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("m", "secret", s, "holder", h, "pointer", &h)
	}
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		data, err := marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(data)
	}
	hexed := fmt.Sprintf("%x", text)
	if got := out.String(); strings.Contains(got, text) || strings.Contains(strings.ToLower(got), hexed) {
		t.Errorf("the secret is in the output:\n%s", got)
	}
	if got, want := fmt.Sprint(s), secret.Redacted; got != want {
		t.Errorf("Sprint = %q, want %q", got, want)
	}
}

func TestRevealReadsTheFileEachTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	var s secret.String
	if err := s.UnmarshalScalar("${file:" + path + "}"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reveal(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Reveal of a missing file: %v, want an error that names %s", err, path)
	}
	for content, want := range map[string]string{"one\n": "one", "two": "two", "three\n\n": "three\n", "four\r\n": "four"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Reveal(); got != want || err != nil {
			t.Errorf("Reveal of %q = %q, %v, want %q", content, got, err, want)
		}
	}
	if err := os.WriteFile(path, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reveal(); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("Reveal of an empty file: %v, want an error", err)
	}
}

func TestSecretSaysWhereItComesFrom(t *testing.T) {
	t.Setenv("CONNECTOR_TEST_SECRET", "from env")
	for _, tt := range []struct {
		written, source, reveals string
		literal                  bool
	}{
		{"", "", "", false},
		{"plain", "configuration", "plain", true},
		{"pa$$w$rd", "configuration", "pa$$w$rd", true},
		{"a$${b}", "configuration", "a${b}", true},
		{"${env:CONNECTOR_TEST_SECRET}", "environment variable CONNECTOR_TEST_SECRET", "from env", false},
	} {
		var s secret.String
		if err := s.UnmarshalScalar(tt.written); err != nil {
			t.Fatalf("%q: %v", tt.written, err)
		}
		if got, err := s.Reveal(); got != tt.reveals || err != nil {
			t.Errorf("%q: Reveal = %q, %v, want %q", tt.written, got, err, tt.reveals)
		}
		if got := s.Source(); got != tt.source {
			t.Errorf("%q: Source = %q, want %q", tt.written, got, tt.source)
		}
		if got := s.IsLiteral(); got != tt.literal {
			t.Errorf("%q: IsLiteral = %v, want %v", tt.written, got, tt.literal)
		}
		if got, want := s.IsZero(), tt.written == ""; got != want {
			t.Errorf("%q: IsZero = %v, want %v", tt.written, got, want)
		}
	}
}

func TestLiteralTakesTextAsItIs(t *testing.T) {
	const odd = "a${file:b}$${c"
	if got, err := secret.Literal(odd).Reveal(); got != odd || err != nil {
		t.Errorf("Reveal = %q, %v, want %q", got, err, odd)
	}
}

func TestMalformedVariableIsAnErrorWithoutTheText(t *testing.T) {
	for _, written := range []string{text + "${oops}", text + "${env:", text + "${file:}", "${HOME}" + text} {
		var s secret.String
		if err := s.UnmarshalScalar(written); err == nil || strings.Contains(err.Error(), text) {
			t.Errorf("%q: error %v, want one that does not quote it", written, err)
		}
	}
}

func TestDecodedSecretUsesTheGivenEnvironment(t *testing.T) {
	x := &strictyaml.Expander{LookupEnv: func(name string) (string, bool) { return "value of " + name, true }}
	n, ps := strictyaml.Parse([]byte("key: ${env:K}\nlit: hunter2"))
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	var c struct {
		Key secret.String `yaml:"key"`
		Lit secret.String `yaml:"lit"`
	}
	problems := strictyaml.Decode(n, "config", &c, x)
	if len(problems) != 1 || !problems[0].Warning || problems[0].Path != "config.lit" || problems[0].Line != 2 {
		t.Errorf("problems = %v, want one warning about config.lit on line 2", problems)
	}
	if got, err := c.Key.Reveal(); got != "value of K" || err != nil {
		t.Errorf("Reveal = %q, %v", got, err)
	}
}
