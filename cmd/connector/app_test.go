package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"auditlog-connector/internal/secret"
	"auditlog-connector/internal/strictyaml"
	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
	"auditlog-connector/sinks"
	"auditlog-connector/sources"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// world is an app with sources and sinks of the test, and what it wrote.
type world struct {
	*app
	out, err bytes.Buffer
	env      map[string]string

	mu        sync.Mutex
	delivered map[string][]string // ids by path of the sink
	closed    []string            // in order
	markers   map[string]*pipeline.Marker
	deliver   func(b pipeline.Batch) error
}

func newWorld(t *testing.T) *world {
	w := &world{env: make(map[string]string), delivered: make(map[string][]string), markers: make(map[string]*pipeline.Marker)}
	w.app = &app{
		stdin: strings.NewReader(""), stdout: &w.out, stderr: &w.err, now: time.Now,
		lookupEnv: func(name string) (string, bool) { v, ok := w.env[name]; return v, ok },
		sources:   sources.NewRegistry(w.sourceType()),
		sinks:     sinks.NewRegistry(w.sinkType("memory"), w.sinkType("sqlite")),
	}
	return w
}

// exec runs one command line and returns its exit code; what it wrote is in out
// and err.
func (w *world) exec(ctx context.Context, args ...string) int {
	w.out.Reset()
	w.err.Reset()
	w.begun, w.logLevel = false, ""
	return w.run(ctx, args)
}

// fakeSource is the configuration of a source that has count events, one a minute.
type fakeSource struct {
	Key   secret.String `yaml:"key"`
	Count int           `yaml:"count"`
	Fail  string        `yaml:"fail"`
}

func (w *world) sourceType() sources.Type {
	return sources.Define(sources.Definition[fakeSource]{
		Name:        "fake",
		Defaults:    func() fakeSource { return fakeSource{Count: 10} },
		Concurrency: func(*fakeSource) int { return 2 },
		Validate: func(c *fakeSource) []error {
			if c.Key.IsZero() {
				return []error{strictyaml.Field("key", "is required")}
			}
			return nil
		},
		Open: func(_ context.Context, c *fakeSource, env sources.Env) (pipeline.Source, error) {
			if c.Fail == "open" {
				return nil, errors.New("cannot open")
			}
			return &source{w, *c, env}, nil
		},
	})
}

type source struct {
	w   *world
	c   fakeSource
	env sources.Env
}

func (s *source) Page(_ context.Context, req pipeline.PageRequest) (pipeline.Page, error) {
	if s.c.Fail == "refuse" {
		return pipeline.Page{}, pipeline.Permanent(fmt.Errorf("%w: an admin key is needed", pipeline.ErrRefused))
	}
	now := s.env.Now().UTC().Truncate(time.Second)
	page := pipeline.Page{Now: now}
	for i := range s.c.Count {
		at := now.Truncate(24 * time.Hour).Add(-time.Duration(i+1) * time.Minute)
		if at.Before(req.Since) || !req.Until.IsZero() && !at.Before(req.Until) {
			continue
		}
		id := fmt.Sprintf("event-%04d", i)
		page.Entries = append(page.Entries, pipeline.Raw{Position: pipeline.Position{Time: at, ID: id}, Body: []byte(`{"id":"` + id + `"}`)})
	}
	return page, nil
}

func (s *source) Normalize(r pipeline.Raw) pipeline.Event {
	kind := "api_key.created"
	if strings.HasSuffix(r.ID, "3") {
		kind = "login.failed"
	}
	return pipeline.Event{Raw: r, Audit: schemas.AuditEvent{
		EventID: r.ID, EventType: kind, EffectiveAt: r.Time, Stream: "organization", Source: s.env.Source,
		Action: "create", Outcome: "success", Severity: "info", Actor: schemas.Actor{Kind: "none"}, Raw: r.Body,
	}}
}

func (s *source) Close() error { s.w.close("source " + s.env.Source); return nil }

type memorySink struct {
	Path   string        `yaml:"path"`
	Token  secret.String `yaml:"token"`
	Fail   string        `yaml:"fail"`
	Marker bool          `yaml:"marker"` // it can tell what it has
	Schema string        `yaml:"schema"`
}

func (w *world) sinkType(name string) sinks.Type {
	return sinks.Define(sinks.Definition[memorySink]{
		Name:     name,
		Batch:    pipeline.BatchPolicy{MaxEvents: 1000, MaxBytes: 8 << 20, MaxAge: time.Second},
		Defaults: func() memorySink { return memorySink{Path: "./connector-data/" + name} },
		Validate: func(c *memorySink) []error {
			if c.Path == "" {
				return []error{strictyaml.Field("path", "is empty")}
			}
			return nil
		},
		Guarantee: func(c *memorySink) (pipeline.Guarantee, []string) {
			if c.Path == "-" {
				return pipeline.AtLeastOnce, nil
			}
			return pipeline.ExactlyOnce, []string{"nobody else writes the file", "the disk tells the truth"}
		},
		Exclusive: func(c *memorySink, source string) string {
			if c.Path == "-" {
				return ""
			}
			return strings.ReplaceAll(c.Path, "{source}", source)
		},
		Open: func(_ context.Context, c *memorySink, env sinks.Env) (pipeline.Sink, error) {
			if c.Fail == "open" {
				return nil, errors.New("cannot open")
			}
			return &sink{w, *c, env}, nil
		},
	})
}

type sink struct {
	w   *world
	c   memorySink
	env sinks.Env
}

func (s *sink) Claim(_ context.Context, cp pipeline.Checkpoint, takeover bool) error {
	if s.c.Fail == "epoch" {
		return pipeline.ErrForeignEpoch
	}
	if !s.c.Marker {
		return nil
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	m, write, err := s.w.markers[s.c.Path].Claim(cp, takeover)
	if write && err == nil {
		s.w.markers[s.c.Path] = &m
	}
	return err
}

func (s *sink) Deliver(_ context.Context, b pipeline.Batch) error {
	var refused map[int]error
	if s.w.deliver != nil {
		err := s.w.deliver(b)
		var rejected *pipeline.RejectedError
		if err != nil && !errors.As(err, &rejected) {
			return err
		}
		if rejected != nil {
			refused = rejected.Records
		}
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.c.Marker {
		out, err := s.w.markers[s.c.Path].Judge(b.Manifest)
		if out == pipeline.OutcomeCommitted || err != nil {
			return err
		}
		m := pipeline.NewMarker(b.Manifest, refused)
		s.w.markers[s.c.Path] = &m
	}
	for i, r := range b.Records {
		if refused[i] == nil {
			s.w.delivered[s.c.Path] = append(s.w.delivered[s.c.Path], r.ID)
		}
	}
	if refused != nil {
		return &pipeline.RejectedError{Records: refused}
	}
	return nil
}

func (s *sink) Resolve(_ context.Context, m pipeline.Manifest) (pipeline.Outcome, error) {
	if !s.c.Marker {
		return pipeline.OutcomeUnknown, nil
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return s.w.markers[s.c.Path].Judge(m)
}

func (s *sink) Close() error { s.w.close("lane " + s.env.Lane); return nil }

func (w *world) close(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = append(w.closed, what)
}

// inFolder makes a new folder with files the working directory.
func inFolder(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// golden compares got with a file, or writes it with -update.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (run the test with -update)", err)
	}
	if got != string(want) {
		t.Errorf("%s differs, got:\n%s\nwant:\n%s", file, got, want)
	}
}
