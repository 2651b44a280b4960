// Package file delivers to files of JSON Lines, exactly once: a side record beside
// the file says how much of it counts. Standard output is at least once.
package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas/document"
	"auditlog-connector/sinks"
)

// Config is the configuration of one sink.
type Config struct {
	Path   string `yaml:"path"`   // `-` is standard output; {source} stands for the source's name
	Schema string `yaml:"schema"` // normalized, ecs, ocsf, cim or raw
	Rotate string `yaml:"rotate"` // none or daily: by the date of a batch's first event, UTC
}

const (
	standardOutput = "-"
	rotateNone     = "none"
	rotateDaily    = "daily"
)

// Type is the sink type "file".
var Type = sinks.Define(sinks.Definition[Config]{
	Name:      "file",
	Batch:     pipeline.BatchPolicy{MaxEvents: 1000, MaxBytes: 8 << 20, MaxAge: time.Second},
	Defaults:  func() Config { return Config{Schema: "normalized", Rotate: rotateNone} },
	Validate:  validate,
	Guarantee: guarantee,
	Exclusive: func(c *Config, source string) string {
		if c.Path == standardOutput {
			return ""
		}
		path := c.pathOf(source)
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
		return "file " + path
	},
	Open: func(_ context.Context, c *Config, env sinks.Env) (pipeline.Sink, error) {
		if c.Path == standardOutput {
			return &stream{out: os.Stdout, line: document.Lookup(c.Schema)}, nil
		}
		return newSink(c, env), nil
	},
})

func validate(c *Config) (errs []error) {
	if c.Path == "" {
		errs = append(errs, strictyaml.FieldError{Path: "path", Err: errors.New("is missing"), Hint: "a file, or - for standard output"})
	}
	if strings.HasSuffix(c.Path, "/") {
		errs = append(errs, strictyaml.Field("path", "%q is a folder, not a file", c.Path))
	}
	if document.Lookup(c.Schema) == nil {
		errs = append(errs, strictyaml.Field("schema", "unknown schema %q", c.Schema).WithHint(document.Names()))
	}
	switch {
	case c.Rotate != rotateNone && c.Rotate != rotateDaily:
		errs = append(errs, strictyaml.Field("rotate", "unknown rotation %q", c.Rotate).WithHint("none or daily"))
	case c.Rotate == rotateDaily && c.Path == standardOutput:
		errs = append(errs, strictyaml.Field("rotate", "standard output cannot be rotated"))
	}
	return errs
}

func guarantee(c *Config) (pipeline.Guarantee, []string) {
	if c.Path == standardOutput {
		return pipeline.AtLeastOnce, []string{"standard output cannot be asked what it has; a repeated event has the same event_id"}
	}
	conditions := []string{
		"nobody else writes, cuts or replaces the file or the record beside it",
		"the file system keeps what it has synced, and renames in one step",
	}
	if c.Rotate == rotateDaily {
		conditions = append(conditions, "files of days that are over may be moved away; events that appear late then begin a file of that day anew")
	}
	return pipeline.ExactlyOnce, conditions
}

// pathOf is the path for one source.
func (c *Config) pathOf(source string) string { return strings.ReplaceAll(c.Path, "{source}", source) }
