package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"auditlog-connector/schemas"
)

func (a *app) schemaCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "schema",
		Short:   "Prints the record's schema, the catalogue of event types, and the mappings",
		Example: "  connector schema avro > audit_event.avsc\n  connector schema types\n  connector schema ecs -o csv > ecs.csv",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.schemaAvroCommand(), a.schemaTypesCommand())
	cmd.AddCommand(a.mappingCommands()...)
	return cmd
}

func (a *app) schemaAvroCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "avro",
		Short:   "Prints the Avro schema of a record",
		Example: "  connector schema avro > audit_event.avsc",
		Args:    cobra.NoArgs,
		RunE: a.verb(func(context.Context, []string) error {
			_, err := fmt.Fprintln(a.stdout, strings.TrimSpace(schemas.Schema()))
			return err
		}),
	}
}

// catalogueEntry is what "schema types" prints of an event type.
type catalogueEntry struct {
	Type       string `json:"type"`
	Stream     string `json:"stream"`
	Action     string `json:"action"`
	Outcome    string `json:"outcome"`
	Severity   string `json:"severity"`
	ObjectType string `json:"object_type"`
	Documented bool   `json:"documented"`
}

func (a *app) schemaTypesCommand() *cobra.Command {
	return a.listingCommand(&cobra.Command{
		Use:   "types",
		Short: "Prints the catalogue of event types",
		Long: `types prints every event type that is known, with the stream it comes from and
what it means. Some payloads make an event graver than the severity given here.`,
		Example: "  connector schema types\n  connector schema types -o json | jq -r '.[] | select(.severity == \"high\").type'",
	}, func() listing {
		l := listing{names: []string{"type", "stream", "action", "outcome", "severity", "object_type", "documented"}}
		var entries []catalogueEntry
		for _, t := range schemas.Catalogue().Types() {
			entries = append(entries, catalogueEntry{t.Type, t.Feed, t.Action, t.Outcome, t.Severity, t.ObjectType, t.Documented})
			l.rows = append(l.rows, []string{t.Type, t.Feed, t.Action, t.Outcome, t.Severity, t.ObjectType, fmt.Sprint(t.Documented)})
		}
		l.entries = entries
		return l
	})
}

// listing is a table that a verb prints in several forms.
type listing struct {
	names   []string // of the columns, as in JSON and CSV
	rows    [][]string
	entries any // for JSON, a list
}

// listingCommand makes cmd the verb that prints what list returns.
func (a *app) listingCommand(cmd *cobra.Command, list func() listing) *cobra.Command {
	var output string
	cmd.Args = cobra.NoArgs
	cmd.RunE = a.verb(func(context.Context, []string) error { return list().print(a.stdout, output) })
	outputFlag(cmd, &output, "table", "json", "csv")
	return cmd
}

func (l listing) print(w io.Writer, output string) error {
	switch output {
	case "json":
		return writeJSON(w, l.entries)
	case "csv":
		c := csv.NewWriter(w)
		_ = c.Write(l.names)
		_ = c.WriteAll(l.rows) // flushes
		return c.Error()
	}
	header := make([]string, len(l.names))
	for i, name := range l.names {
		header[i] = strings.ToUpper(strings.ReplaceAll(name, "_", " "))
	}
	return writeTable(w, header, l.rows)
}
