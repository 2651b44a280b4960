package openaisim

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"
)

// bigServer is shared by benchmarks: inventing a million events takes seconds.
var bigServer = sync.OnceValue(func() *Server {
	s, err := New(Config{Seed: 1, Events: 1_000_000})
	if err != nil {
		panic(err)
	}
	return s
})

// BenchmarkPages asks a server of a million events for pages of 100, by cursor.
func BenchmarkPages(b *testing.B) {
	s := bigServer()
	cursors := make([]string, 0, 1000)
	for e := range s.Events() {
		if len(cursors) == cap(cursors) {
			break
		}
		if !e.Organization.IsZero() {
			cursors = append(cursors, e.ID)
		}
	}
	for i := range cursors { // spread them over the whole log
		cursors[i] = string(s.store.id(s.listings[streamOrganization].entries[(i+1)*800].ev))
	}
	handler := func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, Path+"?limit=100&after="+cursors[i%len(cursors)], nil)
			r.Header.Set("Authorization", "Bearer "+DefaultAdminKey)
			w := &discard{header: http.Header{}}
			s.ServeHTTP(w, r)
			b.SetBytes(int64(w.n))
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pages/s")
	}
	b.Run("handler", handler)
	b.Run("http", func(b *testing.B) {
		addr, stop, err := s.Start("127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer stop()
		defer http.DefaultClient.CloseIdleConnections()
		for i := 0; b.Loop(); i++ {
			r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://"+addr+Path+"?limit=100&after="+cursors[i%len(cursors)], nil)
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+DefaultAdminKey)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			n, err := io.Copy(io.Discard, resp.Body)
			if err != nil || resp.StatusCode != http.StatusOK {
				b.Fatal(resp.Status, err)
			}
			_ = resp.Body.Close()
			b.SetBytes(n)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pages/s")
	})
}

// BenchmarkInvent makes a million events.
func BenchmarkInvent(b *testing.B) {
	for b.Loop() {
		started := time.Now()
		s, err := New(Config{Seed: uint64(b.N), Events: 1_000_000})
		if err != nil {
			b.Fatal(err)
		}
		took := time.Since(started)
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		size := 0
		for _, r := range s.store.rows {
			size += int(r.size)
		}
		b.ReportMetric(took.Seconds(), "s/million")
		b.ReportMetric(float64(m.HeapAlloc)/1e6, "heap-MB")
		b.ReportMetric(float64(m.Sys)/1e6, "sys-MB")
		b.ReportMetric(float64(size)/float64(len(s.store.rows)), "bytes/event")
		runtime.KeepAlive(s)
	}
}

type discard struct {
	header http.Header
	n      int
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) WriteHeader(int)     {}
func (d *discard) Write(p []byte) (int, error) {
	d.n += len(p)
	return len(p), nil
}
