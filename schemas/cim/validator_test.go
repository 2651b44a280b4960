package cim_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// validator checks documents against the data models: testdata has their table. It
// knows nothing of the mapping.
type validator struct {
	rows []map[string]string
	seen map[string]map[bool]bool // every field so far, in Authentication (true) and Change
}

// ours are the fields that no data model has.
var ours = []string{
	"effective_at", "event_id", "event_type", "stream", "severity", "severity_reason", "vendor_product", "api_key_id", "project_id",
	"principal_type", "principal_id", "role_id", "resource_type", "resource_id", "problems", "raw", "raw_base64",
}

// ifSaid are fields that the models want and not every entry says.
var ifSaid = []string{"user", "src", "src_user", "object", "object_id", "object_attrs", "status", "result", "command"}

// metadata are fields that Splunk gives every event; one in the document would be a
// second value.
var metadata = []string{"source", "sourcetype", "host", "index", "time", "_time", "_raw", "tag", "eventtype", "punct", "linecount", "splunk_server"}

func newValidator(t testing.TB) *validator {
	t.Helper()
	f, err := os.Open("testdata/cim.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	v := &validator{seen: map[string]map[bool]bool{}}
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, cell := range line {
			row[lines[0][i]] = cell
		}
		v.rows = append(v.rows, row)
	}
	if len(v.rows) < 100 {
		t.Fatalf("%d rows", len(v.rows))
	}
	return v
}

// dataset finds the data set that an event with these tags belongs to: the one with
// the same tags that is nearest to the root.
func (v *validator) dataset(tags []string) string {
	for _, row := range v.rows {
		if row["tags"] == strings.Join(tags, ";") {
			return row["dataset"]
		}
	}
	return ""
}

// fields returns the rows of a data set and of those it inherits from, by field.
func (v *validator) fields(dataset string) map[string]map[string]string {
	fields := map[string]map[string]string{}
	for dataset != "BaseEvent" {
		parent := "BaseEvent"
		for _, row := range v.rows {
			if row["dataset"] == dataset {
				parent = row["parent"]
				if fields[row["field"]] == nil && row["field"] != "" {
					fields[row["field"]] = row
				}
			}
		}
		dataset = parent
	}
	return fields
}

// check returns what is wrong with a document of an event with these tags.
func (v *validator) check(document []byte, tags []string) (problems []string) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	names, values, err := members(document)
	if err != nil {
		return []string{err.Error()}
	}
	dataset := v.dataset(tags)
	if dataset == "" {
		return []string{fmt.Sprintf("no data set has the tags %q", tags)}
	}
	fields := v.fields(dataset)
	for i, name := range names {
		if v.seen[name] == nil {
			v.seen[name] = map[bool]bool{}
		}
		v.seen[name][dataset == "Authentication"] = true
		if slices.Contains(names[:i], name) {
			wrong("%s is there twice", name)
		}
		text, isText := values[i].(string)
		switch {
		case name == "raw_base64":
			if values[i] != true {
				wrong("raw_base64 is %v", values[i])
			}
			continue
		case !isText:
			wrong("%s: %v is no text", name, values[i])
		case text == "" && name != "raw" && name != "event_id" && name != "event_type":
			wrong("%s is empty", name)
		}
		row := fields[name]
		switch {
		case slices.Contains(metadata, name):
			wrong("%s is Splunk's own", name)
		case row == nil && !slices.Contains(ours, name):
			wrong("%s is no field of %s", name, dataset)
		case row != nil && row["status"] == "auto":
			wrong("%s must not be sent", name)
		case row != nil && row["type"] != "string":
			wrong("%s is a %s", name, row["type"])
		}
		if list := row["prescribed_values"]; list != "" && !slices.Contains(strings.Split(list, ";"), text) {
			wrong("%s: %q is not prescribed", name, text)
		}
		if name == "effective_at" {
			if _, err := time.Parse(time.RFC3339, text); err != nil {
				wrong("effective_at: %v", err)
			}
		}
	}
	for name, row := range fields {
		if row["required_by_addon_test"] == "yes" && !slices.Contains(ifSaid, name) && !slices.Contains(names, name) {
			wrong("%s is missing", name)
		}
	}
	value := func(name string) any {
		if i := slices.Index(names, name); i >= 0 {
			return values[i]
		}
		return nil
	}
	if (dataset == "Account_Management") != (value("object_category") == "user") {
		wrong("object_category %v in %s", value("object_category"), dataset)
	}
	return problems
}

// members reads an object that nothing is nested in.
func members(document []byte) (names []string, values []any, err error) {
	d := json.NewDecoder(bytes.NewReader(document))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return nil, nil, fmt.Errorf("not an object: %v, %w", token, err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		value, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		if _, nested := value.(json.Delim); nested {
			return nil, nil, fmt.Errorf("%v is not flat", name)
		}
		names, values = append(names, name.(string)), append(values, value)
	}
	if _, err := d.Token(); err != nil {
		return nil, nil, err
	}
	if d.More() {
		return nil, nil, fmt.Errorf("something follows")
	}
	return names, values, nil
}
