package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"auditlog-connector/pipeline"
)

func TestOperationsAnswersEveryReasonToHalt(t *testing.T) {
	data, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	sections := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^##+ (.*)$`).FindAllStringSubmatch(text, -1) {
		sections[strings.ReplaceAll(strings.ToLower(m[1]), " ", "-")] = true
	}
	for _, m := range regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(text, -1) {
		if !sections[m[1]] {
			t.Errorf("there is no section #%s", m[1])
		}
	}
	for err, section := range map[error]string{
		pipeline.ErrInDoubt: "in-doubt", pipeline.ErrHistoryLost: "history-lost", pipeline.ErrForeignEpoch: "foreign-epoch",
		pipeline.ErrFenced: "fenced", pipeline.ErrCorrupt: "corrupt", pipeline.ErrRefused: "refused",
	} {
		if row := regexp.MustCompile(regexp.QuoteMeta("`"+err.Error()+"` | [") + `[^]]*\]\(#` + section + `\)`); !row.MatchString(text) {
			t.Errorf("the first table does not lead from %q to #%s", err, section)
		}
	}
}
