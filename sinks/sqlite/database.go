package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"auditlog-connector/pipeline"
)

// database is one open file: a single connection, which has no more than one
// transaction at a time.
type database struct {
	path string
	info os.FileInfo // of the file that was opened; nil: it is in memory
	pool *sql.DB
	conn *sql.Conn
	rows *inserter
}

// settings of the connection. A transaction that is committed is on the disk.
const settings = `
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 4000;
PRAGMA journal_size_limit = 67108864;
PRAGMA cache_size = -16384;
PRAGMA trusted_schema = OFF;`

// lockWait is how long a statement waits for another process's transaction.
const lockWait = "PRAGMA busy_timeout = 2000"

// openDatabase opens the database at path, and makes it first if there is none and
// create is set. It does not touch a file that is not ours.
func openDatabase(ctx context.Context, path string, create bool) (*database, error) {
	if err := prepareFile(path, create); err != nil {
		return nil, err
	}
	dsn := url.URL{Scheme: "file", Path: filepath.ToSlash(absolute(path))}
	d, err := dial(ctx, path, dsn.String())
	if err != nil {
		return nil, err
	}
	if d.info, err = os.Stat(path); err != nil {
		d.close()
		return nil, fmt.Errorf("open database: %w", err)
	}
	return d, nil
}

// there fails if the file that is open is not the one at its path any more: SQLite
// would go on writing to it, and all of it would be gone when the process ends.
func (d *database) there() error {
	if d.info == nil {
		return nil
	}
	now, err := os.Stat(d.path)
	switch {
	case err == nil && os.SameFile(d.info, now):
		return nil
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return pipeline.Permanent(fmt.Errorf("%s was removed or replaced while it was written; what is delivered now would be lost", d.path))
	}
	return err
}

// dial opens the database that dsn names, and makes its tables if it is empty.
// Path is what it is called in errors.
func dial(ctx context.Context, path, dsn string) (*database, error) {
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	d := &database{path: path, pool: sql.OpenDB(connector)}
	if err := d.setUp(ctx); err != nil {
		d.close()
		return nil, fmt.Errorf("open database: %w", d.explain(err))
	}
	return d, nil
}

func (d *database) setUp(ctx context.Context) (err error) {
	if d.conn, err = d.pool.Conn(ctx); err != nil {
		return err
	}
	if _, err = d.conn.ExecContext(ctx, lockWait); err != nil {
		return err
	}
	if _, err = d.examine(ctx); err != nil {
		return err
	}
	if _, err = d.conn.ExecContext(ctx, settings); err != nil {
		return err
	}
	if err = d.migrate(ctx); err != nil {
		return err
	}
	d.rows, err = prepareInserts(ctx, d.conn)
	return err
}

// examine reports whether the database is empty, and fails if it is not ours.
func (d *database) examine(ctx context.Context) (empty bool, err error) {
	var app, ver, objects int64
	for pragma, v := range map[string]*int64{
		"SELECT count(*) FROM sqlite_master": &objects, "PRAGMA application_id": &app, "PRAGMA user_version": &ver,
	} {
		if err := d.conn.QueryRowContext(ctx, pragma).Scan(v); err != nil {
			return false, err
		}
	}
	switch {
	case app == 0 && ver == 0 && objects == 0:
		return true, nil
	case app != applicationID:
		return false, pipeline.Permanent(fmt.Errorf("%s is a database of another program; give this sink a path of its own", d.path))
	case ver > version:
		return false, pipeline.Permanent(fmt.Errorf("%s has schema version %d, this program knows up to %d: a newer connector wrote it", d.path, ver, version))
	case ver < version:
		return false, pipeline.Permanent(fmt.Errorf("%s has schema version %d, which no connector wrote", d.path, ver))
	}
	return false, nil
}

// migrate makes tables and views that are missing, and views that differ.
func (d *database) migrate(ctx context.Context) error {
	present, err := d.views(ctx)
	if err != nil {
		return err
	}
	stale := false
	for name, def := range views() {
		stale = stale || present[name] != def
	}
	if !stale {
		return nil
	}
	return d.transaction(ctx, func(ctx context.Context) error {
		var statements []string
		// Asked again: another process may have been here first.
		switch empty, err := d.examine(ctx); {
		case err != nil:
			return err
		case empty:
			statements = tables()
		}
		for name, def := range views() {
			statements = append(statements, "DROP VIEW IF EXISTS "+name, def)
		}
		for _, s := range statements {
			if _, err := d.conn.ExecContext(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *database) views(ctx context.Context) (map[string]string, error) {
	rows, err := d.conn.QueryContext(ctx, "SELECT name, sql FROM sqlite_master WHERE type = 'view'")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	defs := make(map[string]string)
	for rows.Next() {
		var name, def string
		if err := rows.Scan(&name, &def); err != nil {
			return nil, err
		}
		defs[name] = def
	}
	return defs, rows.Err()
}

// transaction runs f between BEGIN IMMEDIATE and COMMIT. If it fails, either
// nothing of f is in the database, or COMMIT failed and nobody knows.
func (d *database) transaction(ctx context.Context, f func(ctx context.Context) error) error {
	if _, err := d.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := f(ctx)
	if err == nil {
		_, err = d.conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		// Without effect if SQLite rolled back by itself.
		_, _ = d.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	}
	return err
}

// close ends the connection, and with it a transaction that is under way.
func (d *database) close() error {
	var errs []error
	if d.rows != nil {
		errs = append(errs, d.rows.close())
	}
	if d.conn != nil {
		errs = append(errs, d.conn.Close())
	}
	errs = append(errs, d.pool.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close database %s: %w", d.path, err)
	}
	return nil
}

// explain names the file and says what kind of error err is.
func (d *database) explain(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		if err == nil || strings.Contains(err.Error(), d.path) {
			return err
		}
		return fmt.Errorf("%s: %w", d.path, err)
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("%s is locked by another process: %w", d.path, err)
	case sqlite3.SQLITE_NOTADB:
		return pipeline.Permanent(fmt.Errorf("%s is not a SQLite database: %w", d.path, err))
	case sqlite3.SQLITE_CORRUPT:
		return pipeline.Permanent(fmt.Errorf("%w: %s is damaged: %w", pipeline.ErrCorrupt, d.path, err))
	}
	return fmt.Errorf("%s: %w", d.path, err)
}

// absolute is path from the root, or as it is if nobody knows where we are.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
