package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"auditlog-connector/schemas"
)

func (a *app) schemaCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "schema",
		Short:   "Prints the records' schema and the catalogue of event types",
		Example: "  connector schema avro > audit_event.avsc\n  connector schema types",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.schemaAvroCommand(), a.schemaTypesCommand())
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
	var output string
	cmd := &cobra.Command{
		Use:   "types",
		Short: "Prints the catalogue of event types",
		Long: `types prints every event type that is known, with the stream it comes from and
what it means. Some payloads make an event graver than the severity given here.`,
		Example: "  connector schema types\n  connector schema types -o json | jq -r '.[] | select(.severity == \"high\").type'",
		Args:    cobra.NoArgs,
		RunE: a.verb(func(context.Context, []string) error {
			var entries []catalogueEntry
			var rows [][]string
			for _, t := range schemas.Catalogue().Types() {
				entries = append(entries, catalogueEntry{t.Type, t.Feed, t.Action, t.Outcome, t.Severity, t.ObjectType, t.Documented})
				rows = append(rows, []string{t.Type, t.Feed, t.Action, t.Outcome, t.Severity, t.ObjectType})
			}
			if output == "json" {
				return writeJSON(a.stdout, entries)
			}
			return writeTable(a.stdout, []string{"TYPE", "STREAM", "ACTION", "OUTCOME", "SEVERITY", "OBJECT"}, rows)
		}),
	}
	outputFlag(cmd, &output, "table", "json")
	return cmd
}
