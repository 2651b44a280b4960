package s3

import (
	"math/rand/v2"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"auditlog-connector/internal/testserver"
	"auditlog-connector/pipeline"
)

// cutter is a line to a server that breaks after so many bytes in one direction.
type cutter struct {
	listener net.Listener
	to       string

	mu       sync.Mutex
	up, down int64 // bytes that still pass towards the server and back; negative: all
}

func newCutter(t *testing.T, server string) *cutter {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{listener: l, to: u.Host, up: -1, down: -1}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.carry(conn)
		}
	}()
	return c
}

func (c *cutter) url() string { return "http://" + c.listener.Addr().String() }

// set lets so many bytes pass from now on.
func (c *cutter) set(up, down int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up, c.down = up, down
}

func (c *cutter) carry(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer out.Close()
	var wg sync.WaitGroup
	pass := func(to, from net.Conn, left *int64) {
		buf := make([]byte, 4096)
		for {
			n, err := from.Read(buf)
			c.mu.Lock()
			cut := *left >= 0 && *left <= int64(n)
			if cut {
				n = int(*left)
			}
			if *left >= 0 {
				*left -= int64(n)
			}
			c.mu.Unlock()
			_, werr := to.Write(buf[:n])
			if err != nil || werr != nil || cut {
				break
			}
		}
		in.Close()
		out.Close()
	}
	wg.Go(func() { pass(out, in, &c.up) })
	wg.Go(func() { pass(in, out, &c.down) })
	wg.Wait()
}

// TestConnectionCutAnywhere cuts the line somewhere in a delivery, up or down, and
// settles the batch as the pipeline does.
func TestConnectionCutAnywhere(t *testing.T) {
	testserver.Require(t)
	server := testserver.MinIO(t, testserver.S3Options{})
	s := newStore(t, server.URL, "", "audit")
	s.create(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 7))
	for name, c := range map[string]struct {
		part, events int
		up, down     int64
		rounds       int
	}{"one request": {defaultPartSize, 300, 400_000, 1500, 40}, "in parts": {5 << 20, 9000, 13_000_000, 5000, 12}} {
		t.Run(name, func(t *testing.T) {
			line := newCutter(t, server.URL)
			through := *s
			through.url = line.url()
			f := on(t, &through, "compression: none\nprefix: "+strings.ReplaceAll(name, " ", "-"))
			f.partSize = c.part
			f.claim(1)
			doubts := map[pipeline.Outcome]int{}
			for seq := range uint64(c.rounds) {
				b := f.batch(seq+1, c.events)
				if seq%2 == 0 {
					line.set(random.Int64N(c.up), -1)
				} else {
					line.set(-1, random.Int64N(c.down))
				}
				err := f.Deliver(t.Context(), b)
				line.set(-1, -1)
				for err != nil {
					if pipeline.IsPermanent(err) {
						t.Fatal(err)
					}
					out, resolveErr := f.Resolve(t.Context(), b.Manifest)
					if resolveErr != nil {
						t.Fatal(resolveErr)
					}
					doubts[out]++
					if out == pipeline.OutcomeCommitted {
						break
					}
					err = f.Deliver(t.Context(), b)
				}
			}
			got, _ := s.contents(t, f.sink.keys.prefix)
			if want := c.rounds * c.events; len(got) != want {
				t.Errorf("%d events, want %d", len(got), want)
			}
			for id, n := range got {
				if n != 1 {
					t.Fatalf("event %s is there %d times", id, n)
				}
			}
			if doubts[pipeline.OutcomeAbsent] == 0 || doubts[pipeline.OutcomeCommitted] == 0 && name == "one request" {
				t.Errorf("in doubt were %v, want some of each", doubts)
			}
			t.Logf("in doubt: %v", doubts)
			f.abortOrphans(t.Context())
			// MinIO lists no uploads by prefix, so look where it keeps them.
			left, err := filepath.Glob(filepath.Join(server.Dir, "data", ".minio.sys", "multipart", "*", "*"))
			if err != nil || len(left) > 0 {
				t.Errorf("uploads are left: %v, %v", left, err)
			}
		})
	}
}
