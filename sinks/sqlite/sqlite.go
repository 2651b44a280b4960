// Package sqlite delivers to a SQLite database, exactly once: the records of a
// batch and the lane's marker are one transaction.
package sqlite

import (
	"context"
	"errors"
	"time"

	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
	"auditlog-connector/sinks"
)

// Config is the configuration of one sink.
type Config struct {
	Path string `yaml:"path"` // of the database; made if it does not exist
}

// Type is the sink type "sqlite".
var Type = sinks.Define(sinks.Definition[Config]{
	Name:     "sqlite",
	Batch:    pipeline.BatchPolicy{MaxEvents: 1000, MaxBytes: 8 << 20, MaxAge: time.Second},
	Defaults: func() Config { return Config{Path: "./connector-data/audit.db"} },
	Validate: func(c *Config) []error {
		if c.Path == "" {
			return []error{strictyaml.FieldError{Path: "path", Err: errors.New("is empty"), Hint: "the file of the database"}}
		}
		return nil
	},
	Guarantee: func(*Config) (pipeline.Guarantee, []string) {
		return pipeline.ExactlyOnce, []string{
			"the database is on a local file system with working locks, and is not replaced by an older copy",
		}
	},
	// Rows are named by source and event ID: a second lane of one source would
	// find its events there already.
	Exclusive: func(c *Config, source string) string { return "sqlite " + absolute(c.Path) + " " + source },
	Open: func(_ context.Context, c *Config, env sinks.Env) (pipeline.Sink, error) {
		return newSink(c.Path, env), nil
	},
})
