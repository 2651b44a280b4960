//go:build unix

package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestSignalDumpsTheState(t *testing.T) {
	w := runWorld(t, operatedConfig)
	e := startRun(t, w.app, "-c", "c.yaml")
	eventually(t, "all is delivered", e.log.String, func() bool { _, l := w.statusOf(t, "a/b"); return l.Delivered == 25 && l.InFlight == 0 })
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log has the state", e.log.String, func() bool {
		log := e.log.String()
		return strings.Contains(log, `"msg":"state of a lane","lane":"a/c"`) && strings.Contains(log, `"msg":"state of a stream","source":"a"`)
	})
	for _, want := range []string{`"lane":"a/b","state":"following"`, `"delivered":25`, `"in_flight":0`} {
		if !strings.Contains(e.log.String(), want) {
			t.Errorf("the log lacks %s: %s", want, e.log)
		}
	}
	if code := e.stop(); code != exitOK {
		t.Errorf("exit %d", code)
	}
}
