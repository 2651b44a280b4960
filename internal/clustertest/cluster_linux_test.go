package clustertest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"auditlog-connector/internal/testserver"
)

// TestCluster does with the chart in a cluster what a platform team does in its first
// week. Its parts share the cluster and run one after the other.
func TestCluster(t *testing.T) {
	testserver.Require(t)
	w := newWorld(t)
	t.Run("the API server takes every example", w.testExamples)
	t.Run("life of a release", w.testLife)
	t.Run("deleted twenty times", w.testDeleted)
	t.Run("SIGTERM during a delivery", w.testTerminated)
	t.Run("the same volume twice", w.testSameVolume)
	t.Run("a copy of the volume", w.testCopy)
	t.Run("a node that died", w.testDeadNode)
}

// ofOthers are kinds that the cluster does not know: their definitions come with
// other projects.
var ofOthers = regexp.MustCompile(`(?m)^kind: (ExternalSecret|PodMonitor|PrometheusRule|ServiceMonitor)$`)

func (w *world) testExamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(chart, "ci", "*-values.yaml"))
	if err != nil || len(files) < 7 {
		t.Fatalf("%v, %v", files, err)
	}
	// A pod is taken only if its account and classes are there; nothing of a dry run is.
	w.apply(t, fmt.Sprintf(`
{ apiVersion: v1, kind: ServiceAccount, metadata: { name: r-connector, namespace: %[1]s } }
---
{ apiVersion: v1, kind: ServiceAccount, metadata: { name: audit, namespace: %[1]s } }
---
{ apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: { name: gvisor }, handler: runsc }
---
{ apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: { name: important }, value: 1000 }
`, namespace))
	for _, file := range append(files, filepath.Join(chart, "values.yaml")) {
		manifests, err := w.chartRun("template", "r", chart, "--kube-version", testserver.KubernetesVersion, "--values", file)
		if err != nil {
			t.Fatal(err)
		}
		var known []string
		for _, m := range strings.Split(manifests, "\n---\n") {
			if !ofOthers.MatchString(m) {
				known = append(known, m)
			}
		}
		args := []string{"apply", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "--namespace", namespace, "-f", "-"}
		if _, err := w.Run(strings.Join(known, "\n---\n"), args...); err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
	}
	for what, manifest := range map[string]string{
		"an unknown field":             `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, dat: {}}`,
		"a pod that is not restricted": `{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: a}]}}`,
	} {
		if out, err := w.Run(manifest, "apply", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "--namespace", namespace, "-f", "-"); err == nil {
			t.Errorf("%s passes: the test shows nothing: %s", what, out)
		}
	}
}

func (w *world) testLife(t *testing.T) {
	r := w.newRelease(t, "life", options{})
	defer r.uninstall(t)
	for _, set := range []string{"replicaCount=2", "config.http.listen=:80", "config.sinks[0].type=kinesis", "persistence.accessMode=ReadWriteMany"} {
		if _, err := r.chartRun("install", r.name, chart, "--values", r.values, "--set", set); err == nil || !strings.Contains(err.Error(), "schema") {
			t.Errorf("--set %s: %v, want a refusal by the schema", set, err)
		}
	}
	notes := r.install(t)
	for _, command := range []string{"helm test life", "kubectl exec", "kubectl port-forward"} {
		if !strings.Contains(notes, command) {
			t.Errorf("the notes do not tell %q:\n%s", command, notes)
		}
	}
	r.awaitMore(t)
	r.testTools(t)
	r.testUpgrade(t)
	r.testRollback(t)
	r.testReinstalled(t)
	r.verdict(t)
}

// testTools runs what the notes tell.
func (r *release) testTools(t *testing.T) {
	if out, err := r.chartRun("test", r.name, "--logs", "--timeout", "2m"); err != nil || !strings.Contains(out, "Succeeded") {
		t.Errorf("helm test: %v\n%s", err, out)
	} else {
		t.Logf("helm test:\n%s", out[strings.Index(out, "POD LOGS"):])
	}
	out, err := r.Run("", "exec", "--namespace", namespace, r.podName(), "--", "/connector", "status", "--config", "/etc/connector/connector.yaml")
	if err != nil || !strings.Contains(out, "acme/archive") {
		t.Errorf("connector status in the pod: %v\n%s", err, out)
	}
}

// testUpgrade changes the configuration: another pod, and the same volume.
func (r *release) testUpgrade(t *testing.T) {
	before := r.awaitReady(t, r.podName(), "")
	upgrade := func(args ...string) *state {
		if _, err := r.chartRun(append([]string{"upgrade", r.name, chart, "--values", r.values, "--wait", "--timeout", "3m"}, args...)...); err != nil {
			t.Fatalf("%v\n%s", err, r.describe())
		}
		return r.awaitReady(t, r.podName(), "")
	}
	if same := upgrade("--set", "metrics.monitor=none"); same.Metadata.UID != before.Metadata.UID {
		t.Error("an upgrade that changes nothing made another pod")
	}
	after := upgrade("--set", "config.pipeline.overlap=48h")
	const sum = "checksum/config"
	if after.Metadata.UID == before.Metadata.UID || after.Metadata.Annotations[sum] == before.Metadata.Annotations[sum] {
		t.Errorf("the pod with the new configuration is the old one: checksum %s", after.Metadata.Annotations[sum])
	}
	r.awaitMore(t)
	if again := upgrade(); again.Metadata.Annotations[sum] != before.Metadata.Annotations[sum] {
		t.Error("the old configuration has another checksum than before")
	}
}

// testRollback upgrades to an image that does not exist.
func (r *release) testRollback(t *testing.T) {
	out, err := r.chartRun("upgrade", r.name, chart, "--values", r.values, "--set", "image.tag=missing", "--atomic", "--timeout", "45s")
	if err == nil || !strings.Contains(err.Error(), "rolled back due to atomic being set") {
		t.Fatalf("%v, want a rollback\n%s", err, out)
	}
	r.awaitReady(t, r.podName(), "")
	image, err := r.Run("", "get", "pod", r.podName(), "--namespace", namespace, "-o", "jsonpath={.spec.containers[0].image}")
	if err != nil || image != imageName+":test" {
		t.Errorf("the pod's image is %s, %v", image, err)
	}
	r.awaitMore(t)
}

// testReinstalled removes the release: its volume stays, and the next one goes on.
func (r *release) testReinstalled(t *testing.T) {
	before := r.epochs(t)
	r.uninstall(t)
	r.awaitGone(t)
	claim, err := r.Run("", "get", "pvc", "data-"+r.podName(), "--namespace", namespace, "-o", "jsonpath={.status.phase}")
	if err != nil || claim != "Bound" {
		t.Errorf("the claim is %q after helm uninstall, %v", claim, err)
	}
	for _, name := range []string{"checkpoint.db", "checkpoint.db.generation", "audit.db"} {
		if _, err := os.Stat(filepath.Join(r.data, name)); err != nil {
			t.Errorf("the volume lacks a file: %v", err)
		}
	}
	r.install(t)
	r.awaitMore(t)
	if after := r.epochs(t); !maps.Equal(after, before) {
		t.Errorf("the lanes' epochs are %v after another installation, and were %v", after, before)
	}
}

// epochs returns what tells the checkpoint of each lane from another.
func (r *release) epochs(t *testing.T) map[string]string {
	t.Helper()
	lanes, err := r.lanes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for name, l := range lanes {
		all[name], _, _ = strings.Cut(strings.TrimPrefix(l.Batch, name+"/"), "/")
		if all[name] == "" {
			t.Fatalf("lane %s has batch %q", name, l.Batch)
		}
	}
	return all
}
