package clustertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"auditlog-connector/internal/testserver"
)

// testSameVolume starts a second release on the volume of the first.
func (w *world) testSameVolume(t *testing.T) {
	first := w.newRelease(t, "first", options{})
	defer first.uninstall(t)
	first.install(t)
	first.awaitMore(t)
	second := &release{world: w, name: "second", values: filepath.Join(w.dir, "second.yaml"), data: first.data}
	second.write(t, first.name)
	defer second.uninstall(t)
	if _, err := second.chartRun("install", second.name, chart, "--values", second.values, "--set", "persistence.existingClaim=data-"+first.podName()); err != nil {
		t.Fatal(err)
	}
	second.await(t, "the second pod to give up", func() error {
		p, err := second.pod(second.podName())
		if err != nil {
			return err
		}
		if len(p.Status.ContainerStatuses) == 0 || p.Status.ContainerStatuses[0].RestartCount == 0 {
			return fmt.Errorf("it did not: %+v", p.Status)
		}
		if end := p.Status.ContainerStatuses[0].LastState.Terminated; end == nil || end.ExitCode != 1 {
			t.Errorf("it ended with %+v, want exit code 1", end)
		}
		return nil
	})
	if out, err := second.Run("", "logs", second.podName(), "--namespace", namespace, "--previous"); err != nil || !strings.Contains(out, "locked") {
		t.Errorf("the second pod says, %v:\n%s", err, out)
	}
	second.uninstall(t)
	if p := first.awaitReady(t, first.podName(), ""); p.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Error("the first pod was disturbed")
	}
	first.verdict(t)
}

// testCopy is a node that was thought dead: the volume is copied while nobody writes,
// and then both pods run. Every destination outside of the volume that can fence has
// to let one of them through only.
func (w *world) testCopy(t *testing.T) {
	testserver.Program(t, "kcat", "kcat")
	kafka := testserver.StartKafka(t, testserver.KafkaOptions{Advertise: func(_ int, addr string) string { return w.Forward(addr) }})
	sinks := fmt.Sprintf(`    - name: stream
      type: kafka
      start: earliest
      batch: { max_events: 100, max_age: 200ms }
      config: { brokers: [%q], topic: audit, create_topics: true, format: json, schema: raw }
    - name: shared
      type: sqlite
      start: earliest
      batch: { max_events: 100, max_age: 200ms }
      config: { path: /shared/audit.db }
    - name: lines
      type: file
      start: earliest
      batch: { max_events: 100, max_age: 200ms }
      config: { path: /shared/audit.jsonl }`, kafka.Brokers[0])
	const shared = `extraVolumes: [{ name: shared, persistentVolumeClaim: { claimName: shared } }]
extraVolumeMounts: [{ name: shared, mountPath: /shared }]
`
	dir := w.volume(t, "shared", "ReadWriteMany")
	w.claim(t, "shared", "ReadWriteMany")
	older := w.newRelease(t, "older", options{sinks: sinks, more: shared})
	defer older.uninstall(t)
	older.install(t)
	older.awaitMore(t)
	older.scale(t, 0)

	newer := &release{world: w, name: "newer", values: filepath.Join(w.dir, "newer.yaml"), options: older.options}
	newer.data = w.volume(t, "data-"+newer.podName(), "ReadWriteOnce")
	if err := testserver.Run(exec.Command("cp", "-a", older.data+"/.", newer.data)); err != nil {
		t.Fatal(err)
	}
	newer.write(t, older.name)
	defer newer.uninstall(t)
	older.scaleAlone(t, 1)
	if _, err := newer.chartRun("install", newer.name, chart, "--values", newer.values); err != nil {
		t.Fatal(err)
	}
	fencing := []string{"acme/archive", "acme/stream", "acme/shared", "acme/lines"}
	w.await(t, "one of the two to be halted in each lane that can fence", func() error {
		a, errOlder := older.lanes(t.Context())
		b, errNewer := newer.lanes(t.Context())
		if err := errors.Join(errOlder, errNewer); err != nil {
			return err
		}
		for _, name := range fencing {
			if a[name].State != "halted" && b[name].State != "halted" {
				return fmt.Errorf("lane %s: %+v and %+v", name, a[name], b[name])
			}
		}
		for _, name := range fencing {
			t.Logf("%s: older pod %s %s, newer pod %s %s", name, a[name].State, a[name].Reason, b[name].State, b[name].Reason)
			if a[name].State == "halted" && b[name].State == "halted" {
				t.Errorf("lane %s: both are halted, nobody delivers", name)
			}
		}
		return nil
	})
	before, err := w.truth(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	read := func() map[string][]row {
		all := make(map[string][]row)
		var errs [4]error
		all["acme/archive"], errs[0] = w.objects(t.Context(), older.name)
		all["acme/shared"], errs[1] = table(t.Context(), filepath.Join(dir, "audit.db"))
		all["acme/lines"], errs[2] = lines(filepath.Join(dir, "audit.jsonl"))
		all["acme/stream"], errs[3] = messages(t, kafka)
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
		return all
	}
	w.await(t, "everything in every destination", func() error {
		for name, held := range read() {
			if n := missing(held, before); n > 0 {
				return fmt.Errorf("%s lacks %d", name, n)
			}
		}
		return nil
	})
	older.scale(t, 0)
	newer.scale(t, 0)
	held := read()
	after, err := w.truth(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range fencing {
		if err := compare(held[name], before, after); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// scaleAlone makes the pod come back and does not wait for it.
func (r *release) scaleAlone(t *testing.T, n int) {
	t.Helper()
	if _, err := r.Run("", "scale", "statefulset", r.name+"-connector", "--namespace", namespace, fmt.Sprintf("--replicas=%d", n)); err != nil {
		t.Fatal(err)
	}
}

// lines reads a file of the file sink.
func lines(path string) ([]row, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all []row
	for line := range strings.Lines(string(text)) {
		if !strings.HasSuffix(line, "\n") {
			break // it is being written
		}
		var e struct {
			ID  string          `json:"event_id"`
			Raw json.RawMessage `json:"raw"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(all)+1, err)
		}
		all = append(all, row{e.ID, e.Raw})
	}
	return all, nil
}

// messages reads the topic to its present end.
func messages(t *testing.T, k *testserver.Kafka) ([]row, error) {
	t.Helper()
	var all []row
	for _, r := range k.Kcat(t, "audit") {
		var e struct{ ID string }
		if err := json.Unmarshal([]byte(r.Value), &e); err != nil {
			return nil, fmt.Errorf("value %.100q: %w", r.Value, err)
		}
		all = append(all, row{e.ID, []byte(r.Value)})
	}
	return all, nil
}
