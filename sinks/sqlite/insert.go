package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"auditlog-connector/pipeline"
)

// inserter adds rows to audit_events. It speaks to the driver directly: going
// through database/sql, a row of so many columns takes a third longer.
type inserter struct {
	conn   *sql.Conn
	plain  driver.StmtExecContext // a row that is there already is an error
	merge  driver.StmtExecContext // a row that is there already stays
	values []driver.NamedValue
	next   int    // the value to be set next
	text   []byte // room for the JSON of one column
}

func prepareInserts(ctx context.Context, conn *sql.Conn) (*inserter, error) {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	insert := "INSERT INTO audit_events (" + strings.Join(names, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(columns)-1) + ")"
	in := &inserter{conn: conn, values: make([]driver.NamedValue, len(columns)), text: make([]byte, 0, 4096)}
	for i := range in.values {
		in.values[i].Ordinal = i + 1
	}
	err := conn.Raw(func(c any) (err error) {
		if in.plain, err = prepare(ctx, c, insert); err != nil {
			return err
		}
		in.merge, err = prepare(ctx, c, insert+" ON CONFLICT (source, event_id) DO NOTHING")
		return err
	})
	return in, errors.Join(err, in.closeIf(err != nil))
}

func prepare(ctx context.Context, conn any, query string) (driver.StmtExecContext, error) {
	s, err := conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.(driver.StmtExecContext), nil
}

func (in *inserter) closeIf(failed bool) error {
	if !failed {
		return nil
	}
	return in.close()
}

func (in *inserter) close() error {
	return in.conn.Raw(func(any) error {
		var errs []error
		for _, s := range []driver.StmtExecContext{in.plain, in.merge} {
			if s != nil {
				errs = append(errs, s.(driver.Stmt).Close())
			}
		}
		return errors.Join(errs...)
	})
}

// conflictError is a row that is in the table already.
type conflictError struct{ id string }

func (e *conflictError) Error() string { return "event " + e.id + " is there already" }

// insert adds the records. With merge, it leaves those that are there as they are,
// and returns how many; otherwise they are a [conflictError].
func (in *inserter) insert(ctx context.Context, records []pipeline.Record, merge bool) (skipped int64, err error) {
	statement := in.plain
	if merge {
		statement = in.merge
	}
	// The driver starts a goroutine per statement for a context that can end.
	background := context.WithoutCancel(ctx)
	err = in.conn.Raw(func(any) error {
		for i := range records {
			if i%64 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			in.bind(&records[i].Audit)
			res, err := statement.ExecContext(background, in.values)
			if err != nil {
				if isConflict(err) {
					return &conflictError{records[i].Audit.EventID}
				}
				return err
			}
			if n, err := res.RowsAffected(); err == nil && n == 0 {
				skipped++
			}
		}
		return nil
	})
	return skipped, err
}

func isConflict(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY || e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE)
}
