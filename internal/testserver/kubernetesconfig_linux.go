package testserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// kubernetesFiles are the files of a cluster in dir: what a small virtual machine
// needs, which is cgroupfs, no enforced limits for the system, no raised OOM scores.
func kubernetesFiles(dir string, p kubernetesPorts) map[string]string {
	file := func(name string) string { return filepath.Join(dir, name) }
	return map[string]string{
		file("tokens.csv"): "admin-token,admin,admin,system:masters\n",
		file("kubeconfig"): fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: %q, insecure-skip-tls-verify: true}}]
users: [{name: admin, user: {token: admin-token}}]
contexts: [{name: test, context: {cluster: test, user: admin}}]
current-context: test
`, p.apiURL()),
		file("containerd.toml"): fmt.Sprintf(`version = 3
root = "%[1]s/containerd/root"
state = "%[1]s/containerd/state"
[grpc]
  address = "%[1]s/containerd.sock"
[ttrpc]
  address = "%[1]s/containerd.sock.ttrpc"
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "%[2]s"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["%[3]s"]
    conf_dir = "%[1]s/cni"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = false
`, dir, pauseName, cniPlugins),
		file("cni/10-bridge.conflist"): fmt.Sprintf(`{"cniVersion": "0.4.0", "name": "test", "plugins": [{"type": "bridge", "bridge": %q, "isGateway": true,
 "ipMasq": false, "hairpinMode": true, "ipam": {"type": "host-local", "dataDir": %q, "ranges": [[{"subnet": "10.244.7.0/24"}]],
 "routes": [{"dst": "0.0.0.0/0"}]}}]}
`, kubernetesBridge, file("cni-addresses")),
		file("kubelet.yaml"): fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %[2]s
port: %[3]d
healthzBindAddress: 127.0.0.1
healthzPort: %[4]d
readOnlyPort: 0
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: %[1]s/ca.crt}}
authorization: {mode: Webhook}
containerRuntimeEndpoint: unix://%[1]s/containerd.sock
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
evictionHard: {memory.available: "100Mi", nodefs.available: "1%%", imagefs.available: "1%%"}
enforceNodeAllocatable: []
imageGCHighThresholdPercent: 100
syncFrequency: 5s
maxPods: 30
clusterDNS: ["10.96.0.10"]
clusterDomain: cluster.local
`, dir, KubernetesHost, p.kubelet, p.health),
	}
}

// makeKubernetesKeys writes the key that signs tokens of service accounts, and what
// the API server shows the kubelet, which trusts the authority ca.crt.
func makeKubernetesKeys(dir string) error {
	accounts, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test cluster"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	client := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{Organization: []string{"system:masters"}, CommonName: "apiserver"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	clientKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name string
		cert *x509.Certificate
		key  *ecdsa.PrivateKey
	}{{"ca", ca, caKey}, {"kubelet-client", client, clientKey}} {
		der, err := x509.CreateCertificate(rand.Reader, c.cert, ca, &c.key.PublicKey, caKey)
		if err != nil {
			return err
		}
		if err := writePEM(filepath.Join(dir, c.name+".crt"), "CERTIFICATE", der); err != nil {
			return err
		}
	}
	for name, key := range map[string]*ecdsa.PrivateKey{"accounts": accounts, "kubelet-client": clientKey} {
		der, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			return err
		}
		if err := writePEM(filepath.Join(dir, name+".key"), "EC PRIVATE KEY", der); err != nil {
			return err
		}
	}
	return nil
}

func writePEM(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
