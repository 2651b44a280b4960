package auditlog_test

import (
	"bytes"
	"encoding/csv"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"auditlog-connector/schemas"
	"auditlog-connector/sources/openai/auditlog"
)

var update = flag.Bool("update", false, "rewrite docs/event-types.md")

// The reference in docs is written by this test, from the catalogue and the model.
func TestReference(t *testing.T) {
	path := filepath.Join("..", "..", "..", "docs", "event-types.md")
	got := reference(t)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the catalogue and the model say; rewrite it: go test ./sources/openai/auditlog -run TestReference -update", path)
	}
}

// page is a Markdown document being written.
type page struct{ bytes.Buffer }

func (p *page) text(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *page) row(cells ...string) {
	for _, c := range cells {
		p.WriteString("| " + strings.ReplaceAll(c, "|", `\|`) + " ")
	}
	p.WriteString("|\n")
}

func (p *page) header(cells ...string) {
	p.row(cells...)
	p.WriteString(strings.Repeat("| --- ", len(cells)) + "|\n")
}

// code puts texts in code spans.
func code(texts ...string) string {
	var spans []string
	for _, s := range texts {
		if s != "" {
			spans = append(spans, "`"+s+"`")
		}
	}
	return strings.Join(spans, ", ")
}

func reference(t *testing.T) []byte {
	p := &page{}
	types := schemas.Catalogue().Types()
	p.text(`# Event types

<!-- Written by "go test ./sources/openai/auditlog -run TestReference -update" from schemas/catalogue and sources/openai/auditlog. -->

For whoever writes detections, reads records, or wants to know what becomes of a type: the %d types of OpenAI's audit log that the
connector knows, the rules for those it does not know, and the payloads that are documented.

* [What happened](#what-happened): action, object, outcome and severity of the record
* [Where it goes](#where-it-goes): ECS, OCSF and CIM
* [What the payload changes](#what-the-payload-changes)
* [Types that are not listed](#types-that-are-not-listed)
* [Targets that are not named](#targets-that-are-not-named)
* [Payloads](#payloads)

Severity says how much an act deserves a look, not whether it is malicious. The ATT&CK technique is what the act would be if it were. The
outcome of an update says that it was requested.
`, len(types))
	p.text("## What happened\n")
	for _, stream := range []string{"organization", "tenant"} {
		p.text("### Stream %s\n", stream)
		p.header("type", "action", "object", "outcome", "severity", "because", "ATT&CK", "note")
		for _, e := range types {
			if e.Feed == stream {
				p.row(code(e.Type), e.Action, e.ObjectType, e.Outcome, e.Severity, e.SeverityReason, strings.Join(e.MITREAttack, ", "), e.Note)
			}
		}
		p.text("")
	}
	p.text("`checkpoint_permission.created` and `checkpoint_permission.deleted` are older names of `checkpoint.permission.*`.\n")
	p.text("## Where it goes\n")
	p.header("type", "ECS category", "ECS type", "OCSF class", "OCSF activity", "CIM data set", "CIM action", "CIM object", "CIM change")
	for _, e := range types {
		p.row(code(e.Type), strings.Join(e.ECS.Category, ", "), strings.Join(e.ECS.Type, ", "), fmt.Sprint(e.OCSF.ClassUID),
			fmt.Sprintf("%d %s", e.OCSF.ActivityID, e.OCSF.ActivityName), e.CIM.Model+"."+e.CIM.Dataset, e.CIM.Action, e.CIM.ObjectCategory, e.CIM.ChangeType)
	}
	p.text("")
	p.overrides(t)
	p.fallback(t)
	p.text("## Targets that are not named\n")
	p.text("Of types without a documented payload, `id` and `name` are tried, and there may be none. Entries of these documented types need not name all\n" +
		"that was acted on either:\n")
	p.header("type", "why")
	for _, e := range types {
		if e.TargetUnknown != "" {
			p.row(code(e.Type), e.TargetUnknown)
		}
	}
	p.text("")
	p.payloads(types)
	return p.Bytes()
}

// overrides writes what a payload changes of its type's row.
func (p *page) overrides(t *testing.T) {
	p.text("## What the payload changes\n")
	p.text("The first row that hits wins in each column.\n")
	p.header("type", "when", "becomes", "note")
	for _, r := range table(t, "event-types-overrides.csv") {
		when := code(r["when_path"]) + " is " + r["when_op"]
		switch r["when_op"] {
		case "equals":
			when = code(r["when_path"]) + " is " + code(r["when_value"])
		case "contains":
			when = code(r["when_path"]) + " contains " + code(r["when_value"])
		}
		var becomes []string
		for _, column := range overrideColumns {
			if r[column] != "" {
				becomes = append(becomes, strings.ReplaceAll(column, "_", " ")+" "+strings.ReplaceAll(r[column], ";", ", "))
			}
		}
		p.row(code(r["type"]), when, strings.Join(becomes, "; "), r["note"])
	}
	p.text("")
}

var overrideColumns = []string{"severity", "severity_reason", "ecs_type", "ocsf_class_uid", "ocsf_activity_id", "ocsf_activity_name",
	"ocsf_required_target", "cim_dataset", "cim_tags", "cim_action", "cim_object_category", "mitre_attack"}

// fallback writes the rules for types that are not listed.
func (p *page) fallback(t *testing.T) {
	p.text(`## Types that are not listed

OpenAI adds types without notice. One that is not listed is classified by its verb, the last part, and its noun, what stands before; the
record says ` + "`known_type: false`" + `, and the metric ` + "`connector_source_unknown_types_total`" + ` counts it. The first rule that matches counts. The object is the type
without ` + "`tenant.`" + ` and without the verb.
`)
	rules := table(t, "event-types-fallback.csv")
	p.header("verb", "action", "ECS type", "outcome", "OCSF activity", "CIM action", "severity", "note")
	for _, r := range rules {
		if r["kind"] == "verb" {
			p.row(code(r["regexp"]), r["action"], r["ecs_type"], r["ecs_outcome"], strings.TrimSpace(r["ocsf_class_uid"]+"/"+r["ocsf_activity_id"]+" "+r["ocsf_activity_name"]),
				r["cim_model"]+" "+r["cim_action"], r["severity"], r["note"])
		}
	}
	p.text("")
	p.header("noun", "ECS category", "CIM change", "note")
	for _, r := range rules {
		if r["kind"] == "object" {
			p.row(code(r["regexp"]), r["ecs_category"], r["cim_change_type"], r["note"])
		}
	}
	p.text("")
}

// payloads writes the fields of what is documented.
func (p *page) payloads(types []*schemas.EventType) {
	p.text(`## Payloads

Every entry has these fields. What is marked † is in no specification: it was seen in live entries, in OpenAI's own examples, or in what
others published. All of an entry is in ` + "`raw`" + `, whether it is listed or not.
`)
	p.text("%s\n", fields(auditlog.EnvelopeFields()))
	p.text("The payload stands under a key named like the type. %d payloads are documented; of the other types nobody has published one.\n", len(auditlog.Types()))
	p.header("type", "fields")
	for _, e := range types {
		if e.Documented {
			p.row(code(e.Type), fields(auditlog.Fields(e.Type)))
		}
	}
}

func fields(list []auditlog.Field) string {
	if len(list) == 0 {
		return "none"
	}
	var all []string
	for _, f := range list {
		mark := ""
		if !f.Documented {
			mark = " †"
		}
		all = append(all, code(f.Path)+" "+f.Type+mark)
	}
	return strings.Join(all, ", ")
}

// table reads one of the catalogue's tables.
func table(t *testing.T, name string) []map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "..", "schemas", "catalogue", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	for _, line := range lines[1:] {
		r := make(map[string]string)
		for i, cell := range line {
			r[lines[0][i]] = cell
		}
		rows = append(rows, r)
	}
	return rows
}
