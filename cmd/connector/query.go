package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	_ "modernc.org/sqlite" // the driver

	"auditlog-connector/internal/strictyaml"
)

func (a *app) queryCommand() *cobra.Command {
	var db, file, output string
	var live bool
	var since time.Duration
	cmd := &cobra.Command{
		Use:   `query "SELECT …"`,
		Short: "Runs SQL over the SQLite destination, or over the API",
		Long: `query runs one reading SQL statement over the database that a sqlite sink
writes, also while it is written. "-" reads the statement from standard input.

With --live it fetches the events of the last --since from the API instead, of
all sources of the configuration, into a database in memory with the same tables
and views. Nothing is left on disk, and no running connector is disturbed, except
that both count against the API's limits.

Views: audit_logs (id, actor, effective_at, project, type, and one column per
event type, named like it) and events, an event on one line (time, type, action,
outcome, severity, actor_email, actor_ip, target_type, target_id, project,
target_name, actor_kind, actor_id, actor_country, severity_reason, error, changes,
…). Names with a dot need double quotes, text single ones.`,
		Example: `  connector query "SELECT type, count(*) FROM audit_logs GROUP BY 1 ORDER BY 2 DESC"
  connector query "SELECT time, actor_email, actor_ip FROM events WHERE type = 'login.failed' ORDER BY time DESC LIMIT 20"
  connector query "SELECT time, type, severity_reason, actor_email, target_name FROM events WHERE severity = 'high' ORDER BY time DESC"
  connector query "SELECT actor_email, actor_country, count(*) FROM events WHERE outcome = 'failure' GROUP BY 1, 2 ORDER BY 3 DESC"
  connector query --live --since 2h "SELECT time, type, actor_email FROM events ORDER BY time"
  connector query -o json 'SELECT id, "api_key.created" FROM audit_logs WHERE type = '\''api_key.created'\'''`,
		Args: oneStatement,
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case live && db != "":
				return errors.New("--live and --db: choose one")
			case !live && cmd.Flags().Changed("since"):
				return errors.New("--since is for --live; over a database, write a condition: WHERE time > …")
			case since <= 0:
				return fmt.Errorf("--since %s: want more than nothing", since)
			}
			return nil
		},
		RunE: a.verb(func(ctx context.Context, args []string) error {
			text, err := a.statement(args[0])
			if err != nil {
				return err
			}
			if live {
				return a.queryLive(ctx, file, since, text, output)
			}
			if db == "" {
				if db, err = a.databasePath(file); err != nil {
					return err
				}
			}
			return a.query(ctx, db, text, output)
		}),
	}
	cmd.Flags().StringVar(&db, "db", "", "database file (default: that of the first sqlite sink in the configuration)")
	cmd.Flags().BoolVar(&live, "live", false, "fetch events from the API now")
	cmd.Flags().DurationVar(&since, "since", 24*time.Hour, "with --live: how far back")
	configFlag(cmd, &file)
	outputFlag(cmd, &output, "table", "json", "csv")
	return cmd
}

func oneStatement(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return errors.New(`query: there is no statement; give one in quotes: "SELECT …"`)
	case len(args) > 1:
		return errors.New("query: more than one argument; put the statement in quotes")
	}
	return nil
}

// statement returns the statement that arg is or asks for.
func (a *app) statement(arg string) (string, error) {
	if arg == "-" {
		const most = 1 << 20
		text, err := io.ReadAll(io.LimitReader(a.stdin, most+1))
		switch {
		case err != nil:
			return "", fmt.Errorf("read statement: %w", err)
		case len(text) > most:
			return "", usage(errors.New("read statement: it is larger than 1 MiB"))
		}
		arg = string(text)
	}
	if err := checkStatement(arg); err != nil {
		return "", usage(fmt.Errorf("query: %w", err))
	}
	return arg, nil
}

// sqlitePath is the part of a sqlite sink's configuration that query needs.
type sqlitePath struct {
	Path string `yaml:"path"`
}

const defaultDatabase = "./connector-data/audit.db"

// databasePath returns the path of the first sqlite sink. What else may be wrong
// with the configuration does not matter to a query.
func (a *app) databasePath(file string) (string, error) {
	name, text, err := a.configText(file)
	if err != nil {
		return "", err
	}
	root, problems := strictyaml.Parse(text)
	if strictyaml.HasErrors(problems) {
		return "", usage(&configError{name, problems})
	}
	x := &strictyaml.Expander{LookupEnv: a.lookupEnv}
	var c fileConfig
	strictyaml.Decode(root, "", &c, x)
	for i, s := range c.Sinks {
		if s.Type != "sqlite" {
			continue
		}
		p := sqlitePath{defaultDatabase}
		path := strictyaml.Index("sinks", i) + ".config"
		for _, problem := range strictyaml.Decode(&s.Config, path, &p, x) {
			if problem.Path == path+".path" {
				return "", usage(&configError{name, []strictyaml.Problem{problem}})
			}
		}
		return p.Path, nil
	}
	return "", usage(fmt.Errorf("query: %s has no sqlite sink; name a database with --db", name))
}

// query runs text over the database at path and prints what it returns.
func (a *app) query(ctx context.Context, path, text, output string) error {
	db, err := openDatabase(ctx, path)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	defer db.Close()
	return a.printRows(ctx, db, text, output)
}

// printRows runs text over db and prints what it returns.
func (a *app) printRows(ctx context.Context, db *sql.DB, text, output string) error {
	rows, err := db.QueryContext(ctx, text)
	if err != nil {
		return fmt.Errorf("query: %w", explain(ctx, db, text, err))
	}
	defer rows.Close()
	out, err := newRowWriter(output, a.stdout, rows)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	if err := errors.Join(out.all(rows), out.end()); err != nil {
		return fmt.Errorf("query: %w", explain(ctx, db, text, err))
	}
	if out.cut {
		fmt.Fprintln(a.stderr, "long values were cut to fit the terminal; -o json shows them whole")
	}
	return nil
}

// openDatabase opens a database for reading only.
func openDatabase(ctx context.Context, path string) (*sql.DB, error) {
	if err := checkDatabase(path); err != nil {
		return nil, err
	}
	db, err := connect(ctx, path, "")
	if err != nil && unwritable(path) {
		// A database in WAL mode needs a shared-memory file beside it, which cannot
		// be made here. Without a log there is nothing that it would be needed for.
		if _, walErr := os.Stat(path + "-wal"); errors.Is(walErr, fs.ErrNotExist) {
			db, err = connect(ctx, path, "&immutable=1")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, plain(err))
	}
	return db, nil
}

// checkDatabase tells a database from what is none, in words of its own.
func checkDatabase(path string) error {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no database %s (has \"connector run\" written it? name another with --db)", path)
	case err != nil:
		return err
	}
	defer f.Close()
	const magic = "SQLite format 3\x00"
	head := make([]byte, len(magic))
	n, err := io.ReadFull(f, head)
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return fmt.Errorf("the database %s is empty: nothing was delivered yet", path)
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return err // a folder, for one
	case string(head) != magic:
		return fmt.Errorf("%s is not an SQLite database", path)
	}
	return nil
}

func connect(ctx context.Context, path, options string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// Without _dqs=0 a mistyped name in double quotes would be taken for text.
	dsn := (&url.URL{Scheme: "file", Path: filepath.ToSlash(abs)}).String() +
		"?mode=ro&_busy_timeout=5000&_dqs=0&_query_only=1" + options
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	var tables int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		_ = db.Close()
		return nil, err
	}
	return db, nil
}

// unwritable reports whether no file can be made beside path.
func unwritable(path string) bool {
	f, err := os.CreateTemp(filepath.Dir(path), ".connector-*")
	if err != nil {
		return true
	}
	_ = f.Close()
	_ = os.Remove(f.Name())
	return false
}

// plain returns err without the words that SQLite puts around every message.
func plain(err error) error {
	text := strings.TrimPrefix(err.Error(), "SQL logic error: ")
	if i := strings.LastIndex(text, " ("); i > 0 && strings.HasSuffix(text, ")") {
		text = text[:i]
	}
	return errors.New(text)
}
