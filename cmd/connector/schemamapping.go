package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"auditlog-connector/schemas/cim"
	"auditlog-connector/schemas/ecs"
	"auditlog-connector/schemas/ocsf"
)

// What "schema ecs", "schema ocsf" and "schema cim" print of a field.
type (
	ecsField struct {
		Field string `json:"field"`
		Type  string `json:"type"`
		List  bool   `json:"list"`
		From  string `json:"from"`
	}
	ocsfAttribute struct {
		Attribute string `json:"attribute"`
		Classes   []int  `json:"classes"` // empty: all
		From      string `json:"from"`
		Rule      string `json:"rule"`
	}
	cimField struct {
		Field string `json:"field"`
		Model string `json:"model"`
		From  string `json:"from"`
	}
)

// mappingCommands returns the verbs that print how a record becomes a document.
func (a *app) mappingCommands() []*cobra.Command {
	const what = "%s prints every field that a document in this schema may have, in the order in which\n" +
		"they are written, and what of the record, or of the catalogue of event types, it\n" +
		"holds. A field is left out of a document if the event has nothing for it.\n\n%s\n" +
		"\"connector normalize --to %s\" shows it on events."
	verb := func(name, title, more, example string, list func() listing) *cobra.Command {
		return a.listingCommand(&cobra.Command{
			Use: name, Short: "Prints the mapping to " + title, Long: fmt.Sprintf(what, name, more, name), Example: example,
		}, list)
	}
	return []*cobra.Command{
		verb("ecs", "the Elastic Common Schema "+ecs.Version, "LIST says that the field is always a list. Everything but openai.audit is ECS.",
			"  connector schema ecs\n  connector schema ecs -o json | jq -r '.[] | select(.type == \"ip\").field'", listECS),
		verb("ocsf", "the Open Cybersecurity Schema Framework "+ocsf.Version, "CLASSES are the class_uids that have the attribute; none: all.",
			"  connector schema ocsf\n  connector schema ocsf -o csv > ocsf.csv", listOCSF),
		verb("cim", "Splunk's Common Information Model", "MODEL is the data model, or the data set, that has the field; none: it is ours.",
			"  connector schema cim\n  connector schema cim -o json | jq -r '.[] | select(.model != \"\").field'", listCIM),
	}
}

func listECS() listing {
	l := listing{names: []string{"field", "type", "list", "from"}}
	var entries []ecsField
	for _, r := range ecs.Table() {
		entries = append(entries, ecsField(r))
		l.rows = append(l.rows, []string{r.Field, r.Type, fmt.Sprint(r.List), r.From})
	}
	l.entries = entries
	return l
}

func listOCSF() listing {
	l := listing{names: []string{"attribute", "classes", "from", "rule"}}
	var entries []ocsfAttribute
	for _, r := range ocsf.Table() {
		e := ocsfAttribute(r)
		e.Classes = append([]int{}, r.Classes...) // none is an empty list
		classes := make([]string, len(r.Classes))
		for i, c := range r.Classes {
			classes[i] = strconv.Itoa(c)
		}
		entries = append(entries, e)
		l.rows = append(l.rows, []string{r.Attribute, strings.Join(classes, ";"), r.From, r.Rule})
	}
	l.entries = entries
	return l
}

func listCIM() listing {
	l := listing{names: []string{"field", "model", "from"}}
	var entries []cimField
	for _, r := range cim.Table() {
		entries = append(entries, cimField(r))
		l.rows = append(l.rows, []string{r.Field, r.Model, r.From})
	}
	l.entries = entries
	return l
}
