package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"auditlog-connector/pipeline"
	"auditlog-connector/pipeline/checkpoint"
)

const quarantineConfig = `
sources: [{ name: a, type: fake, config: { key: "${env:KEY}", count: 25 } }]
pipeline: { drain_timeout: 1s }
http: { listen: "" }
sinks: [{ name: b, type: memory, on_reject: quarantine, config: { path: b, marker: true } }]
`

// refusing makes the destination refuse the given events until it is mended.
func (w *world) refusing(ids ...string) (mend func()) {
	var mended atomic.Bool
	w.deliver = func(b pipeline.Batch) error {
		refused := make(map[int]error)
		for i, r := range b.Records {
			if !mended.Load() && slices.Contains(ids, r.ID) {
				refused[i] = errors.New("field too long: <" + r.ID + ">")
			}
		}
		if len(refused) == 0 {
			return nil
		}
		return &pipeline.RejectedError{Records: refused}
	}
	return func() { mended.Store(true) }
}

// quarantinedWorld has three of 25 events in quarantine and no connector running.
func quarantinedWorld(t *testing.T) (w *world, id string, mend func()) {
	t.Helper()
	w = runWorld(t, quarantineConfig)
	mend = w.refusing("event-0003", "event-0007", "event-0011")
	if code := w.exec(t.Context(), "run", "-c", "c.yaml", "--once"); code != exitOK {
		t.Fatalf("exit %d, %s", code, &w.err)
	}
	list := w.quarantined(t)
	if len(list) != 1 || list[0].Events != 3 || list[0].Lane != "a/b" || list[0].Kind != "refused" || !strings.HasPrefix(list[0].Reason, "field too long") {
		t.Fatalf("quarantine: %+v", list)
	}
	return w, list[0].Batch, mend
}

func (w *world) quarantined(t *testing.T) []quarantined {
	t.Helper()
	if code := w.exec(t.Context(), "quarantine", "ls", "-c", "c.yaml", "-o", "json"); code != exitOK {
		t.Fatalf("ls: exit %d, %s", code, &w.err)
	}
	var list []quarantined
	if err := json.Unmarshal(w.out.Bytes(), &list); err != nil {
		t.Fatalf("ls: %v: %s", err, &w.out)
	}
	return list
}

// retryOf runs "quarantine retry" and returns what it says of each batch.
func (w *world) retryOf(t *testing.T, code int, args ...string) []retryResult {
	t.Helper()
	got := w.exec(t.Context(), append([]string{"quarantine", "retry", "-c", "c.yaml", "-o", "json"}, args...)...)
	var results []retryResult
	if err := json.Unmarshal(w.out.Bytes(), &results); err != nil || got != code {
		t.Fatalf("retry: exit %d, want %d: %v: %s%s", got, code, err, &w.out, &w.err)
	}
	return results
}

// once checks that each of the 25 events was delivered once.
func (w *world) once(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	got := slices.Clone(w.delivered["b"])
	slices.Sort(got)
	if n := len(slices.Compact(slices.Clone(got))); n != 25 || len(got) != 25 {
		t.Errorf("%d events delivered, %d of them distinct, want 25: %v", len(got), n, got)
	}
}

func TestQuarantineIsShown(t *testing.T) {
	w, id, _ := quarantinedWorld(t)
	q := checkpoint.NewQuarantine("connector-data/quarantine")
	if err := q.SetAside(t.Context(), "a", pipeline.Aside{ID: "bad", Body: []byte("{\"id\":\"bad\xff\"}"), Reason: "ignore_ids"}); err != nil {
		t.Fatal(err)
	}
	if list := w.quarantined(t); len(list) != 2 || list[1].Kind != "set_aside" || list[1].ID != "bad" || list[1].Source != "a" {
		t.Errorf("ls: %+v", list)
	}
	if code := w.exec(t.Context(), "quarantine", "ls", "-c", "c.yaml"); code != exitOK || !strings.Contains(w.out.String(), id) || !strings.Contains(w.out.String(), "a bad") {
		t.Errorf("ls: exit %d, %s", code, &w.out)
	}
	if code := w.exec(t.Context(), "quarantine", "cat", "-c", "c.yaml"); code != exitOK || strings.Count(w.out.String(), "\n") != 4 {
		t.Errorf("cat: exit %d, %s", code, &w.out)
	}
	for _, line := range strings.Split(strings.TrimSpace(w.out.String()), "\n") {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
	if code := w.exec(t.Context(), "quarantine", "cat", "-c", "c.yaml", id); code != exitOK || strings.Count(w.out.String(), "\n") != 3 {
		t.Errorf("cat: exit %d, %s", code, &w.out)
	}
	var line struct {
		Batch, Reason string
		Event         struct {
			ID  string          `json:"event_id"`
			Raw json.RawMessage `json:"raw"`
		}
	}
	first, _, _ := strings.Cut(w.out.String(), "\n")
	if err := json.Unmarshal([]byte(first), &line); err != nil || line.Batch != id || !strings.Contains(line.Reason, "<"+line.Event.ID+">") || line.Event.ID == "" || line.Event.Raw == nil {
		t.Errorf("%v: %s", err, first)
	}
	if code := w.exec(t.Context(), "quarantine", "cat", "-c", "c.yaml", strings.Replace(id, "a/b", "a/c", 1)); code != exitFailure || !strings.Contains(w.err.String(), "is not in quarantine") {
		t.Errorf("another batch: exit %d, %s", code, &w.err)
	}
	if code := w.exec(t.Context(), "quarantine", "cat", "-c", "c.yaml", "17"); code != exitUsage {
		t.Errorf("no batch: exit %d, %s", code, &w.err)
	}
}

func TestRetryDeliversOnce(t *testing.T) {
	for _, running := range []bool{false, true} {
		t.Run(map[bool]string{false: "stopped", true: "running"}[running], func(t *testing.T) {
			w, id, mend := quarantinedWorld(t)
			if running {
				e := startRun(t, w.app, "-c", "c.yaml")
				eventually(t, "it runs", e.log.String, func() bool { st, l := w.statusOf(t, "a/b"); return st.Running && l.State == "following" })
				defer func() {
					if code := e.stop(); code != exitOK {
						t.Errorf("exit %d", code)
					}
				}()
			}
			// Refused again: it stays, under the new number.
			r := w.retryOf(t, exitFailure, id)
			if len(r) != 1 || r[0].Delivered != 0 || r[0].Refused != 3 || r[0].Error != "" || r[0].As == id {
				t.Errorf("refused again: %+v", r)
			}
			if list := w.quarantined(t); len(list) != 1 || list[0].Events != 3 || list[0].Batch != r[0].As {
				t.Errorf("refused again: %+v", list)
			}
			mend()
			r = w.retryOf(t, exitOK, "--all")
			if len(r) != 1 || r[0].Delivered != 3 || r[0].Refused != 0 || r[0].Error != "" {
				t.Errorf("retry: %+v", r)
			}
			w.once(t)
			if list := w.quarantined(t); len(list) != 0 {
				t.Errorf("still there: %+v", list)
			}
			if r := w.retryOf(t, exitOK, "--lane", "a/b"); len(r) != 0 {
				t.Errorf("nothing is left: %+v", r)
			}
			if r := w.retryOf(t, exitFailure, id); len(r) != 1 || !strings.Contains(r[0].Error, "it is not in quarantine") {
				t.Errorf("a batch that is not there: %+v", r)
			}
			if running {
				return
			}
			if code := w.exec(t.Context(), "run", "-c", "c.yaml", "--once"); code != exitOK {
				t.Errorf("run: exit %d, %s", code, &w.err)
			}
			w.once(t)
		})
	}
}

func TestRetryOfWhatIsNotTakenLeavesItInQuarantine(t *testing.T) {
	w, id, _ := quarantinedWorld(t)
	for name, tt := range map[string]struct {
		err  error
		args []string
		want string
	}{
		"for good": {pipeline.Permanent(errors.New("no such index")), nil, "it stays in quarantine: deliver a/b/"},
		"throttled too long": {&pipeline.ThrottledError{Err: errors.New("slow down"), After: time.Hour}, []string{"--timeout", "500ms"},
			"it stays in quarantine: throttled"},
	} {
		w.deliver = func(pipeline.Batch) error { return tt.err }
		if r := w.retryOf(t, exitFailure, append(tt.args, id)...); len(r) != 1 || !strings.Contains(r[0].Error, tt.want) || r[0].As != "" {
			t.Errorf("%s: %+v", name, r)
		}
		if list := w.quarantined(t); len(list) != 1 || list[0].Batch != id || list[0].Events != 3 || list[0].As != "" {
			t.Errorf("%s: %+v", name, list)
		}
	}
	w.deliver = nil
	if r := w.retryOf(t, exitOK, id); len(r) != 1 || r[0].Delivered != 3 {
		t.Errorf("%+v", r)
	}
	w.once(t)
}

func TestRetryInDoubtIsSettledByTheNextRun(t *testing.T) {
	w, id, mend := quarantinedWorld(t)
	mend()
	w.deliver = func(pipeline.Batch) error { return errors.New("connection reset") }
	r := w.retryOf(t, exitFailure, "--timeout", "500ms", id)
	if len(r) != 1 || !strings.Contains(r[0].Error, "it is in doubt now as batch a/b/") {
		t.Fatalf("%+v", r)
	}
	if list := w.quarantined(t); len(list) != 1 || list[0].Batch != id || list[0].As == "" {
		t.Errorf("%+v", list)
	}
	if r := w.retryOf(t, exitFailure, id); len(r) != 1 || !strings.Contains(r[0].Error, "is in doubt, and comes first") {
		t.Errorf("%+v", r)
	}
	w.deliver = nil
	if code := w.exec(t.Context(), "run", "-c", "c.yaml", "--once"); code != exitOK {
		t.Fatalf("exit %d, %s", code, &w.err)
	}
	w.once(t)
	if code := w.exec(t.Context(), "run", "-c", "c.yaml", "--once"); code != exitOK {
		t.Fatalf("exit %d, %s", code, &w.err)
	}
	w.once(t)
	if list := w.quarantined(t); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestRetryOfALaneThatWasReset(t *testing.T) {
	for start, want := range map[string]string{"earliest": "refusing to deliver it twice", "now": ""} {
		w, id, mend := quarantinedWorld(t)
		mend()
		if code := w.exec(t.Context(), "checkpoint", "reset", "-c", "c.yaml", "--lane", "a/b", "--start", start, "--takeover", "--yes"); code != exitOK {
			t.Fatalf("exit %d, %s", code, &w.err)
		}
		code := exitOK
		if want != "" {
			code = exitFailure
		}
		r := w.retryOf(t, code, id)
		if len(r) != 1 || !strings.Contains(r[0].Error, want) || (want == "") != (r[0].Delivered == 3) {
			t.Errorf("%s: %+v", start, r)
		}
	}
}

// TestRetryThatIsKilled stops a retry after each of its durable steps, lets the
// connector or another retry come next, and looks whether anything is lost or
// repeated.
func TestRetryThatIsKilled(t *testing.T) {
	steps := []string{"named", "prepared", "delivered", "done", "given up: named", "given up: dropped"}
	for _, step := range steps {
		for _, next := range []string{"run", "retry", "status"} {
			t.Run(step+", then "+next, func(t *testing.T) {
				w, id, mend := quarantinedWorld(t)
				mend()
				w.retryUntil(t, id, step)
				switch next {
				case "run":
					if code := w.exec(t.Context(), "run", "-c", "c.yaml", "--once"); code != exitOK {
						t.Fatalf("exit %d, %s", code, &w.err)
					}
				case "retry":
					w.exec(t.Context(), "quarantine", "retry", "-c", "c.yaml", id) // refused while it is in doubt, or not there
				case "status":
					w.statusOf(t, "a/b")
				}
				if code := w.exec(t.Context(), "run", "-c", "c.yaml", "--once"); code != exitOK {
					t.Fatalf("exit %d, %s", code, &w.err)
				}
				w.retryOf(t, exitOK, "--all")
				w.once(t)
				if files, err := filepath.Glob("connector-data/quarantine/*/*/*"); err != nil || len(files) > 0 {
					t.Errorf("left: %v, %v", files, err)
				}
			})
		}
	}
}

// retryUntil does what a retry of the batch does, up to and with step.
func (w *world) retryUntil(t *testing.T, batch, step string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := w.load("c.yaml", false)
	must(err)
	o, err := w.operator(t.Context(), s, false)
	must(err)
	d := o.(*desk)
	defer func() { must(d.Close()) }()
	id, err := pipeline.ParseBatchID(batch)
	must(err)
	cp, err := d.store.Load(t.Context(), id.Lane, time.Time{})
	must(err)
	l, _ := s.lane(id.Lane)
	src, err := d.source(t.Context(), l)
	must(err)
	b, err := d.batchAgain(src, cp, l, id)
	must(err)
	must(d.quarantine.BeginRetry(id, b.ID))
	if step == "named" {
		return
	}
	must(d.store.Advance(t.Context(), id.Lane, false, &b.Manifest))
	if strings.HasPrefix(step, "given up") {
		must(d.quarantine.DropRetry(id.Lane, b.ID.Seq))
		if strings.HasSuffix(step, "dropped") {
			must(d.store.Resolve(id.Lane, false))
		}
		return
	}
	if step == "prepared" {
		return
	}
	target, err := d.sink(t.Context(), l)
	must(err)
	_, _, err = pipeline.Settle(context.Background(), target, b, pipeline.DoubtRedeliver, d.quarantine)
	must(err)
	if step == "done" {
		must(d.store.Advance(t.Context(), id.Lane, true, nil))
	}
}

func TestRetryArguments(t *testing.T) {
	w, id, _ := quarantinedWorld(t)
	for _, args := range [][]string{{}, {"--all", id}, {"--lane", "a/b", "--all"}, {"--timeout", "0s", id}, {"17"}} {
		if code := w.exec(t.Context(), append([]string{"quarantine", "retry", "-c", "c.yaml"}, args...)...); code != exitUsage {
			t.Errorf("%v: exit %d, %s", args, code, &w.err)
		}
	}
	other := strings.ReplaceAll(quarantineConfig, "name: b", "name: renamed")
	if err := os.WriteFile("c.yaml", []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := w.retryOf(t, exitFailure, id); !strings.Contains(r[0].Error, "lane a/b is not in the configuration") {
		t.Errorf("%+v", r)
	}
}
