package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"auditlog-connector/internal/strictyaml"
)

// outputFlag adds -o with the given formats, the first of which is the default.
func outputFlag(cmd *cobra.Command, into *string, formats ...string) {
	cmd.Flags().StringVarP(into, "output", "o", formats[0], "output format: "+strings.Join(formats, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(slices.Clone(formats), cobra.ShellCompDirectiveNoFileComp))
	check := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if !slices.Contains(formats, *into) {
			return fmt.Errorf("--output %s: unknown format (%s)", *into, strictyaml.DidYouMean(*into, formats))
		}
		if check != nil {
			return check(cmd, args)
		}
		return nil
	}
}

// configFlag adds --config.
func configFlag(cmd *cobra.Command, into *string) {
	cmd.Flags().StringVarP(into, "config", "c", "", "configuration file (default: "+defaultFile+" if there is one, else built in)")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
}

// writeJSON writes v indented, with a newline, and <, > and & as they are.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// writeJSONLine writes v on one line, with <, > and & as they are.
func writeJSONLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// writeTable writes rows in aligned columns, two spaces apart.
func writeTable(w io.Writer, header []string, rows [][]string) error {
	widths := columnWidths(header, rows)
	for _, row := range append([][]string{header}, rows...) {
		if _, err := io.WriteString(w, tableRow(row, widths)); err != nil {
			return err
		}
	}
	return nil
}

func columnWidths(header []string, rows [][]string) []int {
	widths := make([]int, len(header))
	for _, row := range append([][]string{header}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

// tableRow returns one line, without spaces at its end.
func tableRow(row []string, widths []int) string {
	var b strings.Builder
	for i, cell := range row {
		if i > 0 {
			b.WriteString("  ")
		}
		b.WriteString(cell)
		b.WriteString(strings.Repeat(" ", max(widths[i]-utf8.RuneCountInString(cell), 0)))
	}
	return strings.TrimRight(b.String(), " ") + "\n"
}

// printable returns text with everything that could move the cursor, hide text
// or break a line spelled out: audit data comes from strangers.
func printable(text string) string {
	clean := func(r rune) bool { return r != utf8.RuneError && unicode.IsPrint(r) }
	if strings.IndexFunc(text, func(r rune) bool { return !clean(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		if clean(r) {
			b.WriteRune(r)
			continue
		}
		_, size := utf8.DecodeRuneInString(text[i:])
		quoted := fmt.Sprintf("%q", text[i:i+size])
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}
