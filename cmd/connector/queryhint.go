package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"auditlog-connector/internal/strictyaml"
)

// explain returns what SQLite said about text, with a hint where there is one.
func explain(ctx context.Context, db *sql.DB, text string, err error) error {
	if errors.Is(err, context.Canceled) || ctx.Err() != nil {
		return ctx.Err()
	}
	message := plain(err).Error()
	hint := ""
	switch {
	case strings.Contains(message, "readonly database"):
		message, hint = "the statement writes: query only reads", ""
	case strings.HasPrefix(message, "no such table: "):
		hint = strictyaml.DidYouMean(strings.TrimPrefix(message, "no such table: "), names(ctx, db, tablesQuery))
	case strings.HasPrefix(message, "no such column: "):
		hint = columnHint(ctx, db, text, strings.TrimPrefix(message, "no such column: "))
	}
	if hint == "" {
		return errors.New(message)
	}
	return fmt.Errorf("%s (%s)", message, hint)
}

// columnHint says what to write instead of a column that does not exist.
func columnHint(ctx context.Context, db *sql.DB, text, column string) string {
	column, _, _ = strings.Cut(column, " - ") // SQLite's own hint about double quotes
	quoted := strings.Contains(text, `"`+strings.Trim(column, `"`)+`"`)
	column = strings.Trim(column, `"`)
	columns := names(ctx, db, columnsQuery(text))
	switch {
	case !quoted && slices.Contains(columns, column):
		return fmt.Sprintf(`write it in double quotes: "%s"`, column)
	case strictyaml.Suggest(column, columns) != "":
		return strictyaml.DidYouMean(column, columns)
	case quoted:
		return fmt.Sprintf("text goes in single quotes: '%s'", column)
	}
	const most = 12 // audit_logs has a column per event type
	if len(columns) > most {
		columns = append(columns[:most:most], "…")
	}
	return strictyaml.DidYouMean(column, columns)
}

const tablesQuery = `SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name`

// columnsQuery lists the columns of the tables that text mentions.
func columnsQuery(text string) string {
	var mentioned []string
	for text != "" {
		n, kind := nextToken(text)
		if kind == tokenWord {
			word := strings.Trim(text[:n], "\"'`[]")
			mentioned = append(mentioned, "'"+strings.ReplaceAll(word, "'", "''")+"'")
		}
		text = text[n:]
	}
	return `SELECT DISTINCT c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
		WHERE t.type IN ('table', 'view') AND t.name COLLATE NOCASE IN (` + strings.Join(mentioned, ", ") + `)`
}

// names returns the first column of a query, or nil if it fails: it is for hints.
func names(ctx context.Context, db *sql.DB, query string) []string {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var name string
		if rows.Scan(&name) == nil {
			found = append(found, name)
		}
	}
	if rows.Err() != nil {
		return nil
	}
	return found
}
