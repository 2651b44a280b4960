package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"auditlog-connector/internal/testserver"
)

// TestStatusPageInABrowser looks at the page of a running exporter whose one lane is
// halted, and mends the lane while it looks. With -update it writes docs/status.png.
func TestStatusPageInABrowser(t *testing.T) {
	testserver.Require(t)
	browse := testserver.Browser(t)
	module, err := filepath.Abs("testdata/browser/statuspage.mjs")
	if err != nil {
		t.Fatal(err)
	}
	screenshot := ""
	if *update {
		if screenshot, err = filepath.Abs("../../docs/status.png"); err != nil {
			t.Fatal(err)
		}
	}
	w := runWorld(t, `
sources: [{ name: acme, type: fake, config: { key: "${env:KEY}", count: 2500 } }]
pipeline: { drain_timeout: 1s }
http: { listen: "127.0.0.1:0" }
sinks:
  - { name: archive, type: memory, config: { path: archive }, batch: { max_events: 500 } }
  - { name: siem, type: memory, in_doubt: halt, config: { path: siem, marker: false }, batch: { max_events: 500 } }
`)
	mend := w.failFor("acme/siem", io.ErrUnexpectedEOF)
	e := startRun(t, w.app, "-c", "c.yaml")
	eventually(t, "one lane is halted, the other follows", e.log.String, func() bool {
		_, l := w.statusOf(t, "acme/siem")
		_, other := w.statusOf(t, "acme/archive")
		return l.State == "halted" && other.State == "following" && other.InFlight == 0
	})
	signal := filepath.Join(t.TempDir(), "mend")
	looked := make(chan error, 1)
	url := e.url(t)
	go func() { looked <- browse(module, url+"/", signal, screenshot) }()
	mended := false
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-looked:
			if err != nil {
				t.Errorf("%v\n%s", err, e.log)
			}
			if !mended && err == nil {
				t.Error("it did not get as far as the lane's being mended")
			}
			return
		case <-tick.C:
		}
		if _, err := os.Stat(signal); err == nil && !mended {
			mended = true
			mend()
			if code := w.exec(t.Context(), "checkpoint", "resolve", "-c", "c.yaml", "--lane", "acme/siem", "--as", "absent"); code != exitOK {
				t.Errorf("resolve: exit %d, %s", code, &w.err)
			}
		}
	}
}
