package clustertest

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// testDeleted deletes the pod with grace 0 while it delivers. Every second time its
// process is killed first, with a batch on its way to the store, so that not even a
// second is left to drain; the batch is lost, or arrives when the process is dead.
func (w *world) testDeleted(t *testing.T) {
	const times = 20
	r := w.newRelease(t, "deleted", options{batch: 50})
	defer r.uninstall(t)
	r.install(t)
	uid, doubts, restarts := "", 0, 0
	for n := range times {
		p := r.awaitReady(t, r.podName(), uid)
		r.awaitMore(t)
		doubts += strings.Count(r.logs(r.podName()), `"batch settled"`)
		restarts += p.Status.ContainerStatuses[0].RestartCount
		uid = p.Metadata.UID
		if n%2 == 1 {
			w.awaitBatch(t)
			if err := r.Kill(p.Status.ContainerStatuses[0].ContainerID); err != nil {
				t.Error(err)
			}
		}
		if _, err := r.Run("", "delete", "pod", r.podName(), "--namespace", namespace, "--grace-period=0", "--force", "--wait=false"); err != nil {
			t.Fatal(err)
		}
		if n%4 == 1 {
			w.gate.drop()
		} else {
			w.gate.open()
		}
	}
	r.awaitReady(t, r.podName(), uid)
	doubts += strings.Count(r.logs(r.podName()), `"batch settled"`)
	t.Logf("deleted %d times; batches in doubt afterwards: %d; containers started again: %d", times, doubts, restarts)
	if doubts < times/4 {
		t.Errorf("%d batches were in doubt; every second time one was on its way", doubts)
	}
	r.verdict(t)
}

// testTerminated deletes the pod the usual way while the store holds up a batch.
func (w *world) testTerminated(t *testing.T) {
	r := w.newRelease(t, "terminated", options{})
	defer r.uninstall(t)
	r.install(t)
	r.awaitMore(t)
	const drain = 10 * time.Second // of the values
	for what, opens := range map[string]bool{"the batch is finished": true, "the batch hangs": false} {
		t.Run(what, func(t *testing.T) {
			w.awaitBatch(t)
			defer w.gate.open()
			before := r.awaitReady(t, r.podName(), "")
			// It keeps the pod's end readable.
			r.finalizers(t, `["connector.test/keep"]`)
			began := time.Now()
			if _, err := r.Run("", "delete", "pod", r.podName(), "--namespace", namespace, "--wait=false"); err != nil {
				t.Fatal(err)
			}
			if opens {
				r.await(t, "the pod to say that it stops", func() error {
					if !strings.Contains(r.logs(r.podName()), `"stopping"`) {
						return errors.New("it does not")
					}
					return nil
				})
				w.gate.open()
			}
			var p *state
			r.await(t, "the container to end", func() (err error) {
				p, err = r.pod(r.podName())
				if err == nil && p.Status.ContainerStatuses[0].State.Terminated == nil {
					err = errors.New("it runs")
				}
				return err
			})
			end := p.Status.ContainerStatuses[0].State.Terminated
			took := end.FinishedAt.Sub(began) // in whole seconds
			t.Logf("ended with exit code %d, %s after the deletion; drain_timeout is %s", end.ExitCode, took.Round(time.Second), drain)
			if end.ExitCode != 0 || took > drain+5*time.Second || !opens && took < drain-2*time.Second {
				t.Errorf("exit code %d after %s (%s), want 0 within drain_timeout:\n%s", end.ExitCode, took, end.Reason, r.logs(r.podName()))
			}
			w.gate.open()
			r.finalizers(t, "null")
			r.awaitReady(t, r.podName(), before.Metadata.UID)
			// What the first part prepared is delivered; of the second a batch is in doubt.
			if doubt := strings.Contains(r.logs(r.podName()), `"batch settled"`); doubt == opens {
				t.Errorf("a batch is in doubt at the next start: %t", doubt)
			}
			r.awaitMore(t)
		})
	}
	r.verdict(t)
}

func (r *release) finalizers(t *testing.T, list string) {
	t.Helper()
	if _, err := r.Run("", "patch", "pod", r.podName(), "--namespace", namespace, "--type=merge", "-p", `{"metadata":{"finalizers":`+list+`}}`); err != nil {
		t.Fatal(err)
	}
}
