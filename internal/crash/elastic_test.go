//go:build unix

package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"auditlog-connector/internal/testserver"
)

// searchWorld is a world whose only destination is an OpenSearch behind a proxy,
// which kills the program at one of its requests.
type searchWorld struct {
	*world
	server  *testserver.OpenSearch
	prefix  string // of the indices
	proxy   *httptest.Server
	kill    atomic.Pointer[func(n int64, answered bool) bool] // nil: nobody is killed
	request atomic.Int64                                      // of the present life
	served  serving
}

var searchWorlds atomic.Int64

func newSearchWorld(server *testserver.OpenSearch) (*searchWorld, error) {
	o := catchingUp()
	o.pageSize, o.sim.Latency = 0, 0 // what is tried is at the other end
	plain, err := newWorld(o)
	if err != nil {
		return nil, err
	}
	w := &searchWorld{world: plain, server: server, prefix: fmt.Sprintf("crash-%d-", searchWorlds.Add(1))}
	to, err := url.Parse(server.URL)
	if err != nil {
		return nil, err
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	w.proxy = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.served.begin()
		defer w.served.end()
		n := w.request.Add(1)
		w.die(n, false)
		answer := httptest.NewRecorder()
		// A request that has arrived is carried out, whoever is dead by then.
		proxy.ServeHTTP(answer, r.WithContext(context.WithoutCancel(r.Context())))
		w.die(n, true)
		for k, v := range answer.Header() {
			rw.Header()[k] = v
		}
		rw.WriteHeader(answer.Code)
		_, _ = rw.Write(answer.Body.Bytes())
	}))
	// Five events a request are some two hundred; the log lies in two months.
	text := fmt.Sprintf(`sources:
  - name: acme
    type: openai
    config: { admin_key: "${env:OPENAI_ADMIN_KEY}", base_url: %s/v1, requests_per_second: 100000 }
checkpoint: { path: %q }
http: { listen: "" }
log: { level: info, format: json }
sinks:
  - name: siem
    type: elasticsearch
    start: %s
    batch: { max_events: 5 }
    config: { urls: [%q], index: "%s%%{month}" }
`, w.http.URL, w.path("checkpoint.db"), w.from.UTC().Format(time.RFC3339), w.proxy.URL, w.prefix)
	return w, os.WriteFile(w.path("connector.yaml"), []byte(text), 0o600)
}

// die kills the program, if it is to die there.
func (w *searchWorld) die(n int64, answered bool) {
	if kill := w.kill.Load(); kill == nil || !(*kill)(n, answered) {
		return
	}
	if p := w.life.Load(); p != nil {
		<-p.begun
		p.kill()
	}
}

func (w *searchWorld) close(ctx context.Context) {
	w.world.close()
	w.proxy.Close()
	ctx = context.WithoutCancel(ctx)
	_, _, _ = w.server.Do(ctx, http.MethodDelete, "/"+w.prefix+"*", "")
	_, _, _ = w.server.Do(ctx, http.MethodDelete, "/_index_template/connector-"+w.prefix[:len(w.prefix)-1], "")
}

// export runs the program once.
func (w *searchWorld) export(ctx context.Context, kill func(n int64, answered bool) bool) (*process, error) {
	w.request.Store(0)
	if kill != nil {
		w.kill.Store(&kill)
	}
	p, err := w.start(nil, "run", "--once", "--config", w.path("connector.yaml"))
	if err != nil {
		return nil, err
	}
	// Longer than others: each request waits for a disk that other tests use as well.
	timer := time.NewTimer(4 * patience)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-ctx.Done():
		p.kill()
	case <-timer.C:
		p.kill()
		err = fmt.Errorf("the process hangs after %s:\n%s", 4*patience, p.tail())
	}
	w.served.wait()
	w.kill.Store(nil)
	return p, err
}

// rows returns what the indices hold, and how many indices there are.
func (w *searchWorld) rows(ctx context.Context) (all []row, indices int, err error) {
	if status, answer, err := w.server.Do(ctx, http.MethodPost, "/"+w.prefix+"*/_refresh", ""); err != nil || status != http.StatusOK {
		return nil, 0, fmt.Errorf("refresh: %d %v %.300s", status, err, answer)
	}
	_, answer, err := w.server.Do(ctx, http.MethodGet, "/"+w.prefix+"*/_search?size=10000", "")
	if err != nil {
		return nil, 0, err
	}
	var found struct {
		Hits struct {
			Hits []struct {
				Index  string `json:"_index"`
				Source struct {
					Event struct{ ID, Original string }
				} `json:"_source"`
			}
		}
	}
	if err := json.Unmarshal(answer, &found); err != nil {
		return nil, 0, err
	}
	names := make(map[string]bool)
	for _, h := range found.Hits.Hits {
		names[h.Index] = true
		all = append(all, row{h.Source.Event.ID, []byte(h.Source.Event.Original)})
	}
	return all, len(names), nil
}

// verdict compares the indices with the log: every event once, as it was served.
func (w *searchWorld) verdict(ctx context.Context) error {
	log := make(map[string][]byte)
	for e := range w.sim.Events() {
		log[e.ID] = e.Body
	}
	held, indices, err := w.rows(ctx)
	if err == nil && indices < 2 {
		err = fmt.Errorf("all events are in %d index: no change of date was tried", indices)
	}
	if err != nil {
		return err
	}
	return errors.Join(compare("the indices", log, held, bytes.Clone), w.tidy())
}

// elastic is a kill from the beginning to the verdict.
func (t *hecTally) elastic(ctx context.Context, server *testserver.OpenSearch, at int64, after bool) error {
	w, err := newSearchWorld(server)
	if err != nil {
		return err
	}
	defer w.close(ctx)
	p, err := w.export(ctx, func(n int64, answered bool) bool { return n == at && answered == after })
	if err != nil {
		return err
	}
	killed, err := p.dead()
	if err != nil {
		return err
	}
	doubt, err := (&hecWorld{world: w.world}).inDoubt()
	if err != nil {
		return err
	}
	taken := 0
	if len(doubt) > 0 {
		held, _, err := w.rows(ctx)
		if err != nil && at > 3 { // before, there is no index yet
			return err
		}
		for _, r := range held {
			if doubt[r.id] {
				taken++
			}
		}
	}
	if p, err = w.export(ctx, nil); err != nil {
		return err
	}
	if !p.cmd.ProcessState.Success() {
		return fmt.Errorf("the undisturbed run ended with %s:\n%s", p.cmd.ProcessState, p.tail())
	}
	t.mu.Lock()
	t.points++
	if killed {
		t.killed++
	}
	if len(doubt) > 0 {
		t.doubt++
	}
	if taken > 0 {
		t.taken++
	}
	t.mu.Unlock()
	return w.verdict(ctx)
}

// TestElasticMatrix kills the program at the requests of an OpenSearch, before they
// are applied and after.
func TestElasticMatrix(t *testing.T) {
	testserver.Require(t)
	t.Setenv("TMPDIR", testserver.MemoryFolder(t))
	server := testserver.StartOpenSearch(t, testserver.OpenSearchOptions{})
	w, err := newSearchWorld(server)
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.export(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !p.cmd.ProcessState.Success() {
		t.Fatalf("the run ended with %s:\n%s", p.cmd.ProcessState, p.tail())
	}
	if err := w.verdict(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := w.request.Load()
	w.close(t.Context())
	if n < 190 || n > 260 {
		t.Errorf("an undisturbed run makes %d requests, want some 200", n)
	}
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("answered-%t", after), func(t *testing.T) {
			sum := &hecTally{}
			var wg sync.WaitGroup
			places := make(chan struct{}, 3*runtime.GOMAXPROCS(0)) // they wait for the server most of the time
			for at := int64(1); at <= n; at++ {
				if *point > 0 && at != int64(*point) || *point == 0 && (at-1)%int64(max(*every, 1)) != 0 {
					continue
				}
				places <- struct{}{}
				wg.Go(func() {
					defer func() { <-places }()
					if err := sum.elastic(t.Context(), server, at, after); err != nil {
						t.Errorf("killed at request %d: %v", at, err)
					}
				})
			}
			wg.Wait()
			t.Logf("%d requests: %d points, %d killed there, %d left a batch in doubt, of which %d were taken", n, sum.points, sum.killed, sum.doubt, sum.taken)
			if !t.Failed() && !few() && (sum.killed*10 < sum.points*9 || sum.doubt == 0 || after && sum.taken == 0) {
				t.Error("kinder than a run that proves anything")
			}
		})
	}
}
