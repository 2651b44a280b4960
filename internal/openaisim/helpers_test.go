package openaisim

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// noon is when tests begin.
var noon = time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC)

func newServer(t testing.TB, cfg Config) *Server {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// plain is a server without anything odd whose clock stands still.
func plain(t testing.TB, cfg Config) (*Server, *clock) {
	t.Helper()
	c := &clock{now: noon}
	cfg.Now = c.Now
	cfg.Seed = 1
	return newServer(t, cfg), c
}

// reply is an answer, read.
type reply struct {
	status int
	header http.Header
	body   []byte
	page   struct {
		Object  string            `json:"object"`
		Data    []json.RawMessage `json:"data"`
		FirstID *string           `json:"first_id"`
		LastID  *string           `json:"last_id"`
		HasMore *bool             `json:"has_more"`
	}
	err struct {
		Error struct {
			Message, Type string
			Param, Code   *string
		}
	}
	broken error // reading the body ended with it
}

// request asks s without a network.
func request(t testing.TB, s *Server, method, path, key string) *reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://simulator"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	return read(t, &http.Client{Transport: s}, r)
}

func read(t testing.TB, client *http.Client, r *http.Request) *reply {
	t.Helper()
	resp, err := client.Do(r)
	if err != nil {
		return &reply{broken: err}
	}
	defer func() { _ = resp.Body.Close() }()
	out := &reply{status: resp.StatusCode, header: resp.Header}
	out.body, out.broken = io.ReadAll(resp.Body)
	if out.status == http.StatusOK {
		_ = json.Unmarshal(out.body, &out.page)
	} else {
		_ = json.Unmarshal(out.body, &out.err)
	}
	return out
}

// get asks for a page with the right key.
func get(t testing.TB, s *Server, query string) *reply {
	t.Helper()
	return request(t, s, http.MethodGet, Path+"?"+query, DefaultAdminKey)
}

// listed is an entry of a page, as far as tests look.
type listed struct {
	ID          string `json:"id"`
	Type        string `json:"type"`
	EffectiveAt int64  `json:"effective_at"`
}

func (r *reply) entries(t testing.TB) []listed {
	t.Helper()
	if r.status != http.StatusOK {
		t.Fatalf("got status %d, want 200: %s", r.status, r.body)
	}
	var out []listed
	for _, raw := range r.page.Data {
		var e listed
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatalf("entry %s: %v", raw, err)
		}
		out = append(out, e)
	}
	return out
}

func (r *reply) ids(t testing.TB) []string {
	t.Helper()
	var ids []string
	for _, e := range r.entries(t) {
		ids = append(ids, e.ID)
	}
	return ids
}

// all follows the cursor to the end and calls between after every page.
func all(t testing.TB, s *Server, query string, between func()) []listed {
	t.Helper()
	var out []listed
	after := ""
	for {
		r := get(t, s, query+after)
		entries := r.entries(t)
		out = append(out, entries...)
		if !*r.page.HasMore {
			return out
		}
		if len(entries) == 0 || *r.page.LastID != entries[len(entries)-1].ID {
			t.Fatalf("more, but last_id %v of %d entries", r.page.LastID, len(entries))
		}
		after = "&after=" + *r.page.LastID
		if between != nil {
			between()
		}
	}
}

func idsOf(entries []listed) []string {
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.ID)
	}
	return ids
}

// sameSet reports differences between two sets of ids, each without repeats.
func sameSet(t testing.TB, got, want []string) {
	t.Helper()
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	if len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Errorf("got an id twice in %d", len(got))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %d ids, want %d others", len(got), len(want))
	}
}

// truth returns the ids that pass a test.
func truth(s *Server, pass func(*Event) bool) []string {
	var ids []string
	for e := range s.Events() {
		if pass(&e) {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// publish adds events at seconds before noon, in order, named by letters.
func publish(t testing.TB, s *Server, secondsAgo ...int) []string {
	t.Helper()
	var ids []string
	for i, ago := range secondsAgo {
		e := Event{ID: "audit_log-" + string(bytes.Repeat([]byte{byte('a' + i)}, 24)), EffectiveAt: noon.Add(-time.Duration(ago) * time.Second)}
		if _, err := s.Publish(e); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	return ids
}
