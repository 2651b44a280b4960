package main

import (
	"log/slog"
	"strings"
	"testing"
)

func TestLogLevelsAreParsed(t *testing.T) {
	for text, want := range map[string]string{
		"info": "", "debug,a/b=warn": "", "a/b=debug": "", " warn , a/b=error ,a/c=debug": "",
		"": `"" is not a level`, "loud": `"loud" is not a level`, "a/b=loud": `"loud" is not a level`, "ab=info": `"ab" is not a lane`, "info,": `"" is not a level`, "=debug": `"" is not a lane`,
	} {
		_, err := parseLogLevels(text, slog.LevelInfo)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestLanesHaveLevelsOfTheirOwn(t *testing.T) {
	var out strings.Builder
	a := &app{logLevel: "a/noisy=debug,a/quiet=error"}
	log := a.logger(logConfig{Level: "info", Format: "json"}, &out, false)
	log.Debug("program debug")
	log.Info("program info")
	for _, lane := range []string{"a/noisy", "a/quiet", "a/plain"} {
		of := log.With("lane", lane)
		of.Debug(lane + " debug")
		of.With("sink", "x").Info(lane + " info")
		log.Error(lane+" error", "lane", lane)
	}
	want := []string{"program info", "a/noisy debug", "a/noisy info", "a/noisy error", "a/quiet error", "a/plain info", "a/plain error"}
	var got []string
	for line := range strings.Lines(out.String()) {
		_, rest, _ := strings.Cut(line, `"msg":"`)
		msg, _, _ := strings.Cut(rest, `"`)
		got = append(got, msg)
	}
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("logged %q, want %q", got, want)
	}
}
