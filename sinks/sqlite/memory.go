package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"

	"modernc.org/sqlite"

	"auditlog-connector/pipeline"
	"auditlog-connector/sinks"
)

// Memory is a database in memory with the tables and views of this sink, for
// events that are looked at and thrown away. Its methods may be used concurrently;
// Close frees it.
type Memory struct {
	dsn  url.URL
	hold *database // the database lasts as long as a connection to it
	db   *sql.DB
}

// memoryName stands for a path in errors.
const memoryName = "the database in memory"

// OpenMemory makes an empty database. The caller closes it.
func OpenMemory(ctx context.Context) (*Memory, error) {
	m := &Memory{dsn: url.URL{Scheme: "file", Path: "/" + rand.Text(), RawQuery: "vfs=memdb"}}
	var err error
	if m.hold, err = dial(ctx, memoryName, m.dsn.String()); err != nil {
		return nil, err
	}
	// Without _dqs=0 a mistyped name in double quotes would be taken for text.
	reading := m.dsn
	reading.RawQuery += "&_pragma=temp_store(memory)&_pragma=busy_timeout(5000)&_dqs=0&_query_only=1"
	connector, err := sqlite.NewConnector(reading.String())
	if err != nil {
		_ = m.hold.close()
		return nil, fmt.Errorf("open %s: %w", memoryName, err)
	}
	m.db = sql.OpenDB(connector)
	m.db.SetMaxOpenConns(1)
	return m, nil
}

// Sink returns a sink that delivers to the database. The caller closes it.
func (m *Memory) Sink(env sinks.Env) pipeline.Sink {
	s := newSink(memoryName, env)
	s.connect = func(ctx context.Context, _ string) (*database, error) { return dial(ctx, memoryName, m.dsn.String()) }
	return s
}

// DB returns the database for reading, valid until Close.
func (m *Memory) DB() *sql.DB { return m.db }

// Close frees the database.
func (m *Memory) Close() error {
	err := m.db.Close()
	if holdErr := m.hold.close(); err == nil {
		err = holdErr
	}
	return err
}
