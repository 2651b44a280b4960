package main

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// rowWriter prints the rows of a query. Memory stays bounded: a table's columns
// are as wide as the first rows need, the rest is printed as it comes.
type rowWriter struct {
	columns []string
	format  rowFormat
	cut     bool // a value was cut
}

// rowFormat prints rows in one form; end is called once, also without rows.
type rowFormat interface {
	row(values []any) error
	end() error
}

func newRowWriter(format string, w io.Writer, rows *sql.Rows) (*rowWriter, error) {
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	r := &rowWriter{columns: columns}
	switch format {
	case "json":
		r.format = &jsonRows{w: w, columns: distinct(columns)}
	case "csv":
		r.format = newCSVRows(w, columns)
	default:
		t := &tableRows{w: w, header: columns, cut: &r.cut}
		if isTerminal(w) {
			t.longest = 80
		}
		r.format = t
	}
	return r, nil
}

// all prints what is left of rows.
func (r *rowWriter) all(rows *sql.Rows) error {
	values := make([]any, len(r.columns))
	into := make([]any, len(r.columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := r.format.row(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (r *rowWriter) end() error { return r.format.end() }

// distinct returns names with a number behind those that came before.
func distinct(names []string) []string {
	seen := make(map[string]bool)
	unique := make([]string, len(names))
	for i, name := range names {
		candidate := name
		for n := 2; seen[candidate]; n++ {
			candidate = name + "_" + strconv.Itoa(n)
		}
		seen[candidate] = true
		unique[i] = candidate
	}
	return unique
}

// text returns a value as text, and whether it is one that text cannot hold.
func text(v any) (s string, binary bool) {
	switch v := v.(type) {
	case nil:
		return "", false
	case string:
		return v, !utf8.ValidString(v)
	case []byte:
		return string(v), !utf8.Valid(v)
	case int64:
		return strconv.FormatInt(v, 10), false
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), false
	case time.Time:
		return v.Format(time.RFC3339Nano), false
	}
	return fmt.Sprint(v), false
}

// tableRows prints aligned columns, NULL for no value.
type tableRows struct {
	w       io.Writer
	header  []string
	longest int // runes of a value; 0: all
	cut     *bool
	widths  []int // nil: still gathering
	held    [][]string
}

// gathered is how many rows decide how wide the columns are.
const gathered = 1000

func (t *tableRows) row(values []any) error {
	cells := make([]string, len(values))
	for i, v := range values {
		cells[i] = t.cell(v)
	}
	if t.widths != nil {
		_, err := io.WriteString(t.w, tableRow(cells, t.widths))
		return err
	}
	if t.held = append(t.held, cells); len(t.held) == gathered {
		return t.flush()
	}
	return nil
}

func (t *tableRows) cell(v any) string {
	if v == nil {
		return "NULL"
	}
	s, binary := text(v)
	if binary {
		s = "x'" + hex.EncodeToString([]byte(s)) + "'"
	}
	s = printable(s)
	if t.longest > 0 && utf8.RuneCountInString(s) > t.longest {
		*t.cut = true
		s = string([]rune(s)[:t.longest-1]) + "…"
	}
	return s
}

func (t *tableRows) flush() error {
	header := make([]string, len(t.header))
	for i, name := range t.header {
		header[i] = printable(name)
	}
	t.widths = columnWidths(header, t.held)
	var b bytes.Buffer
	b.WriteString(tableRow(header, t.widths))
	for _, row := range t.held {
		b.WriteString(tableRow(row, t.widths))
	}
	t.held = nil
	_, err := b.WriteTo(t.w)
	return err
}

func (t *tableRows) end() error {
	if t.widths == nil {
		return t.flush()
	}
	return nil
}

// csvRows prints RFC 4180 with a header, nothing for no value, base64 for what is
// not text.
type csvRows struct{ w *csv.Writer }

func newCSVRows(w io.Writer, columns []string) *csvRows {
	c := &csvRows{csv.NewWriter(w)}
	_ = c.w.Write(columns) // kept by the writer and returned by end
	return c
}

func (c *csvRows) row(values []any) error {
	record := make([]string, len(values))
	for i, v := range values {
		s, binary := text(v)
		if binary {
			s = base64.StdEncoding.EncodeToString([]byte(s))
		}
		record[i] = s
	}
	return c.w.Write(record)
}

func (c *csvRows) end() error {
	c.w.Flush()
	return c.w.Error()
}

// jsonRows prints an array of objects, keys in the order of the columns, base64
// for what is not text.
type jsonRows struct {
	w       io.Writer
	columns []string
	begun   bool
}

func (j *jsonRows) row(values []any) error {
	var b bytes.Buffer
	if j.begun {
		b.WriteString(",\n")
	} else {
		b.WriteString("[\n")
		j.begun = true
	}
	b.WriteString("  {")
	for i, v := range values {
		if i > 0 {
			b.WriteString(", ")
		}
		key, err := jsonText(j.columns[i])
		if err != nil {
			return err
		}
		value, err := jsonValue(v)
		if err != nil {
			return err
		}
		b.Write(key)
		b.WriteString(": ")
		b.Write(value)
	}
	b.WriteString("}")
	_, err := b.WriteTo(j.w)
	return err
}

func (j *jsonRows) end() error {
	closing := "\n]\n"
	if !j.begun {
		closing = "[]\n"
	}
	_, err := io.WriteString(j.w, closing)
	return err
}

func jsonValue(v any) ([]byte, error) {
	switch v := v.(type) {
	case nil, bool, int64:
		return json.Marshal(v)
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return jsonText(strconv.FormatFloat(v, 'g', -1, 64))
		}
		return json.Marshal(v)
	}
	s, binary := text(v)
	if binary {
		s = base64.StdEncoding.EncodeToString([]byte(s))
	}
	return jsonText(s)
}

// jsonText encodes s without escaping <, > and &.
func jsonText(s string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(s)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
