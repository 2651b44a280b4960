package charttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"auditlog-connector/internal/testserver"
)

// kubernetesVersions are those that the chart is held against: the oldest and the
// newest that are maintained, and one between.
var kubernetesVersions = []string{"1.31.14", "1.33.13", "1.36.3"}

// object is one rendered manifest.
type object map[string]any

// at returns what is at a path of keys and indexes, nil if nothing is.
func (o object) at(path ...any) any {
	var v any = map[string]any(o)
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			list, _ := v.([]any)
			if p >= len(list) {
				return nil
			}
			v = list[p]
		}
	}
	return v
}

// helm runs Helm and returns what it printed.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(testserver.Helm(t), args...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("helm %s: %w: %s", args[0], err, &stderr)
	}
	return out.String(), nil
}

// render renders the chart as release "r".
func render(t *testing.T, version string, args ...string) (string, error) {
	t.Helper()
	return helm(t, append([]string{"template", "r", chart, "--namespace", "audit", "--kube-version", version}, args...)...)
}

func objects(t *testing.T, manifests string) []object {
	t.Helper()
	var all []object
	for d := yaml.NewDecoder(strings.NewReader(manifests)); ; {
		var o map[string]any
		err := d.Decode(&o)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, manifests)
		}
		if o != nil {
			all = append(all, o)
		}
	}
}

func find(t *testing.T, all []object, kind string) object {
	t.Helper()
	for _, o := range all {
		if o["kind"] == kind {
			return o
		}
	}
	t.Fatalf("there is no %s", kind)
	return nil
}

// examples are the values for each kind of sink, by file.
func examples(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(chart, "ci", "*-values.yaml"))
	if err != nil || len(files) < 7 {
		t.Fatalf("%v, %v", files, err)
	}
	return files
}

func TestExamplesRenderToWhatKubernetesTakes(t *testing.T) {
	testserver.Require(t)
	kubeconform, score := testserver.Kubeconform(t), testserver.KubeScore(t)
	for _, file := range examples(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if _, err := helm(t, "lint", "--strict", chart, "--values", file); err != nil {
				t.Error(err)
			}
			for _, version := range kubernetesVersions {
				manifests, err := render(t, version, "--values", file)
				if err != nil {
					t.Fatal(err)
				}
				// Of other projects, whose schemas are not Kubernetes'.
				cmd := exec.Command(kubeconform, "-strict", "-kubernetes-version", version, "-schema-location", testserver.KubernetesSchemas(t, version),
					"-skip", "ExternalSecret,PodMonitor,PrometheusRule,ServiceMonitor", "-")
				cmd.Stdin = strings.NewReader(manifests)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("kubeconform, Kubernetes %s: %v\n%s", version, err, out)
				}
			}
			manifests, err := render(t, kubernetesVersions[1], "--values", file)
			if err != nil {
				t.Fatal(err)
			}
			// No CPU limit: it would throttle a connector that catches up, and its
			// request is what the scheduler needs. Pull policy: tags are releases.
			cmd := exec.Command(score, "score", "--kubernetes-version", "v1.33", "--ignore-container-cpu-limit", "--ignore-test", "container-image-pull-policy", "-")
			cmd.Stdin = strings.NewReader(manifests)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("kube-score: %v\n%s", err, out)
			}
		})
	}
}

func TestSchemasAreStrict(t *testing.T) {
	testserver.Require(t)
	for what, manifest := range map[string]string{
		"an unknown field": `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, dat: {}}`,
		"a wrong type":     `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: {y: z}}}`,
	} {
		cmd := exec.Command(testserver.Kubeconform(t), "-strict", "-schema-location", testserver.KubernetesSchemas(t, kubernetesVersions[0]), "-")
		cmd.Stdin = strings.NewReader(manifest)
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("%s passes: %s", what, out)
		}
	}
}

func TestImpossibleValuesAreRefused(t *testing.T) {
	testserver.Require(t)
	for _, set := range []string{
		"replicaCount=2", "replicas=2", "persistence.enabled=false", "persistence.accessMode=ReadWriteMany", "persistence.size=5", "podDisruptionBudget.maxUnavailable=2",
		"config.sources=null", "config.sinks[0].name=Upper", "config.sinks[0].type=kinesis", "config.http.listen=:80", "config.checkpoint.path=/tmp/x",
		"config.pipeline.drain_timeout=25", "config.log.level=loud", "image.digest=latest", "image.pullpolicy=Always", "metrics.monitor=both",
		"secrets[0].name=x", "secrets[0].existingSecret=,secrets[0].name=x", "networkPolicy.egressPorts[0]=0", "prometheusRule.disabled[0]=Other",
		"fullnameOverride=a-name-that-is-much-too-long-for-a-statefulset", "terminationGracePeriodSeconds=1",
	} {
		out, err := render(t, kubernetesVersions[0], "--set", set)
		if err == nil {
			t.Errorf("%s is accepted", set)
		} else if !strings.Contains(err.Error(), "schema") {
			t.Errorf("%s is refused, but not by the schema: %v %s", set, err, out)
		}
	}
	if _, err := render(t, kubernetesVersions[0], "--set", "global.parent=x"); err != nil {
		t.Error(err)
	}
}

func TestPodsFitTheRestrictedStandard(t *testing.T) {
	testserver.Require(t)
	manifests, err := render(t, kubernetesVersions[0])
	if err != nil {
		t.Fatal(err)
	}
	all := objects(t, manifests)
	set := find(t, all, "StatefulSet")
	for name, pod := range map[string]object{
		"exporter": set.at("spec", "template", "spec").(map[string]any), "check": find(t, all, "Pod").at("spec").(map[string]any),
	} {
		for _, want := range []struct {
			path []any
			want any
		}{
			{[]any{"securityContext", "runAsNonRoot"}, true},
			{[]any{"securityContext", "seccompProfile", "type"}, "RuntimeDefault"},
			{[]any{"automountServiceAccountToken"}, false},
			{[]any{"containers", 0, "securityContext", "allowPrivilegeEscalation"}, false},
			{[]any{"containers", 0, "securityContext", "readOnlyRootFilesystem"}, true},
			{[]any{"containers", 0, "securityContext", "capabilities", "drop", 0}, "ALL"},
			{[]any{"hostNetwork"}, nil},
			{[]any{"containers", 1}, nil},
		} {
			if got := pod.at(want.path...); got != want.want {
				t.Errorf("%s: %v is %v, want %v", name, want.path, got, want.want)
			}
		}
		for _, v := range pod["volumes"].([]any) {
			for kind := range v.(map[string]any) {
				if !slices.Contains([]string{"name", "configMap", "emptyDir", "secret", "persistentVolumeClaim"}, kind) {
					t.Errorf("%s: a volume of kind %s", name, kind)
				}
			}
		}
	}
	if got := set.at("spec", "replicas"); got != 1 {
		t.Errorf("%v replicas", got)
	}
}

func TestConfigRestartsThePodAndNothingElseDoes(t *testing.T) {
	testserver.Require(t)
	sum := func(args ...string) string {
		manifests, err := render(t, kubernetesVersions[0], args...)
		if err != nil {
			t.Fatal(err)
		}
		s, _ := find(t, objects(t, manifests), "StatefulSet").at("spec", "template", "metadata", "annotations", "checksum/config").(string)
		return s
	}
	same, changed := sum("--set", "commonLabels.a=b,metrics.monitor=service"), sum("--set", "config.pipeline.overlap=48h")
	if plain := sum(); len(plain) != 64 || plain != same || plain == changed {
		t.Errorf("checksums %s, %s, %s", plain, same, changed)
	}
}

func TestMonitoringIsWhatIsDelivered(t *testing.T) {
	testserver.Require(t)
	promtool := testserver.Program(t, "promtool", "prometheus")
	manifests, err := render(t, kubernetesVersions[0], "--values", filepath.Join(chart, "ci", "everything-values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	all := objects(t, manifests)
	var want rules
	readYAML(t, rulesFile, &want)
	text, err := yaml.Marshal(find(t, all, "PrometheusRule")["spec"])
	if err != nil {
		t.Fatal(err)
	}
	var got rules
	if err := yaml.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if n := len(got.Groups[0].Rules); n != len(want.Groups[0].Rules)-1 {
		t.Errorf("%d alerts of %d, with one left out", n, len(want.Groups[0].Rules))
	}
	i := 0
	for _, rule := range want.Groups[0].Rules {
		if rule.Alert == "ConnectorNoEvents" {
			continue
		}
		rule.Annotations["runbook_url"] = "https://git.example/connector/blob/main/" + rule.Annotations["runbook_url"]
		rule.Labels["team"] = "security"
		have := got.Groups[0].Rules[i]
		if have.Alert != rule.Alert || have.Expr != rule.Expr || !maps.Equal(have.Annotations, rule.Annotations) || !maps.Equal(have.Labels, rule.Labels) {
			t.Errorf("rule %+v, want %+v", have, rule)
		}
		i++
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(promtool, "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	board, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, o := range all {
		if text, ok := o.at("data", "connector.json").(string); ok {
			found = json.Valid([]byte(text)) && strings.TrimSpace(text) == strings.TrimSpace(string(board))
		}
	}
	if !found {
		t.Error("the dashboard's ConfigMap does not hold the dashboard")
	}
}

func TestHelmUnittest(t *testing.T) {
	testserver.Require(t)
	if out, err := exec.Command(testserver.HelmUnittest(t), "--strict", chart).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestExamplesAreConfigurationsThatTheProgramTakes asks the program itself about the
// connector.yaml in each rendered ConfigMap.
func TestExamplesAreConfigurationsThatTheProgramTakes(t *testing.T) {
	testserver.Require(t)
	program := build(t)
	for _, file := range append(examples(t), filepath.Join(chart, "values.yaml")) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			manifests, err := render(t, kubernetesVersions[0], "--values", file)
			if err != nil {
				t.Fatal(err)
			}
			config, _ := find(t, objects(t, manifests), "ConfigMap").at("data", "connector.yaml").(string)
			name := filepath.Join(t.TempDir(), "connector.yaml")
			if err := os.WriteFile(name, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(program, "validate", "--config", name).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s\n%s", err, out, config)
			}
		})
	}
}
