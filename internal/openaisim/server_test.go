package openaisim

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"time"
)

func TestTruthAndStatsOverHTTP(t *testing.T) {
	s, c := plain(t, Config{Events: 2500, Late: 0.5, LateMax: 1000 * time.Hour, Both: 0.1})
	addr, stop, err := s.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	fetch := func(path string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		if resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
		return resp
	}
	lines := func(path string) map[string]TruthLine {
		out := map[string]TruthLine{}
		for scan := bufio.NewScanner(fetch(path).Body); scan.Scan(); {
			var line TruthLine
			if err := json.Unmarshal(scan.Bytes(), &line); err != nil {
				t.Fatalf("line %s: %v", scan.Bytes(), err)
			}
			out[line.ID] = line
		}
		return out
	}
	every, now := lines("/_sim/truth?digest=true"), lines("/_sim/truth?visible=true")
	visible := 0
	for e := range s.Events() {
		line, ok := every[e.ID]
		sum := sha256.Sum256(e.Body)
		if !ok || line.Type != e.Type || line.EffectiveAt != e.EffectiveAt.Unix() || len(line.Streams) != len(e.Streams()) || line.SHA256 != hex.EncodeToString(sum[:]) {
			t.Fatalf("got %+v for %+v", line, e)
		}
		seen := false
		for _, stream := range e.Streams() {
			from, _ := e.VisibleFrom(stream)
			if !line.VisibleFrom[stream].Equal(from) {
				t.Errorf("%s: got %v, want %v", stream, line.VisibleFrom[stream], from)
			}
			seen = seen || !from.After(c.Now())
		}
		if seen {
			visible++
		}
		if _, ok := now[e.ID]; ok != seen {
			t.Errorf("visible %t, want %t", ok, seen)
		}
	}
	if len(every) != 2500 || len(now) != visible || visible == 0 || visible == 2500 {
		t.Errorf("got %d lines, %d visible of %d", len(every), len(now), visible)
	}
	get(t, s, "limit=7")
	get(t, s, "limit=7&tenant_only=true")
	get(t, s, "limit=0")
	var stats Stats
	if err := json.NewDecoder(fetch("/_sim/stats").Body).Decode(&stats); err != nil {
		t.Fatal(err)
	}
	if stats.Requests != 3 || stats.Pages != 2 || stats.Entries != 14 || stats.Events != 2500 || stats.Statuses[200] != 2 ||
		stats.Statuses[400] != 1 || stats.Streams[Organization] != 1 || stats.Streams[Tenant] != 1 {
		t.Errorf("got %+v", stats)
	}
}

func TestStartAndStop(t *testing.T) {
	s, _ := plain(t, Config{Latency: time.Minute})
	addr, stop, err := s.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Start(addr); err == nil {
		t.Error("a port was taken twice")
	}
	begun := make(chan struct{})
	if err := s.Update(func(c *Config) { c.OnRequest = func(int, *http.Request) { close(begun) } }); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan *reply)
	go func() {
		client := &http.Client{Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		done <- read(t, client, r)
	}()
	<-begun
	stop()
	stop()
	if got := <-done; got.broken == nil {
		t.Errorf("got %d, want a connection that is closed", got.status)
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	s := newServer(t, Config{Seed: 2, Events: 500, Rate: 200, Late: 0.5, LateMax: time.Millisecond,
		Faults: Faults{ErrorRate: 0.2, SlowFor: time.Millisecond}})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				get(t, s, "limit=100&project_ids[]=x")
				get(t, s, "tenant_only=true")
				e, err := s.Publish(Event{})
				if err != nil {
					t.Error(err)
					return
				}
				s.Delete(e[0].ID)
				s.Stats()
				if err := s.Update(func(c *Config) { c.Latency++ }); err != nil {
					t.Error(err)
				}
			}
			s.Truth()
		})
	}
	wg.Wait()
}
