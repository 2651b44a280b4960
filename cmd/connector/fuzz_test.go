package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditlog-connector/internal/strictyaml"
)

// FuzzConfigurationProblemsHavePlaces decodes whole files with the real sources and
// sinks: nothing panics, and what is wrong has a place in the file.
func FuzzConfigurationProblemsHavePlaces(f *testing.F) {
	files, _ := filepath.Glob("testdata/config/*.yaml")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("sources: [{name: a, type: openai, config: {admin_key: '${env:K}', base_url: 'http://[', tenant: maybe, concurrency: 0}}]\n" +
		"sinks: [{name: b, type: sqlite}, {name: c, type: file, config: {path: '', schema: x, rotate: y}}]\n"))
	f.Add([]byte("sources: [{name: a, type: openai}]\nsinks:\n- {name: b, type: file, config: &c {path: x}}\n- {name: c, type: file, config: *c}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if strings.Contains(string(text), "file:") {
			return // it could name any file of this machine
		}
		var out bytes.Buffer
		a := &app{
			stdin: strings.NewReader(""), stdout: &out, stderr: &out, now: time.Now,
			lookupEnv: func(string) (string, bool) { return "", false }, sources: sourceTypes(), sinks: sinkTypes(),
		}
		root, problems := strictyaml.Parse(text)
		s, err := a.read("c.yaml", text, false)
		if err == nil && len(s.lanes) == 0 {
			t.Error("no problem and no lane")
		}
		if err != nil && exitCode(t.Context(), err, true) != exitUsage {
			t.Errorf("%v: exit code %d, want %d", err, exitCode(t.Context(), err, true), exitUsage)
		}
		if root == nil && len(problems) == 0 {
			return // an empty file has no places
		}
		for _, p := range s.problems {
			if p.Line < 1 || p.Column < 1 {
				t.Errorf("%+v has no place", p)
			}
		}
	})
}
