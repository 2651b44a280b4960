package format

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
)

// orderKey is the entry of a file's metadata that says how rows, which are sorted
// by time, lay in the batch: base64 of each row's index, as varints. It is left out
// if they lay the same.
const orderKey = "auditlog.order"

// table is a schema as Parquet has it.
type table struct {
	schema *parquet.Schema
	time   string   // the column that rows are sorted by
	blobs  []string // columns without statistics: nobody asks for a range of them
	row    func(dst parquet.Row, e *schemas.AuditEvent) (parquet.Row, error)
	read   func(body []byte, yield func(Event) error) error
}

// tables are the schemas that there are as Parquet.
var tables = map[string]*table{
	"normalized": recordTable,
	"ecs":        documentTable[ecsRow]("AuditEventECS", "ecs", "timestamp"),
	"ocsf":       documentTable[ocsfRow]("AuditEventOCSF", "ocsf", "time_dt"),
}

func tableNames() string {
	names := make([]string, 0, len(tables))
	for name := range tables {
		names = append(names, name)
	}
	slices.Sort(names)
	return "parquet has: " + strings.Join(names, ", ")
}

// parquetEncoder writes Parquet files of one row group.
type parquetEncoder struct {
	table   *table
	codec   compress.Codec
	out     bytes.Buffer
	rows    []parquet.Row
	indexes []int
}

func newParquetEncoder(f Format) encoder {
	e := &parquetEncoder{table: tables[f.Schema], codec: &parquet.Zstd}
	if f.Compression == "snappy" {
		e.codec = &parquet.Snappy
	}
	return e
}

// rowsAtOnce is how many rows are made before they are handed over.
const rowsAtOnce = 256

func (e *parquetEncoder) encode(b *pipeline.Batch) ([]byte, error) {
	e.indexes = e.indexes[:0]
	for i := range b.Records {
		e.indexes = append(e.indexes, i)
	}
	slices.SortStableFunc(e.indexes, func(i, j int) int {
		return b.Records[i].Audit.EffectiveAt.Compare(b.Records[j].Audit.EffectiveAt)
	})
	if e.out.Cap() > keep {
		e.out = bytes.Buffer{}
	}
	e.out.Reset()
	options := []parquet.WriterOption{
		e.table.schema,
		parquet.Compression(e.codec),
		parquet.CreatedBy("auditlog-connector", "1", "parquet-go"),
		parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending(e.table.time))),
	}
	for _, name := range e.table.blobs {
		options = append(options, parquet.SkipPageBounds(name))
	}
	if !slices.IsSorted(e.indexes) {
		options = append(options, parquet.KeyValueMetadata(orderKey, packOrder(e.indexes)))
	}
	w := parquet.NewWriter(&e.out, options...)
	for rest := e.indexes; len(rest) > 0; {
		n := min(rowsAtOnce, len(rest))
		if err := e.write(w, b, rest[:n]); err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return e.out.Bytes(), nil
}

// write writes the records of b that indexes names.
func (e *parquetEncoder) write(w *parquet.Writer, b *pipeline.Batch, indexes []int) error {
	for len(e.rows) < len(indexes) {
		e.rows = append(e.rows, nil)
	}
	for n, i := range indexes {
		var err error
		if e.rows[n], err = e.table.row(e.rows[n][:0], &b.Records[i].Audit); err != nil {
			return fmt.Errorf("event %s: %w", b.Records[i].ID, err)
		}
	}
	_, err := w.WriteRows(e.rows[:len(indexes)])
	for _, row := range e.rows { // what is left in them must not be held
		clear(row[:cap(row)])
	}
	return err
}

func packOrder(indexes []int) string {
	var packed []byte
	for _, i := range indexes {
		packed = binary.AppendUvarint(packed, uint64(i))
	}
	return base64.StdEncoding.EncodeToString(packed)
}

// unpackOrder returns the index that each of n rows had in its batch.
func unpackOrder(text string, n int) ([]int, error) {
	packed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("metadata %s: %w", orderKey, err)
	}
	order, seen := make([]int, 0, n), make([]bool, n)
	for len(packed) > 0 {
		i, used := binary.Uvarint(packed)
		if used <= 0 || i >= uint64(n) || seen[i] {
			return nil, fmt.Errorf("metadata %s: not an order of %d rows", orderKey, n)
		}
		seen[i] = true
		order, packed = append(order, int(i)), packed[used:]
	}
	if len(order) != n {
		return nil, fmt.Errorf("metadata %s: %d rows, want %d", orderKey, len(order), n)
	}
	return order, nil
}
