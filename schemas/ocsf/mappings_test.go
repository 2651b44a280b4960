package ocsf_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// mappingsPage is written by hand up to the line that begins with generatedFrom.
const (
	mappingsPage  = "../../docs/mappings.md"
	generatedFrom = "<!-- From here on:"
)

// formats are the columns of the page: where the golden files are, what of a document
// repeats the rest of it, and the member that is the entry.
var formats = []struct {
	name, golden string
	leftOut      []string // paths
	entry        string
}{
	{"normalized", "../../sources/openai/testdata/normalized", []string{"raw", "details"}, "raw"},
	{"ecs", "../ecs/testdata/golden", []string{"event.original", "openai.audit.details", "related", "message", "client"}, "original"},
	{"ocsf", "testdata/golden", []string{"raw_data", "observables", "message"}, "raw_data"},
	{"cim", "../cim/testdata/golden", []string{"raw"}, "raw"},
}

// TestMappingsPage holds the page against the golden files of every format.
func TestMappingsPage(t *testing.T) {
	page, err := os.ReadFile(mappingsPage)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(page, []byte(generatedFrom))
	if i < 0 {
		t.Fatalf("%s has no line %q", mappingsPage, generatedFrom)
	}
	i += bytes.IndexByte(page[i:], '\n') + 1
	var got bytes.Buffer
	for _, event := range []struct{ name, title string }{
		{"login.failed", "A login that failed"},
		{"api_key.created", "A new key"},
		{"role.assignment.created", "A role that was given"},
		{"ip_allowlist.updated", "An allow list that changes"},
		{"tenant.user.updated", "A type whose payload nobody documents"},
	} {
		fmt.Fprintf(&got, "\n### %s: `%s`\n\n", event.title, event.name)
		eventTables(t, &got, event.name)
	}
	if *update {
		if err := os.WriteFile(mappingsPage, slices.Concat(page[:i], got.Bytes()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(page[i:], got.Bytes()) {
		t.Errorf("%s is not what the golden files say; rewrite it with -update", mappingsPage)
	}
}

func eventTables(t *testing.T, page *bytes.Buffer, name string) {
	t.Helper()
	raw := readText(t, filepath.Join("../../sources/openai/testdata/samples", name+".json"))
	header, rule := "| entry | value |", "| --- | --- |"
	texts, docs := make([]string, len(formats)), make([]map[string]any, len(formats))
	for i, f := range formats {
		texts[i] = readText(t, filepath.Join(f.golden, name+".json"))
		docs[i] = parseText(t, texts[i])
		header += " " + f.name + " |"
		rule += " --- |"
	}
	page.WriteString(header + "\n" + rule + "\n")
	entry := make(map[string]string)
	leaves("", parseText(t, raw), nil, func(path, value string) {
		// Words that are everywhere would be found everywhere.
		if path != "object" && path != "actor.type" && !strings.HasSuffix(path, "principal_type") {
			entry[path] += value + "\n"
		}
	})
	for _, path := range slices.Sorted(maps.Keys(entry)) {
		values := strings.Split(strings.TrimSuffix(entry[path], "\n"), "\n")
		fmt.Fprintf(page, "| `%s` | %s |", path, cell(values))
		for i, f := range formats {
			fmt.Fprintf(page, " %s |", strings.Join(findIn(docs[i], f.leftOut, path, values[0]), ", "))
		}
		page.WriteString("\n")
	}
	page.WriteString("\n")
	document(page, "entry", raw)
	for i, f := range formats {
		document(page, f.name, withoutEntry(texts[i], f.entry))
	}
}

func document(page *bytes.Buffer, name, text string) {
	fmt.Fprintf(page, "<details><summary>%s</summary>\n\n```json\n%s\n```\n\n</details>\n", name, strings.TrimSpace(text))
}

// findIn returns the fields of a document that have the value, in code spans.
func findIn(doc map[string]any, leftOut []string, path, value string) []string {
	want := []string{value}
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil && path == "effective_at" {
		want = append(want, value+"000", time.Unix(seconds, 0).UTC().Format(time.RFC3339))
	}
	var found []string
	leaves("", doc, leftOut, func(path, text string) {
		field := ""
		switch {
		case slices.Contains(want, text):
			field = "`" + path + "`"
		case len(value) > 5 && strings.Contains(text, value), strings.HasSuffix(text, "-"+value):
			field = "~`" + path + "`"
		}
		if field != "" && !slices.Contains(found, field) {
			found = append(found, field)
		}
	})
	return found
}

// leaves calls f for every scalar, in the order of the names, those below a path
// that is left out apart.
func leaves(path string, value any, leftOut []string, f func(path, text string)) {
	if slices.Contains(leftOut, path) {
		return
	}
	switch value := value.(type) {
	case nil:
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			leaves(strings.TrimPrefix(path+"."+name, "."), value[name], leftOut, f)
		}
	case []any:
		for _, e := range value {
			leaves(path+"[]", e, leftOut, f)
		}
	default:
		f(path, fmt.Sprint(value))
	}
}

// cell shows values in a table, shortened.
func cell(values []string) string {
	text := []rune(strings.Join(values, ", "))
	if len(text) > 40 {
		text = append(text[:39], '…')
	}
	return strings.ReplaceAll(string(text), "|", "\\|")
}

// withoutEntry cuts the member that is the entry, at whatever depth, out of a
// document that json.Indent laid out.
func withoutEntry(text, member string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		if !strings.HasPrefix(line, indent+`"`+member+`": `) {
			continue
		}
		end := i
		if strings.HasSuffix(line, "{") {
			for !strings.HasPrefix(lines[end], indent+"}") {
				end++
			}
		}
		comma := ""
		if strings.HasSuffix(lines[end], ",") {
			comma = ","
		}
		return strings.Join(slices.Concat(lines[:i], []string{indent + `"` + member + `": "…"` + comma}, lines[end+1:]), "\n")
	}
	return text
}

func readText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parseText(t *testing.T, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var doc map[string]any
	if err := d.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	return doc
}
