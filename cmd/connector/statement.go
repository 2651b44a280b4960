package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// readingWords begin the statements that only read.
var readingWords = []string{"SELECT", "WITH", "VALUES", "EXPLAIN"}

// checkStatement returns an error unless sql is one statement that reads. The
// database is opened read-only as well; this is for a message that helps, and
// for statements that would write other files.
func checkStatement(sql string) error {
	first, more := scanStatement(sql)
	word := strings.ToUpper(first)
	switch {
	case word == "":
		return errors.New("there is no statement")
	case word == "PRAGMA":
		return errors.New(`PRAGMA is not allowed (try: SELECT * FROM pragma_table_info('events'))`)
	case !slices.Contains(readingWords, word):
		return fmt.Errorf("%s is not allowed: query only reads (allowed: SELECT, WITH, VALUES, EXPLAIN)", printable(word))
	case more:
		return errors.New("one statement at a time")
	}
	return nil
}

// scanStatement returns the first word of sql and whether another statement
// follows the first.
func scanStatement(sql string) (first string, more bool) {
	ended := false
	for sql != "" {
		n, kind := nextToken(sql)
		switch {
		case kind == tokenSpace:
		case kind == tokenEnd:
			ended = first != ""
		case ended:
			return first, true
		case first == "":
			first = sql[:n]
		}
		sql = sql[n:]
	}
	return first, false
}

type tokenKind int

const (
	tokenSpace tokenKind = iota // white space and comments
	tokenWord                   // a word or a quoted piece
	tokenEnd                    // a semicolon
	tokenOther
)

// nextToken returns the length, at least 1, and the kind of the token at the
// start of sql, which is not empty.
func nextToken(sql string) (int, tokenKind) {
	until := func(start int, end string) int {
		if i := strings.Index(sql[start:], end); i >= 0 {
			return start + i + len(end)
		}
		return len(sql)
	}
	switch c := sql[0]; {
	case strings.HasPrefix(sql, "--"):
		return until(2, "\n"), tokenSpace
	case strings.HasPrefix(sql, "/*"):
		return until(2, "*/"), tokenSpace
	case strings.IndexByte(" \t\r\n\f\v", c) >= 0:
		return 1, tokenSpace
	case c == ';':
		return 1, tokenEnd
	case c == '\'' || c == '"' || c == '`':
		return until(1, string(c)), tokenWord // '' inside is two quoted pieces in a row
	case c == '[':
		return until(1, "]"), tokenWord
	case isWordByte(c):
		n := 1
		for n < len(sql) && isWordByte(sql[n]) {
			n++
		}
		return n, tokenWord
	}
	return 1, tokenOther
}

func isWordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
