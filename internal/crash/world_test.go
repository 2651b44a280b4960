//go:build unix

package crash

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"auditlog-connector/internal/openaisim"
)

// The lanes of every world.
const (
	laneDB    = "acme/db"
	laneLines = "acme/lines"
)

var lanes = []string{laneDB, laneLines}

// options vary a world.
type options struct {
	sim      openaisim.Config
	pageSize int           // the most entries on a page; 0: as asked for
	batch    int           // batch.max_events; 0: 100
	from     time.Time     // start of the lanes; zero: earliest
	drain    time.Duration // drain_timeout; 0: 25s
	key      string        // admin_key in the configuration; empty: from the environment
	api      http.Handler  // instead of the simulator
	listen   string        // http.listen; empty: off
}

// world is a simulated organization and what is exported of it. Close it.
type world struct {
	options
	dir   string
	sim   *openaisim.Server
	http  *httptest.Server
	ahead atomic.Int64 // what the simulator's clock is ahead of ours
	life  atomic.Pointer[process]
	lives int
}

// newWorld makes a world in a folder of its own.
func newWorld(o options) (*world, error) {
	if err := watch(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "crash-world-")
	if err != nil {
		return nil, err
	}
	w := &world{options: o, dir: dir}
	o.sim.OnRequest = func(n int, _ *http.Request) { w.request(n, false) }
	o.sim.OnAnswer = func(n int, _ *http.Request) { w.request(n, true) }
	o.sim.Now = func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }
	if w.sim, err = openaisim.New(o.sim); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	w.http = httptest.NewServer(http.HandlerFunc(w.serve))
	return w, os.WriteFile(w.path("connector.yaml"), []byte(w.configuration()), 0o600)
}

// mustWorld is newWorld for a test with a single world.
func mustWorld(t *testing.T, o options) *world {
	t.Helper()
	w, err := newWorld(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return w
}

func (w *world) close() {
	if p := w.life.Load(); p != nil {
		p.kill()
	}
	w.http.Close()
	_ = os.RemoveAll(w.dir)
}

// serve is the simulator, which never puts more on a page than the world wants.
func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	if q := r.URL.Query(); w.pageSize > 0 {
		q.Set("limit", strconv.Itoa(w.pageSize))
		r.URL.RawQuery = q.Encode()
	}
	if w.api != nil {
		w.api.ServeHTTP(rw, r)
		return
	}
	w.sim.ServeHTTP(rw, r)
}

// request tells the present process of the n-th request of the world.
func (w *world) request(n int, answered bool) {
	if p := w.life.Load(); p != nil && p.at != nil {
		<-p.begun
		p.at(p, n-p.base, answered)
	}
}

// settle makes everything visible that the log will ever have.
func (w *world) settle() error {
	if err := w.sim.Update(func(c *openaisim.Config) { c.Rate = 0 }); err != nil {
		return err
	}
	w.ahead.Store(int64(time.Minute))
	return nil
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) configuration() string {
	start := "earliest"
	if !w.from.IsZero() {
		start = w.from.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf(`sources:
  - name: acme
    type: openai
    config:
      admin_key: %[1]q
      base_url: %[2]s/v1
      requests_per_second: 100000
pipeline:
  poll_interval: 1s
  sweep_interval: 1s
  drain_timeout: %[3]s
checkpoint:
  path: %[4]q
http:
  listen: %[9]q
log:
  level: info
  format: json
sinks:
  - name: db
    type: sqlite
    start: %[8]s
    batch: { max_events: %[5]d }
    config:
      path: %[6]q
  - name: lines
    type: file
    start: %[8]s
    batch: { max_events: %[5]d }
    config:
      path: %[7]q
`, cmp.Or(w.key, "${env:OPENAI_ADMIN_KEY}"), w.http.URL, cmp.Or(w.drain, 25*time.Second), w.path("checkpoint.db"),
		cmp.Or(w.batch, 100), w.path("audit.db"), w.path("audit.jsonl"), start, w.listen)
}

// finish lets the program run undisturbed until everything is delivered.
func (w *world) finish(ctx context.Context) (*process, error) {
	p, err := w.start(nil, "run", "--once", "--config", w.path("connector.yaml"))
	if err != nil {
		return nil, err
	}
	if err := p.wait(ctx); err != nil {
		return nil, err
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return nil, fmt.Errorf("the undisturbed run ended with %s:\n%s", p.cmd.ProcessState, p.tail())
	}
	return p, nil
}
