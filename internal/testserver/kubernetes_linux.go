package testserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// KubernetesHost is the address at which pods reach this machine, and the node's own.
const KubernetesHost = "10.244.6.1"

// KubernetesNode is the name of the cluster's node.
const KubernetesNode = "node1"

const (
	kubernetesBridge = "ktest0"
	cniPlugins       = "/usr/lib/cni"
)

// Kubernetes is a cluster of one node on this machine: a control plane, a kubelet and
// containerd, so that pods really run. It has no kube-proxy and no DNS: pods use
// addresses, not names. NetworkPolicy objects are accepted and not enforced.
type Kubernetes struct {
	Kubeconfig string // of somebody who may do everything
	Kubectl    string // the program
	Kubelet    *Process
	t          testing.TB
	tools      kubernetesTools
	dir        string
	containers string // containerd's socket
}

// StartKubernetes starts a cluster and waits until pods can be made. It ends with t,
// and so does every pod; those of a test that was killed are ended when the next
// cluster is started. It needs root, cgroups and an overlay file system; without
// them t ends as [Unavailable] does. One cluster runs on a machine at a time: the call
// blocks until the one before is gone.
func StartKubernetes(t testing.TB) *Kubernetes {
	t.Helper()
	canRunPods(t)
	tools := installKubernetes(t)
	pause := pauseImage(t)
	k := &Kubernetes{t: t, tools: tools, Kubectl: filepath.Join(tools.bin, "kubectl")}
	k.dir = kubernetesState(t)
	k.Kubeconfig, k.containers = filepath.Join(k.dir, "kubeconfig"), filepath.Join(k.dir, "containerd.sock")
	ports := kubernetesPorts{etcd: FreePort(t), peer: FreePort(t), api: FreePort(t), controllers: FreePort(t), scheduler: FreePort(t), kubelet: FreePort(t), health: FreePort(t)}
	if err := errors.Join(writeFiles(kubernetesFiles(k.dir, ports)), makeKubernetesKeys(k.dir)); err != nil {
		t.Fatal(err)
	}
	if err := Run(exec.Command(tools.ip, "addr", "replace", KubernetesHost+"/32", "dev", "lo")); err != nil {
		Unavailable(t, "%v", err)
	}
	k.startControlPlane(ports)
	k.startNode()
	t.Cleanup(k.stop) // before the processes are killed
	k.Load(pause)
	k.await("the node to be ready", func(ctx context.Context) error {
		state, err := k.Run("", "get", "node", KubernetesNode, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
		if err == nil && state != "True" {
			err = fmt.Errorf("ready: %q", state)
		}
		return err
	})
	return k
}

// canRunPods ends t on a machine that cannot.
func canRunPods(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Unavailable(t, "a Kubernetes node needs root")
	}
	_, v1 := os.Stat("/sys/fs/cgroup/memory/cgroup.procs")
	_, v2 := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	if v1 != nil && v2 != nil {
		Unavailable(t, "a Kubernetes node needs cgroups: nothing is mounted at /sys/fs/cgroup")
	}
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil || !bytes.Contains(known, []byte("\toverlay\n")) {
		Unavailable(t, "a Kubernetes node needs an overlay file system: %v", err)
	}
}

type kubernetesPorts struct{ etcd, peer, api, controllers, scheduler, kubelet, health int }

func (p kubernetesPorts) apiURL() string { return fmt.Sprintf("https://127.0.0.1:%d", p.api) }

func (k *Kubernetes) startControlPlane(p kubernetesPorts) {
	file := func(name string) string { return filepath.Join(k.dir, name) }
	etcd := fmt.Sprintf("http://127.0.0.1:%d", p.etcd)
	k.start(k.tools.etcd, func(ctx context.Context) error { return answersOK(ctx, etcd+"/health") },
		"--data-dir="+file("etcd"), "--unsafe-no-fsync", "--listen-client-urls="+etcd, "--advertise-client-urls="+etcd,
		fmt.Sprintf("--listen-peer-urls=http://127.0.0.1:%d", p.peer), fmt.Sprintf("--initial-advertise-peer-urls=http://127.0.0.1:%d", p.peer),
		fmt.Sprintf("--initial-cluster=default=http://127.0.0.1:%d", p.peer))
	k.start(filepath.Join(k.tools.bin, "kube-apiserver"), func(ctx context.Context) error { return answersOK(ctx, p.apiURL()+"/readyz") },
		"--etcd-servers="+etcd, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", p.api),
		"--cert-dir="+file("certs"), "--service-cluster-ip-range=10.96.0.0/24", "--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+file("accounts.key"), "--service-account-signing-key-file="+file("accounts.key"),
		"--token-auth-file="+file("tokens.csv"), "--authorization-mode=Node,RBAC", "--allow-privileged=true", "--endpoint-reconciler-type=none",
		"--kubelet-client-certificate="+file("kubelet-client.crt"), "--kubelet-client-key="+file("kubelet-client.key"), "--kubelet-preferred-address-types=InternalIP")
	k.start(filepath.Join(k.tools.bin, "kube-controller-manager"), func(ctx context.Context) error {
		_, err := k.Run("", "get", "serviceaccount", "default")
		return err
	}, "--kubeconfig="+k.Kubeconfig, "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", p.controllers), "--cert-dir="+file("certs-controllers"),
		"--use-service-account-credentials=true", "--service-account-private-key-file="+file("accounts.key"), "--root-ca-file="+file("certs/apiserver.crt"),
		"--leader-elect=false")
	k.start(filepath.Join(k.tools.bin, "kube-scheduler"), func(ctx context.Context) error {
		return answersOK(ctx, fmt.Sprintf("https://127.0.0.1:%d/healthz", p.scheduler))
	}, "--kubeconfig="+k.Kubeconfig, "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", p.scheduler), "--cert-dir="+file("certs-scheduler"), "--leader-elect=false")
}

func (k *Kubernetes) startNode() {
	k.start(filepath.Join(k.tools.containerd, "containerd"), func(context.Context) error {
		_, err := k.ctr("images", "ls", "-q")
		return err
	}, "-c", filepath.Join(k.dir, "containerd.toml"))
	k.Kubelet = k.start(filepath.Join(k.tools.bin, "kubelet"), func(ctx context.Context) error {
		_, err := k.Run("", "get", "node", KubernetesNode)
		return err
	}, "--config="+filepath.Join(k.dir, "kubelet.yaml"), "--kubeconfig="+k.Kubeconfig, "--hostname-override="+KubernetesNode,
		"--root-dir="+filepath.Join(k.dir, "kubelet"), "--cert-dir="+filepath.Join(k.dir, "kubelet", "pki"), "--node-ip="+KubernetesHost)
}

// start starts a program of the cluster.
func (k *Kubernetes) start(program string, ready func(ctx context.Context) error, args ...string) *Process {
	k.t.Helper()
	// The folder of containerd has its shim.
	path := "PATH=" + k.tools.containerd + ":" + os.Getenv("PATH") + ":/usr/sbin:/sbin"
	return Start(k.t, Command{
		Path: program, Args: args, Env: []string{path}, Dir: k.dir, Log: filepath.Join(k.dir, filepath.Base(program)+".log"),
		Ready: ready, Timeout: 3 * time.Minute,
	})
}

// stop deletes every pod while there is a kubelet to do it.
func (k *Kubernetes) stop() {
	if _, err := k.Run("", "delete", "statefulsets,deployments,jobs", "--all-namespaces", "--all", "--wait=false"); err != nil {
		k.t.Errorf("stop the cluster: %v", err)
	}
	if _, err := k.Run("", "delete", "pods", "--all-namespaces", "--all", "--grace-period=1", "--timeout=60s"); err != nil {
		k.t.Errorf("stop the cluster: %v", err)
	}
}

// Run runs kubectl with input and returns what it printed.
func (k *Kubernetes) Run(input string, args ...string) (string, error) {
	cmd := exec.Command(k.Kubectl, append([]string{"--kubeconfig", k.Kubeconfig}, args...)...)
	var out, problems bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &problems
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(problems.Bytes()))
	}
	return out.String(), nil
}

// Load puts the image of an archive, as [Images.Archive] writes it, into the node.
func (k *Kubernetes) Load(archive string) {
	k.t.Helper()
	if out, err := k.ctr("images", "import", archive); err != nil {
		k.t.Fatalf("load %s: %v: %s", archive, err, out)
	}
}

// Kill ends a container with SIGKILL, past the kubelet, as running out of memory does. The
// id is that of the container's status.
func (k *Kubernetes) Kill(id string) error {
	_, id, _ = strings.Cut(id, "://")
	if out, err := k.ctr("tasks", "kill", "--signal", "SIGKILL", id); err != nil {
		return fmt.Errorf("kill container %s: %w: %s", id, err, out)
	}
	return nil
}

func (k *Kubernetes) ctr(args ...string) (string, error) {
	out, err := exec.Command(filepath.Join(k.tools.containerd, "ctr"), append([]string{"-a", k.containers, "-n", "k8s.io"}, args...)...).CombinedOutput()
	return string(out), err
}

// Forward returns an address for pods that leads to addr, a server on the loopback
// interface, until t is over.
func (k *Kubernetes) Forward(addr string) string {
	k.t.Helper()
	l, err := net.Listen("tcp", KubernetesHost+":0")
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", addr)
			if err != nil {
				_ = from.Close() // the server is down, and so it looks to the pod
				continue
			}
			go relay(from, to)
			go relay(to, from)
		}
	}()
	return l.Addr().String()
}

// relay copies from one connection to another until either ends, and ends both.
func relay(from, to net.Conn) {
	_, _ = io.Copy(to, from)
	_, _ = from.Close(), to.Close()
}

// await waits for what ready says.
func (k *Kubernetes) await(what string, ready func(ctx context.Context) error) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			k.t.Fatalf("waited for %s: %v", what, err)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// answersOK asks a component of the cluster, whose certificate it made itself,
// whether it is well.
func answersOK(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return nil
}
