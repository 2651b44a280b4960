//go:build unix

package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"auditlog-connector/internal/testserver"
	"auditlog-connector/pipeline/checkpoint"
	"auditlog-connector/sinks/splunkhec/hectest"
)

const (
	laneHEC  = "acme/siem"
	ackToken = "aaaaaaaa-1111-2222-3333-444444444444"
)

// hecOptions say how a collector is used.
type hecOptions struct {
	searched bool          // with acknowledgements and a search; otherwise with neither
	delay    time.Duration // until events can be found
}

// hecSettle is the shortest search.settle that may be configured.
const hecSettle = time.Second

// hecWorld is a world whose only destination is a collector, which counts its
// requests and may kill the program at one of them.
type hecWorld struct {
	*world
	hecOptions
	server   *hectest.Server
	requests atomic.Int64
	served   serving
	trap     atomic.Pointer[func(n int, answered bool)] // nil: none
	addr     *httptest.Server
}

func newHECWorld(o hecOptions) (*hecWorld, error) {
	base := catchingUp()
	base.pageSize, base.sim.Latency = 0, 0 // what is tried is at the other end
	plain, err := newWorld(base)
	if err != nil {
		return nil, err
	}
	w := &hecWorld{world: plain, hecOptions: o}
	seen := func(n int, r *http.Request, answered bool) {
		if trap := w.trap.Load(); trap != nil && strings.HasPrefix(r.URL.Path, "/services/collector") {
			(*trap)(n, answered)
		}
	}
	w.server = hectest.New(hectest.Config{
		Tokens:     map[string]hectest.Token{hectest.DefaultToken: {}, ackToken: {Ack: true}},
		IndexDelay: o.delay,
		OnRequest: func(n int, r *http.Request) {
			w.requests.Store(int64(n))
			w.served.begin()
			seen(n, r, false)
		},
		OnAnswer: func(n int, r *http.Request) {
			seen(n, r, true)
			w.served.end()
		},
	})
	w.addr = httptest.NewServer(w.server)
	return w, os.WriteFile(w.path("connector.yaml"), []byte(w.configuration()), 0o600)
}

func (w *hecWorld) close() {
	w.world.close()
	w.addr.Close()
}

func (w *hecWorld) configuration() string {
	// Some two hundred requests: each batch is one, and with acknowledgements two.
	token, search, batch := hectest.DefaultToken, "", 5
	if w.searched {
		token, batch = ackToken, 10
		search = fmt.Sprintf("search: { url: %q, token: %q, settle: %s }", w.addr.URL, hectest.DefaultSearchToken, hecSettle)
	}
	return fmt.Sprintf(`sources:
  - name: acme
    type: openai
    config: { admin_key: "${env:OPENAI_ADMIN_KEY}", base_url: %s/v1, requests_per_second: 100000 }
checkpoint: { path: %q }
http: { listen: "" }
log: { level: info, format: json }
sinks:
  - name: siem
    type: splunk_hec
    start: %s
    batch: { max_events: %d }
    config:
      url: %s
      token: %s
      %s
`, w.http.URL, w.path("checkpoint.db"), w.from.UTC().Format(time.RFC3339), batch, w.addr.URL, token, search)
}

// kill makes the collector kill the program at its request at.
func (w *hecWorld) kill(at int, after bool) {
	trap := func(n int, answered bool) {
		if n == at && answered == after {
			if p := w.life.Load(); p != nil {
				<-p.begun
				p.kill()
			}
		}
	}
	w.trap.Store(&trap)
}

// inDoubt returns the ids of the batch that the checkpoint says is in doubt.
func (w *hecWorld) inDoubt() (map[string]bool, error) {
	dir, err := os.MkdirTemp(w.dir, "autopsy-")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"checkpoint.db", "checkpoint.db.generation"} {
		switch err := copyFile(filepath.Join(dir, name), w.path(name)); {
		case errors.Is(err, fs.ErrNotExist):
			return nil, nil
		case err != nil:
			return nil, err
		}
	}
	store, err := checkpoint.Open(filepath.Join(dir, "checkpoint.db"))
	if err != nil {
		return nil, err
	}
	defer store.Close()
	cp, err := store.Inspect(laneHEC)
	if errors.Is(err, checkpoint.ErrNoLane) || err == nil && cp.Prepared == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ids := make(map[string]bool)
	for _, m := range cp.Prepared.Members {
		ids[m.ID] = true
	}
	return ids, nil
}

// verdict compares the collector with the log: every event, as it was served, and
// repeats only of what was in doubt. It returns how many were repeated.
func (w *hecWorld) verdict(doubt map[string]bool) (repeated int, err error) {
	log := make(map[string]string)
	for e := range w.sim.Events() {
		log[e.ID] = string(e.Body)
	}
	seen := make(map[string]bool)
	for _, e := range w.server.Events() {
		id := e.Fields["event_id"]
		var document struct{ Raw string }
		body, known := log[id]
		switch err := json.Unmarshal(e.Event, &document); {
		case err != nil:
			return 0, err
		case !known:
			return 0, fmt.Errorf("event %s is nobody's", id)
		case document.Raw != body:
			return 0, fmt.Errorf("event %s is not as it was served", id)
		case seen[id] && !doubt[id]:
			return 0, fmt.Errorf("event %s is there twice, and was not in doubt", id)
		case seen[id]:
			repeated++
		}
		seen[id] = true
	}
	if len(seen) != len(log) {
		return 0, fmt.Errorf("%d of %d events are there", len(seen), len(log))
	}
	return repeated, w.tidy()
}

// hecTally is what became of a kind of kill.
type hecTally struct {
	mu                                     sync.Mutex
	points, killed, doubt, taken, repeated int
}

// one is a kill from the beginning to the verdict.
func (t *hecTally) one(ctx context.Context, o hecOptions, at int, after bool) error {
	w, err := newHECWorld(o)
	if err != nil {
		return err
	}
	defer w.close()
	w.kill(at, after)
	p, err := w.run(ctx, nil, "--once")
	if err != nil {
		return err
	}
	killed, err := p.dead()
	if err != nil {
		return err
	}
	w.served.wait() // the request of a process that is dead may be taken yet
	w.trap.Store(nil)
	doubt, err := w.inDoubt()
	if err != nil {
		return err
	}
	there := 0
	for id := range w.server.Copies("event_id") {
		if doubt[id] {
			there++
		}
	}
	if _, err := w.finish(ctx); err != nil {
		return err
	}
	repeated, err := w.verdict(doubt)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.points++
	t.repeated += repeated
	if killed {
		t.killed++
	}
	if len(doubt) > 0 {
		t.doubt++
	}
	if there > 0 {
		t.taken++
	}
	switch {
	case o.searched && o.delay < hecSettle && repeated > 0:
		return fmt.Errorf("%d events are repeated although they could be found", repeated)
	case !o.searched && repeated != there:
		return fmt.Errorf("%d events are repeated, %d of those in doubt were there", repeated, there)
	}
	return nil
}

// hecRequests counts the collector's requests in an undisturbed run.
func hecRequests(t *testing.T, o hecOptions) int {
	t.Helper()
	w, err := newHECWorld(o)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if _, err := w.finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if repeated, err := w.verdict(nil); err != nil || repeated > 0 {
		t.Fatalf("%d repeated, %v", repeated, err)
	}
	return int(w.requests.Load())
}

// TestHECMatrix kills the program at the requests of the collector, before they are
// looked at and after they are answered.
func TestHECMatrix(t *testing.T) {
	t.Setenv("TMPDIR", testserver.MemoryFolder(t))
	for _, kind := range []struct {
		name   string
		o      hecOptions
		stride int // of the points of the others, one in stride is tried
	}{
		{"plain", hecOptions{}, 1},
		{"searched", hecOptions{searched: true, delay: hecSettle / 4}, 1},
		{"searched-too-early", hecOptions{searched: true, delay: 3 * hecSettle}, 5},
	} {
		t.Run(kind.name, func(t *testing.T) {
			n := hecRequests(t, kind.o)
			for _, after := range []bool{false, true} {
				sum := &hecTally{}
				var wg sync.WaitGroup
				width := 2
				if kind.o.searched { // they wait for acknowledgements and search.settle
					width = 12
				}
				places := make(chan struct{}, width*runtime.GOMAXPROCS(0))
				for at := 1; at <= n; at++ {
					if *point > 0 && at != *point || *point == 0 && (at-1)%(max(*every, 1)*kind.stride) != 0 {
						continue
					}
					places <- struct{}{}
					wg.Go(func() {
						defer func() { <-places }()
						if err := sum.one(t.Context(), kind.o, at, after); err != nil {
							t.Errorf("killed at request %d, answered %t: %v", at, after, err)
						}
					})
				}
				wg.Wait()
				t.Logf("%d requests, answered %t: %d points, %d killed there, %d left a batch in doubt, of which %d were taken; %d events repeated",
					n, after, sum.points, sum.killed, sum.doubt, sum.taken, sum.repeated)
				if !t.Failed() && !few() && (sum.killed*10 < sum.points*9 || sum.doubt == 0) {
					t.Error("kinder than a run that proves anything")
				}
			}
		})
	}
}
