package clustertest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"auditlog-connector/internal/testserver"
)

const outOfService = "node.kubernetes.io/out-of-service"

// testDeadNode kills the kubelet, which the control plane cannot tell from a machine
// that lost its power, and lets the pod go as the chart's README says. The process
// that the kubelet looked after goes on, as that of a machine that is only cut off.
func (w *world) testDeadNode(t *testing.T) {
	r := w.newRelease(t, "dead-node", options{})
	defer r.uninstall(t)
	r.install(t)
	r.awaitMore(t)
	before := r.awaitReady(t, r.podName(), "")

	dead := time.Now()
	w.Kubelet.Kill()
	w.await(t, "the node to be noticed", func() error {
		state, err := w.Run("", "get", "node", testserver.KubernetesNode, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
		if err == nil && state != "Unknown" {
			err = fmt.Errorf("ready: %s", state)
		}
		return err
	})
	t.Logf("the node is not ready %s after its kubelet died", time.Since(dead).Round(time.Second))
	if p, err := r.pod(r.podName()); err != nil || p.Metadata.UID != before.Metadata.UID || p.Metadata.DeletionTimestamp != nil {
		t.Errorf("the pod has left a node that is only not ready: %+v, %v", p, err)
	}

	tainted := time.Now()
	if _, err := w.Run("", "taint", "nodes", testserver.KubernetesNode, outOfService+"=nodeshutdown:NoExecute"); err != nil {
		t.Fatal(err)
	}
	w.await(t, "another pod", func() error {
		p, err := r.pod(r.podName())
		if err == nil && p.Metadata.UID == before.Metadata.UID {
			err = errors.New("it is the old one")
		}
		return err
	})
	t.Logf("there is another pod %s after the taint", time.Since(tainted).Round(time.Second))

	w.Kubelet.Start()
	back := time.Now()
	if _, err := w.Run("", "taint", "nodes", testserver.KubernetesNode, outOfService+"-"); err != nil {
		t.Fatal(err)
	}
	after := r.awaitReady(t, r.podName(), before.Metadata.UID)
	t.Logf("the other pod is ready %s after the node came back; started %d times", time.Since(back).Round(time.Second), after.Status.ContainerStatuses[0].RestartCount+1)
	r.awaitMore(t)
	r.verdict(t)
}
