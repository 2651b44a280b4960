package clustertest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"auditlog-connector/internal/openaisim"
	"auditlog-connector/internal/testserver"
)

const (
	chart     = repository + "/helm/connector"
	namespace = "audit" // enforces the pod security standard "restricted"
	imageName = "localhost/auditlog-connector"
	// patience is how long anything in the cluster may take; far more than it does.
	patience = 4 * time.Minute
)

// world is a cluster with an organization's log in it, and a store beside it.
type world struct {
	*testserver.Kubernetes
	helm   string
	api    string // address of the simulated API
	store  *testserver.S3
	gate   *gate  // between pods and the store
	bucket string // address of the store for pods
	client *s3.Client
	dir    string
}

// newWorld starts a cluster and loads the image, built from the Dockerfile, into it.
func newWorld(t *testing.T) *world {
	t.Helper()
	images := testserver.OpenImages(t)
	images.Build(imageName+":test", repository, testserver.BuildOptions{Platform: "linux/amd64", Args: []string{"--build-arg", "VERSION=0.0.0-test"}})
	w := &world{helm: testserver.Helm(t), dir: t.TempDir()}
	w.Kubernetes = testserver.StartKubernetes(t) // after the folder, which goes away when no pod uses it any more
	archive := filepath.Join(w.dir, "image.tar")
	images.Archive(imageName+":test", archive)
	w.Load(archive)

	w.store = testserver.MinIO(t, testserver.S3Options{})
	w.gate = newGate(t, w.store.URL)
	w.bucket = "http://" + w.Forward(w.gate.addr)
	w.client = s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &w.store.URL, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(w.store.AccessKey, w.store.SecretKey, ""),
	})

	w.api = fmt.Sprintf("%s:%d", testserver.KubernetesHost, testserver.FreePort(t))
	w.apply(t, fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata:
  name: %[1]s
  labels: { pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/warn: restricted }
---
apiVersion: v1
kind: Namespace
metadata: { name: openai }
---
# Not of the chart: what makes volumes is the cluster's.
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: local
  annotations: { storageclass.kubernetes.io/is-default-class: "true" }
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
reclaimPolicy: Retain
---
apiVersion: v1
kind: Pod
metadata: { name: api, namespace: openai }
spec:
  hostNetwork: true
  tolerations: [{ operator: Exists }] # it is not on the node whose failure is tried
  containers:
    - name: simulator
      image: %[2]s:test
      imagePullPolicy: Never
      args: [simulate, --listen, %[3]q, --events, "4000", --rate, "15", --late, "0.02", --late-max, 20s]
---
apiVersion: v1
kind: Secret
metadata: { name: openai-admin-key, namespace: %[1]s }
stringData: { admin-key: %[4]s }
---
apiVersion: v1
kind: Secret
metadata: { name: store, namespace: %[1]s }
stringData: { id: %[5]s, secret: %[6]s }
`, namespace, imageName, w.api, openaisim.DefaultAdminKey, w.store.AccessKey, w.store.SecretKey))
	w.await(t, "the simulated API", func() error {
		_, err := w.truth(t.Context(), false)
		return err
	})
	return w
}

func (w *world) apply(t *testing.T, manifests string) {
	t.Helper()
	// What a new namespace needs is made a moment later.
	w.await(t, "the manifests to be taken", func() error {
		_, err := w.Run(manifests, "apply", "-f", "-")
		return err
	})
}

// volume makes a volume of size 1 GiB in a folder of this machine, for the claim
// name, and returns the folder.
func (w *world) volume(t *testing.T, claim, mode string) string {
	t.Helper()
	dir := filepath.Join(w.dir, claim)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w.apply(t, fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolume
metadata: { name: %[1]s }
spec:
  capacity: { storage: 1Gi }
  accessModes: [%[3]s]
  storageClassName: local
  persistentVolumeReclaimPolicy: Retain
  claimRef: { namespace: %[2]s, name: %[1]s }
  local: { path: %[4]q }
  nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: kubernetes.io/os, operator: In, values: [linux] }] }] } }
`, claim, namespace, mode, dir))
	return dir
}

// claim makes a claim of the volume of the same name.
func (w *world) claim(t *testing.T, name, mode string) {
	t.Helper()
	w.apply(t, fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: %s, namespace: %s }
spec: { accessModes: [%s], storageClassName: local, volumeName: %[1]s, resources: { requests: { storage: 1Gi } } }
`, name, namespace, mode))
}

// chartRun runs Helm in the namespace.
func (w *world) chartRun(args ...string) (string, error) {
	cmd := exec.Command(w.helm, append([]string{"--kubeconfig", w.Kubeconfig, "--namespace", namespace}, args...)...)
	// What a developer configured for Helm is none of a test's business.
	cmd.Env = append(os.Environ(), "HELM_CONFIG_HOME="+w.dir, "HELM_CACHE_HOME="+w.dir, "HELM_DATA_HOME="+w.dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("helm %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// state is a pod as the API server knows it.
type state struct {
	Metadata struct {
		UID               string
		DeletionTimestamp *time.Time
		Annotations       map[string]string
	}
	Status struct {
		PodIP      string
		Conditions []struct{ Type, Status string }

		ContainerStatuses []struct {
			ContainerID  string
			RestartCount int
			State        struct {
				Terminated *struct {
					ExitCode   int
					Reason     string
					FinishedAt time.Time
				}
				Waiting *struct{ Reason string }
			}
			LastState struct {
				Terminated *struct{ ExitCode int }
			}
		}
	}
}

func (w *world) pod(name string) (*state, error) {
	out, err := w.Run("", "get", "pod", name, "--namespace", namespace, "-o", "json")
	if err != nil {
		return nil, err
	}
	var p state
	return &p, json.Unmarshal([]byte(out), &p)
}

func (p *state) ready() bool {
	for _, c := range p.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True" && p.Metadata.DeletionTimestamp == nil
		}
	}
	return false
}

// awaitReady waits until a pod is ready that is not the one with UID other.
func (w *world) awaitReady(t *testing.T, name, other string) *state {
	t.Helper()
	var p *state
	w.await(t, "pod "+name+" to be ready", func() (err error) {
		if p, err = w.pod(name); err != nil {
			return err
		}
		if p.Metadata.UID == other || !p.ready() {
			return fmt.Errorf("it is not: %+v", p.Status)
		}
		return nil
	})
	return p
}

// logs is what the pod's present container wrote.
func (w *world) logs(name string) string {
	out, err := w.Run("", "logs", name, "--namespace", namespace, "--tail=-1")
	if err != nil {
		return err.Error()
	}
	return out
}

// await asks until something is as it has to be.
func (w *world) await(t *testing.T, what string, ask func() error) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) || t.Context().Err() != nil {
			t.Fatalf("waited for %s: %v", what, err)
		}
	}
}

// truth is the simulator's list, by id: what can be read now, or all of it.
func (w *world) truth(ctx context.Context, visible bool) (map[string]openaisim.TruthLine, error) {
	url := fmt.Sprintf("http://%s/_sim/truth?digest=true&visible=%t", w.api, visible)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	all := make(map[string]openaisim.TruthLine)
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		var line openaisim.TruthLine
		if err := json.Unmarshal(s.Bytes(), &line); err != nil {
			return nil, err
		}
		all[line.ID] = line
	}
	if len(all) < 4000 {
		return nil, fmt.Errorf("the simulator lists %d events", len(all))
	}
	return all, nil
}
