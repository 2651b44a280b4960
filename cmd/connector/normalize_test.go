package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"auditlog-connector/internal/openaisim"
)

// everySchema is all that a sink may be set to.
var everySchema = []string{"normalized", "ecs", "ocsf", "cim", "raw"}

func sortedLines(text string) []string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	slices.Sort(lines)
	return lines
}

// TestNormalizePrintsWhatASinkGets exports a log in every schema and makes the same
// of the entries as served, from standard input and from a file.
func TestNormalizePrintsWhatASinkGets(t *testing.T) {
	var sinks strings.Builder
	for _, schema := range everySchema {
		fmt.Fprintf(&sinks, "  - { name: %s, type: file, config: { path: %s.jsonl, schema: %s } }\n", schema, schema, schema)
	}
	inFolder(t, map[string]string{"connector.yaml": `
sources:
  - name: acme
    type: openai
    config: { admin_key: "${env:OPENAI_ADMIN_KEY}", base_url: "${env:OPENAI_BASE_URL}", requests_per_second: 1000 }
sinks:
` + sinks.String()})
	_, env := simulator(t, openaisim.Config{Seed: 7, Events: 500})
	if code, _, stderr := real(t, env, "run", "--once"); code != exitOK {
		t.Fatalf("run: exit %d, %s", code, stderr)
	}
	served, err := os.ReadFile("raw.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for _, schema := range everySchema {
		exported, err := os.ReadFile(schema + ".jsonl")
		if err != nil {
			t.Fatal(err)
		}
		want := sortedLines(string(exported))
		w := newWorld(t)
		w.stdin = bytes.NewReader(served)
		if code := w.exec(t.Context(), "normalize", "--source", "acme", "--to", schema); code != exitOK || !slices.Equal(sortedLines(w.out.String()), want) || len(want) != 500 {
			t.Errorf("%s: exit %d, %d lines, want %d: %s", schema, code, strings.Count(w.out.String(), "\n"), len(want), &w.err)
		}
		if code := w.exec(t.Context(), "normalize", "--source", "acme", "--to", schema, "raw.jsonl"); code != exitOK || !slices.Equal(sortedLines(w.out.String()), want) {
			t.Errorf("%s, of a file: exit %d, %s", schema, code, &w.err)
		}
	}
}

func TestNormalizeTakesWhatCurlPrints(t *testing.T) {
	_, env := simulator(t, openaisim.Config{Seed: 7, Events: 50})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, env["OPENAI_BASE_URL"]+"/organization/audit_logs?limit=20", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+env["OPENAI_ADMIN_KEY"])
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, page, "", "  "); err != nil {
		t.Fatal(err)
	}
	var want string
	for name, text := range map[string]string{"as served": string(page), "through jq": pretty.String()} {
		w := newWorld(t)
		w.stdin = strings.NewReader(text)
		code := w.exec(t.Context(), "normalize")
		if want == "" {
			want = w.out.String()
		}
		if code != exitOK || strings.Count(w.out.String(), "\n") != 20 || w.out.String() != want {
			t.Errorf("%s: exit %d, %d lines: %s", name, code, strings.Count(w.out.String(), "\n"), &w.err)
		}
	}
}

func TestNormalizeReportsWhatItCannotRead(t *testing.T) {
	const good = `{"id":"audit_log-1","type":"logout.succeeded","effective_at":1795166939}`
	inFolder(t, map[string]string{
		"a.jsonl":    good + "\nhello\n{\"id\":\"2\"}\n{\"id\":\"3\",\"effective_at\":17951669x}\n{\"id\":\"4\n" + good + "\n",
		"b\x1b.json": "[" + good + ", 7]",
	})
	w := newWorld(t)
	code := w.exec(t.Context(), "normalize", "a.jsonl", "missing.jsonl", "b\x1b.json")
	if code != exitFailure || strings.Count(w.out.String(), `"event_id":"audit_log-1"`) != 3 || strings.Count(w.out.String(), "\n") != 3 {
		t.Errorf("exit %d, %s", code, &w.out)
	}
	want := []string{
		"a.jsonl:2: not an entry: want an object (want an event as the API returns it",
		"a.jsonl:3: it has no effective_at (",
		"a.jsonl:4: it is not JSON at offset 33: want ",
		"a.jsonl:5: not JSON: the line ends within a string (",
		"open missing.jsonl: no such file",
		`b\x1b.json:1: not an entry: want an object (`,
		"connector: normalize: 6 could not be read; 3 were printed",
	}
	lines := strings.Split(strings.TrimSpace(w.err.String()), "\n")
	for i := range max(len(want), len(lines)) {
		if i >= len(want) || i >= len(lines) || !strings.HasPrefix(lines[i], want[i]) {
			t.Fatalf("line %d differs:\n%s\nwant\n%s", i+1, &w.err, strings.Join(want, "\n"))
		}
	}
	if code := w.exec(t.Context(), "normalize", "--to", "xml", "a.jsonl"); code != exitUsage || !strings.Contains(w.err.String(), "known: normalized, ecs, ocsf, cim or raw") {
		t.Errorf("exit %d, %s", code, &w.err)
	}
	if code := w.exec(t.Context(), "normalize"); code != exitOK || w.out.Len()+w.err.Len() > 0 {
		t.Errorf("nothing: exit %d, %s%s", code, &w.out, &w.err)
	}
}

// TestNormalizeIsPrompt feeds events one by one, and then stops it in the middle.
func TestNormalizeIsPrompt(t *testing.T) {
	in, feed := io.Pipe()
	read, out := io.Pipe()
	defer feed.Close()
	w := newWorld(t)
	w.stdin, w.stdout = in, out
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	code := make(chan int, 1)
	go func() { code <- w.exec(ctx, "normalize", "--to", "cim") }()
	lines := bufio.NewReader(read)
	for i := range 3 {
		if _, err := fmt.Fprintf(feed, "{\"id\":\"%d\",\"type\":\"logout.succeeded\",\"effective_at\":1}\n", i); err != nil {
			t.Fatal(err)
		}
		if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, fmt.Sprintf(`"event_id":"%d"`, i)) {
			t.Fatalf("%v: %s", err, line)
		}
	}
	cancel(stopped{syscall.SIGINT})
	select {
	case got := <-code:
		if got != stopped.exitCode(stopped{syscall.SIGINT}) {
			t.Errorf("exit %d: %s", got, &w.err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it does not stop while it waits for input")
	}
}

// heapWatch notes the most that was reachable while it was written to.
type heapWatch struct {
	writes, lines int
	most          uint64
}

func (h *heapWatch) Write(p []byte) (int, error) {
	h.lines += bytes.Count(p, []byte("\n"))
	if h.writes++; h.writes%20 == 0 {
		h.most = max(h.most, liveHeap())
	}
	return len(p), nil
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestNormalizeTakesConstantMemory(t *testing.T) {
	sample, err := os.ReadFile("../../sources/openai/testdata/samples/variants/_page.first.json")
	if err != nil {
		t.Fatal(err)
	}
	const pages, most = 3000, 1 << 20
	many := make([]io.Reader, pages)
	for i := range many {
		many[i] = bytes.NewReader(sample)
	}
	w, out := newWorld(t), &heapWatch{}
	w.stdin, w.stdout = io.MultiReader(many...), out
	before := liveHeap()
	if code := w.exec(t.Context(), "normalize"); code != exitOK || out.lines != 3*pages {
		t.Fatalf("exit %d, %d lines, %s", code, out.lines, &w.err)
	}
	used := int64(out.most) - int64(before)
	t.Logf("%d MiB through %d KiB", pages*len(sample)>>20, used>>10)
	if used > most || out.most == 0 {
		t.Errorf("%d MiB of input took %d KiB", pages*len(sample)>>20, used>>10)
	}
}

func BenchmarkNormalizeCommand(b *testing.B) {
	sample, err := os.ReadFile("../../sources/openai/testdata/samples/api_key.created.json")
	if err != nil {
		b.Fatal(err)
	}
	var line bytes.Buffer
	if err := json.Compact(&line, sample); err != nil {
		b.Fatal(err)
	}
	line.WriteByte('\n')
	lines := bytes.Repeat(line.Bytes(), 10000)
	for _, schema := range everySchema {
		b.Run(schema, func(b *testing.B) {
			b.SetBytes(int64(len(lines)))
			n := 0
			for b.Loop() {
				a := &app{stdin: bytes.NewReader(lines), stdout: io.Discard, stderr: io.Discard}
				if code := a.run(b.Context(), []string{"normalize", "--to", schema}); code != exitOK {
					b.Fatal(code)
				}
				n += 10000
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
