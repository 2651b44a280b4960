package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"auditlog-connector/pipeline"
	"auditlog-connector/schemas/document"
	"auditlog-connector/sinks/sinktest"
)

func TestFileShorterThanRecordedStopsTheLane(t *testing.T) {
	for _, tc := range []struct {
		name   string
		damage func(path string) error
		want   string
	}{
		{"cut", func(path string) error { return os.Truncate(path, 10) }, "is 10 bytes long"},
		{"gone", os.Remove, "is 0 bytes long"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			s := openSink(plain(dir), lane)
			claim(t, s, 1)
			deliver(t, s, batch(1, 3))
			path := filepath.Join(dir, "audit.jsonl")
			if err := tc.damage(path); err != nil {
				t.Fatal(err)
			}
			check := func(err error) {
				t.Helper()
				if !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), path+" "+tc.want) || !strings.Contains(err.Error(), " were delivered") {
					t.Errorf("got %v, want a permanent error with the path and both lengths", err)
				}
			}
			check(s.Deliver(t.Context(), batch(2, 1)))
			kill(s)
			s = openSink(plain(dir), lane)
			defer s.Close()
			check(s.Claim(t.Context(), pipeline.Checkpoint{Epoch: "e1", Next: 2}, false))
		})
	}
}

func TestFileThatGrewIsFenced(t *testing.T) {
	dir := t.TempDir()
	s := openSink(plain(dir), lane)
	defer s.Close()
	claim(t, s, 1)
	deliver(t, s, batch(1, 3))
	path := filepath.Join(dir, "audit.jsonl")
	write(t, path, read(t, path)+"somebody else's\n")
	if err := s.Deliver(t.Context(), batch(2, 1)); !errors.Is(err, pipeline.ErrFenced) || !strings.Contains(err.Error(), path) {
		t.Errorf("deliver: %v, want ErrFenced with the path", err)
	}
	if !strings.HasSuffix(read(t, path), "somebody else's\n") {
		t.Error("what somebody else wrote was cut")
	}
}

func TestForeignFileIsRefusedUnlessTakenOver(t *testing.T) {
	for _, tc := range []struct {
		name    string
		content string
		refused bool
	}{
		{"empty", "", false},
		{"lines", "{\"event_id\":\"old\"}\n", true},
		{"half a line", `{"event_id":"old"}`, true},
	} {
		for _, rotate := range []string{rotateNone, rotateDaily} {
			t.Run(tc.name+", "+rotate, func(t *testing.T) {
				dir := t.TempDir()
				c := plain(dir)
				c.Rotate = rotate
				s := openSink(c, lane)
				defer s.Close()
				b := batch(1, 2)
				path := s.Place(b.Manifest)
				write(t, path, tc.content)
				attempt := func(takeover bool) error {
					cp := pipeline.Checkpoint{Epoch: "e1", Next: 1}
					return errors.Join(s.Claim(t.Context(), cp, takeover), s.Deliver(t.Context(), b))
				}
				if !tc.refused {
					if err := attempt(false); err != nil {
						t.Fatal(err)
					}
					exactly(t, dir, b)
					return
				}
				if err := attempt(false); !errors.Is(err, pipeline.ErrForeignEpoch) || !strings.Contains(err.Error(), path) {
					t.Errorf("claim and deliver: %v, want ErrForeignEpoch with the path", err)
				}
				if got := read(t, path); got != tc.content {
					t.Errorf("the file was changed: %q", got)
				}
				if err := attempt(true); err != nil {
					t.Fatal(err)
				}
				if got := count(t, dir); got["old"] != 1 || got["event-1-0"] != 1 || len(got) != 3 {
					t.Errorf("contents %v", got)
				}
			})
		}
	}
}

func TestSecondProcessIsFenced(t *testing.T) {
	dir := t.TempDir()
	s := openSink(plain(dir), lane)
	claim(t, s, 1)
	second := openSink(plain(dir), lane)
	defer second.Close()
	if err := second.Claim(t.Context(), pipeline.Checkpoint{Epoch: "e1", Next: 1}, true); !errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("claim: %v, want ErrFenced", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	claim(t, second, 1)
}

func TestFileOfAnotherLaneIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := openSink(plain(dir), "acme/other")
	claim(t, s, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openSink(plain(dir), lane)
	defer s.Close()
	err := s.Claim(t.Context(), pipeline.Checkpoint{Epoch: "e1", Next: 1}, false)
	if !errors.Is(err, pipeline.ErrForeignEpoch) || !strings.Contains(err.Error(), "acme/other") {
		t.Errorf("claim: %v, want ErrForeignEpoch that names the lane", err)
	}
	if f := s.Check(t.Context()); f[1].Status != "fail" {
		t.Errorf("check: %+v", f)
	}
}

func TestDamagedSideRecordStopsTheLane(t *testing.T) {
	for name, content := range map[string]string{
		"empty":              "",
		"torn":               `{"version":1,"lane":"acme/si`,
		"contradicts itself": `{"version":1,"lane":"acme/sink","epoch":"e1","file":"a","offset":0,"length":5,"files":{"a":4}}`,
		"negative":           `{"version":1,"lane":"acme/sink","epoch":"e1","file":"a","offset":0,"length":0,"files":{"a":0,"b":-1}}`,
		"of nobody":          `{}`,
		"newer":              `{"version":2,"lane":"acme/sink","epoch":"e1"}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "audit.jsonl.lane.json")
			write(t, path, content)
			s := openSink(plain(dir), lane)
			defer s.Close()
			err := s.Claim(t.Context(), pipeline.Checkpoint{Epoch: "e1", Next: 1}, true)
			if !pipeline.IsPermanent(err) || name != "newer" && !errors.Is(err, pipeline.ErrCorrupt) || !strings.Contains(err.Error(), path) {
				t.Errorf("claim: %v, want a permanent error that names the record", err)
			}
			if got := read(t, path); got != content {
				t.Errorf("the record was replaced: %q", got)
			}
		})
	}
}

func TestDailyFilesByTheFirstMember(t *testing.T) {
	dir := t.TempDir()
	s := openSink(daily(dir), lane)
	defer s.Close()
	claim(t, s, 1)
	crossing := batchOn(21, 1, 3)
	crossing.Records[2].Time = crossing.Records[2].Time.AddDate(0, 0, 1)
	late := batchOn(21, 3, 1)
	deliver(t, s, crossing, batchOn(22, 2, 2), late)
	for name, want := range map[string]int{"audit-2026-11-21.jsonl": 4, "audit-2026-11-22.jsonl": 2} {
		if got := strings.Count(read(t, filepath.Join(dir, name)), "\n"); got != want {
			t.Errorf("%s: %d lines, want %d", name, got, want)
		}
	}
	var r side
	if err := json.Unmarshal([]byte(read(t, filepath.Join(dir, "audit.jsonl.lane.json"))), &r); err != nil {
		t.Fatal(err)
	}
	if r.Lane != lane || r.Seq != 3 || r.File != "audit-2026-11-21.jsonl" || r.Length <= r.Offset || len(r.Files) != 2 {
		t.Errorf("side record %+v", r)
	}
}

func TestDayThatWasMovedAwayBeginsAnew(t *testing.T) {
	dir := t.TempDir()
	s := openSink(daily(dir), lane)
	claim(t, s, 1)
	deliver(t, s, batchOn(21, 1, 3))
	if err := os.Remove(filepath.Join(dir, "audit-2026-11-21.jsonl")); err != nil {
		t.Fatal(err)
	}
	late := batchOn(21, 2, 2)
	deliver(t, s, late)
	exactly(t, dir, late)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openSink(daily(dir), lane)
	defer s.Close()
	claim(t, s, 3)
	next := batchOn(21, 3, 1)
	deliver(t, s, next)
	exactly(t, dir, late, next)
}

func TestBatchInDoubtKeepsItsPlace(t *testing.T) {
	dir := t.TempDir()
	s := openSink(plain(dir), lane)
	claim(t, s, 1)
	b := batch(1, 2)
	b.Place = s.Place(b.Manifest)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// Rotation was switched on: the file is still within reach.
	s = openSink(daily(dir), lane)
	claim(t, s, 2)
	sinktest.Settle(t, s, b)
	if got := strings.Count(read(t, filepath.Join(dir, "audit.jsonl")), "\n"); got != 2 {
		t.Errorf("%d lines where the batch was prepared, want 2", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// The path was changed: it is not.
	c := plain(dir)
	c.Path = filepath.Join(dir, "elsewhere.jsonl")
	for _, other := range []pipeline.Sink{openSink(c, lane), &stream{out: new(bytes.Buffer), line: document.Lookup("raw")}} {
		_, err := other.Resolve(t.Context(), b.Manifest)
		if err := errors.Join(err, other.Deliver(t.Context(), b)); !pipeline.IsPermanent(err) || !strings.Contains(err.Error(), b.Place) {
			t.Errorf("resolve and deliver: %v, want a permanent error with the old place", err)
		}
		_ = other.Close()
	}
}

func TestRawIsTheEntryOnOneLine(t *testing.T) {
	for name, tc := range map[string]struct{ raw, want string }{
		"spaced":        {"{ \"a\" :\n 1.00e2,\r\n\t\"b\":\"<&>\u2028\\u0000\" }", "{\"a\":1.00e2,\"b\":\"<&>\u2028\\u0000\"}"},
		"invalid utf-8": {"{\"a\":\"\xff\"}", `{"raw":"eyJhIjoi/yJ9","raw_base64":true}`},
		"not json":      {"\x7b\n", `{"raw":"ewo=","raw_base64":true}`},
	} {
		r := sinktest.Record("acme", name, pipeline.Earliest)
		r.Audit.Raw = []byte(tc.raw)
		if got := string(lines([]byte("before\n"), document.Lookup("raw"), []pipeline.Record{r})); got != "before\n"+tc.want+"\n" {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestConfiguration(t *testing.T) {
	for _, tc := range []struct{ yaml, want string }{
		{"path: a.jsonl", ""},
		{"path: '-'", ""},
		{"{}", "path: is missing"},
		{"path: logs/", "is a folder"},
		{"{path: a, schema: xml}", `unknown schema "xml"`},
		{"{path: a, rotate: hourly}", `unknown rotation "hourly"`},
		{"{path: '-', rotate: daily}", "cannot be rotated"},
		{"{path: a, paht: b}", "paht"},
	} {
		var n yaml.Node
		if err := yaml.Unmarshal([]byte(tc.yaml), &n); err != nil {
			t.Fatal(err)
		}
		_, problems := Type.Decode(n.Content[0], "sinks[0].config", nil)
		var got []string
		for _, p := range problems {
			got = append(got, p.String())
		}
		if text := strings.Join(got, "\n"); tc.want == "" && text != "" || !strings.Contains(text, tc.want) {
			t.Errorf("%s: %q, want %q", tc.yaml, text, tc.want)
		}
	}
}

func TestPlacesOfTwoSources(t *testing.T) {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte("path: logs/{source}.jsonl"), &n); err != nil {
		t.Fatal(err)
	}
	c, problems := Type.Decode(n.Content[0], "", nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if a, b := c.Exclusive("a"), c.Exclusive("b"); a == b || a == "" {
		t.Errorf("places %q and %q, want two", a, b)
	}
}
