package file

import (
	"bufio"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas"
	"auditlog-connector/sinks"
	"auditlog-connector/sinks/sinktest"
)

func TestSuite(t *testing.T) {
	for _, rotate := range []string{rotateNone, rotateDaily} {
		t.Run(rotate, func(t *testing.T) { sinktest.Run(t, harness(t, rotate)) })
	}
}

func harness(t *testing.T, rotate string) sinktest.Harness {
	dir := t.TempDir()
	c := Config{Path: filepath.Join(dir, "new", "{source}.jsonl"), Schema: "normalized", Rotate: rotate}
	var armed func(step string) error
	at := map[sinktest.Fault]string{sinktest.Lost: "begin", sinktest.Unanswered: "renamed", sinktest.Cancelled: "written"}
	return sinktest.Harness{
		Open: func(_ *testing.T, lane string) pipeline.Sink {
			s := openSink(c, lane)
			s.step = func(step string) error {
				if armed == nil {
					return nil
				}
				return armed(step)
			}
			return s
		},
		Kill:     func(_ *testing.T, s pipeline.Sink) { kill(s.(*sink)) },
		Contents: func(t *testing.T) map[string]int { return count(t, filepath.Join(dir, "new")) },
		Inject: func(_ *testing.T, f sinktest.Fault, cancel func()) (func(), bool) {
			where, ok := at[f]
			if !ok {
				return nil, false
			}
			armed = func(step string) error {
				if step != where {
					return nil
				}
				armed = nil
				if f == sinktest.Cancelled {
					cancel()
					return nil
				}
				return errors.New("injected")
			}
			return nil, true
		},
		Break: func(t *testing.T) func() {
			records, err := filepath.Glob(filepath.Join(dir, "new", "*.lane.json"))
			if err != nil {
				t.Fatal(err)
			}
			before := make(map[string]string)
			for _, path := range records {
				before[path] = read(t, path)
				write(t, path, `{"version":1,"lane"`)
			}
			return func() {
				for path, content := range before {
					write(t, path, content)
				}
			}
		},
		Large:     1500,
		Guarantee: pipeline.ExactlyOnce,
		Resolves:  true,
		Members:   true,
		Claims:    true,
	}
}

// The stream passes the suite as far as something that cannot be asked can.
func TestSuiteOfStandardOutput(t *testing.T) {
	var mu sync.Mutex // a write to a file is whole, whoever else writes
	var out strings.Builder
	lost := false
	sinktest.Run(t, sinktest.Harness{
		Open: func(*testing.T, string) pipeline.Sink {
			return &stream{line: schemas.AppendNormalized, out: writer(func(b []byte) (int, error) {
				mu.Lock()
				defer mu.Unlock()
				if lost {
					lost = false
					return 0, errors.New("broken pipe")
				}
				return out.Write(b)
			})}
		},
		Contents: func(t *testing.T) map[string]int {
			got := make(map[string]int)
			tally(t, got, out.String())
			return got
		},
		Inject: func(_ *testing.T, f sinktest.Fault, _ func()) (func(), bool) {
			lost = f == sinktest.Lost
			return nil, lost
		},
		Guarantee: pipeline.AtLeastOnce,
	})
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

func openSink(c Config, lane string) *sink {
	source, _, _ := strings.Cut(lane, "/")
	return newSink(&c, sinks.Env{Source: source, Lane: lane, Logger: slog.New(slog.DiscardHandler)})
}

// kill does what the end of the process does: the lock is gone.
func kill(s *sink) {
	if s.lock != nil {
		_ = s.lock.Close()
	}
}

// count reads all files of JSON lines in dir.
func count(t testing.TB, dir string) map[string]int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int)
	for _, f := range files {
		tally(t, got, read(t, f))
	}
	return got
}

func tally(t testing.TB, got map[string]int, content string) {
	t.Helper()
	if content != "" && !strings.HasSuffix(content, "\n") {
		t.Errorf("the last line is torn: %.80q", content[strings.LastIndexByte(content, '\n')+1:])
	}
	lines := bufio.NewScanner(strings.NewReader(content))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var event struct {
			ID string `json:"event_id"`
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil || event.ID == "" {
			t.Errorf("line %.80q: %v", lines.Text(), err)
		}
		got[event.ID]++
	}
	if err := lines.Err(); err != nil {
		t.Error(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
