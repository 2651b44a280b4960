package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditlog-connector/pipeline"
)

// hidden is what every environment variable and secret file of these tests holds.
const hidden = "hunter2-correct-horse"

func TestConfigurations(t *testing.T) {
	files, err := filepath.Glob("testdata/config/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no test data", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			w := newWorld(t)
			w.env["SET"] = hidden
			code := w.exec(t.Context(), "validate", "--config", file)
			got := fmt.Sprintf("exit %d\n--- stdout\n%s--- stderr\n%s", code, w.out.String(), w.err.String())
			if strings.Contains(got, hidden) || strings.Contains(got, "sk-admin-literal") {
				t.Errorf("a secret is shown:\n%s", got)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", got)
		})
	}
}

func TestValidateAsJSON(t *testing.T) {
	for _, name := range []string{"full", "everything-wrong"} {
		w := newWorld(t)
		w.env["SET"] = hidden
		code := w.exec(t.Context(), "validate", "--config", "testdata/config/"+name+".yaml", "-o", "json")
		var v validation
		if err := json.Unmarshal(w.out.Bytes(), &v); err != nil {
			t.Fatalf("%s: %v in %s", name, err, &w.out)
		}
		if want := name == "full"; v.Valid != want || (code == exitOK) != want || w.err.Len() > 0 {
			t.Errorf("%s: valid %v, exit %d, stderr %q", name, v.Valid, code, &w.err)
		}
		golden(t, "testdata/validate-"+name+".json", w.out.String())
	}
}

func TestConfigurationIsFound(t *testing.T) {
	const good = "sources: [{name: a, type: fake, config: {key: '${env:SET}'}}]\nsinks: [{name: b, type: memory}]\n"
	t.Run("in the working directory", func(t *testing.T) {
		inFolder(t, map[string]string{defaultFile: good})
		w := newWorld(t)
		if code := w.exec(t.Context(), "validate"); code != exitOK || !strings.Contains(w.out.String(), "a/b") {
			t.Errorf("exit %d, %s%s", code, &w.out, &w.err)
		}
	})
	t.Run("not, where it was named", func(t *testing.T) {
		inFolder(t, map[string]string{defaultFile: good})
		w := newWorld(t)
		if code := w.exec(t.Context(), "validate", "--config", "other.yaml"); code != exitUsage || !strings.Contains(w.err.String(), "other.yaml: no such file") {
			t.Errorf("exit %d, %s%s", code, &w.out, &w.err)
		}
	})
	t.Run("built in", func(t *testing.T) {
		inFolder(t, nil)
		w := newWorld(t)
		code := w.exec(t.Context(), "validate")
		// This test has no source of type openai, which the built-in one needs.
		if code != exitUsage || !strings.Contains(w.err.String(), `built-in configuration: sources[0].type: unknown type "openai"`) {
			t.Errorf("exit %d, %s%s", code, &w.out, &w.err)
		}
	})
}

func TestBuiltinConfigurationTakesTheBaseURLIfSet(t *testing.T) {
	w := newWorld(t)
	if text := w.builtin(); strings.Contains(text, "base_url") {
		t.Errorf("unset: %s", text)
	}
	w.env["OPENAI_BASE_URL"] = ""
	if text := w.builtin(); strings.Contains(text, "base_url") {
		t.Errorf("empty: %s", text)
	}
	w.env["OPENAI_BASE_URL"] = "http://x"
	if text := w.builtin(); !strings.Contains(text, "base_url: ${env:OPENAI_BASE_URL}") {
		t.Errorf("set: %s", text)
	}
}

func TestSecretsAreReadOnlyToRun(t *testing.T) {
	text := func(key string) string {
		return "sources:\n  - name: a\n    type: fake\n    config:\n      key: " + key + "\nsinks: [{name: b, type: memory}]\n"
	}
	for key, want := range map[string]string{
		"${env:UNSET}":    "5:12: sources[0].config.key: environment variable UNSET is not set",
		"${file:missing}": "5:12: sources[0].config.key: file missing: no such file or directory",
		"${file:empty}":   "5:12: sources[0].config.key: ${file:empty} is empty",
	} {
		t.Run(key, func(t *testing.T) {
			inFolder(t, map[string]string{"c.yaml": text(key), "empty": "\n"})
			w := newWorld(t)
			if code := w.exec(t.Context(), "validate", "-c", "c.yaml"); code != exitOK {
				t.Errorf("validate: exit %d, %s", code, &w.err)
			}
			if code := w.exec(t.Context(), "run", "-c", "c.yaml"); code != exitUsage || !strings.Contains(w.err.String(), want) {
				t.Errorf("run: exit %d, %s, want %s", code, &w.err, want)
			}
			if _, err := os.Stat("connector-data"); err == nil {
				t.Error("something was written")
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	inFolder(t, map[string]string{"c.yaml": "sources: [{name: a, type: fake, config: {key: '${env:K}'}}]\nsinks: [{name: b, type: memory}]\n"})
	s, err := newWorld(t).load("c.yaml", false)
	if err != nil {
		t.Fatal(err)
	}
	p := s.file.Pipeline
	if p.PollInterval != 30*time.Second || p.Recent != 10*time.Minute || p.SweepInterval != time.Hour || p.Overlap != 24*time.Hour || p.DrainTimeout != 25*time.Second {
		t.Errorf("pipeline = %+v", p)
	}
	l := s.lanes[0]
	if l.sink.buffer() != 10000 || l.sink.Start != (startTime{}) || l.sink.Filter.compile() != nil ||
		l.batch != (pipeline.BatchPolicy{MaxEvents: 1000, MaxBytes: 8 << 20, MaxAge: time.Second}) {
		t.Errorf("lane = %+v", l)
	}
	if s.file.HTTP.Listen != "127.0.0.1:9464" || s.file.Checkpoint.Path != "./connector-data/checkpoint.db" || s.file.Log != (logConfig{"info", "auto"}) {
		t.Errorf("file = %+v", s.file)
	}
}

func FuzzConfig(f *testing.F) {
	files, _ := filepath.Glob("testdata/config/*.yaml")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := newWorld(t).read("c.yaml", []byte(text), false)
		if err == nil && len(s.lanes) == 0 {
			t.Error("no problem and no lane")
		}
	})
}
