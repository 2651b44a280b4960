package format

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/parquet-go/parquet-go"

	"auditlog-connector/schemas"
)

func readParquet(body []byte, yield func(Event) error) (err error) {
	// The library panics on some files that are damaged.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("damaged: %v", r)
		}
	}()
	f, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		if f.Schema().Name() == tables[name].schema.Name() {
			return tables[name].read(body, yield)
		}
	}
	return fmt.Errorf("its schema %q is none of ours", f.Schema().Name())
}

// readRecords reads what recordCells wrote.
func readRecords(body []byte, yield func(Event) error) error {
	var line []byte
	return readRows(body, func(index int, r *auditRow) error {
		e := r.event()
		line = schemas.AppendNormalized(line[:0], &e)
		return yield(Event{ID: e.EventID, Index: index, Line: line})
	})
}

// readRows calls yield for each row of a file, with its place in the batch.
func readRows[R any](body []byte, yield func(index int, r *R) error) error {
	f, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return err
	}
	var order []int
	if text, ok := f.Lookup(orderKey); ok {
		if order, err = unpackOrder(text, int(f.NumRows())); err != nil {
			return err
		}
	}
	reader := parquet.NewGenericReader[R](f)
	defer reader.Close()
	rows := make([]R, 64)
	for next := 0; ; {
		clear(rows)
		n, err := reader.Read(rows)
		for i := range rows[:n] {
			index := next + i
			if order != nil {
				index = order[index]
			}
			if err := yield(index, &rows[i]); err != nil {
				return err
			}
		}
		next += n
		switch {
		case errors.Is(err, io.EOF) && int64(next) == f.NumRows():
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%d rows, its footer says %d", next, f.NumRows())
		case err != nil:
			return err
		}
	}
}
