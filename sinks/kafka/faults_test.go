package kafka

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"auditlog-connector/sinks/sinktest"
)

// Requests that faults are about.
const (
	apiProduce       = 0
	apiFindCoord     = 10
	apiInitProducer  = 22
	apiAddPartitions = 24
	apiEndTxn        = 26
)

// network opens connections on which the next request of one kind can go wrong.
type network struct {
	mu      sync.Mutex
	kind    int16 // of the request
	armed   bool
	fault   sinktest.Fault
	cancel  func()
	release chan struct{} // closed when a late request may arrive
	arrived chan struct{} // closed when it has, or nobody is to wait
	seen    map[int16]int // requests by kind
	watch   func(kind int16)

	produced []produced
}

// produced is a produce request that was answered.
type produced struct {
	sent, answered time.Time
	throttle       time.Duration // how long the broker wants to be left alone
}

func (n *network) dial(ctx context.Context, nw, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, nw, addr)
	if err != nil {
		return nil, err
	}
	return &faultyConn{Conn: c, net: n}, nil
}

// arm makes the next request of the kind meet f.
func (n *network) arm(t testing.TB, kind int16, f sinktest.Fault, cancel func()) (release func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.kind, n.armed, n.fault, n.cancel = kind, true, f, cancel
	n.release, n.arrived = make(chan struct{}), make(chan struct{})
	let, done := n.release, n.arrived
	var once sync.Once
	release = func() {
		once.Do(func() { close(let) })
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Error("the late request has not arrived")
		}
	}
	if f == sinktest.Late {
		t.Cleanup(func() { once.Do(func() { close(let) }) })
	} else {
		close(n.arrived)
	}
	return release
}

// throttled is how many produce requests were answered with a wish for a pause.
func (n *network) throttled() (count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.produced {
		if p.throttle > 0 {
			count++
		}
	}
	return count
}

// faultyConn forwards whole requests, and does to them what the network says.
type faultyConn struct {
	net.Conn
	net  *network
	out  []byte
	mu   sync.Mutex
	dead bool // to the client

	produce bool // the request that was sent last is one
	sent    time.Time
	in      []byte // of its answer
}

func (c *faultyConn) Write(p []byte) (int, error) {
	c.out = append(c.out, p...)
	for len(c.out) >= 8 {
		size := 4 + int(binary.BigEndian.Uint32(c.out))
		if len(c.out) < size {
			break
		}
		frame := append([]byte(nil), c.out[:size]...)
		c.out = c.out[size:]
		if err := c.send(frame); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (c *faultyConn) send(frame []byte) error {
	kind := int16(binary.BigEndian.Uint16(frame[4:]))
	n := c.net
	n.mu.Lock()
	if n.seen == nil {
		n.seen = make(map[int16]int)
	}
	n.seen[kind]++
	hit := n.armed && kind == n.kind
	if hit {
		n.armed = false
	}
	c.produce = kind == apiProduce
	if c.produce {
		c.in, c.sent = nil, time.Now()
	}
	fault, cancel, release, arrived, watch := n.fault, n.cancel, n.release, n.arrived, n.watch
	n.mu.Unlock()
	if watch != nil {
		watch(kind)
	}
	if !hit {
		_, err := c.Conn.Write(frame)
		return err
	}
	die := func() { c.mu.Lock(); c.dead = true; c.mu.Unlock() }
	switch fault {
	case sinktest.Lost:
		c.Conn.Close()
		die()
	case sinktest.Unanswered:
		c.exchange(frame)
		die()
	case sinktest.Late:
		die()
		go func() {
			<-release
			c.exchange(frame)
			close(arrived)
		}()
	case sinktest.Cancelled:
		c.exchange(frame)
		die()
		cancel()
	}
	return nil
}

// exchange sends the frame and takes the answer, whatever the client did meanwhile.
func (c *faultyConn) exchange(frame []byte) {
	c.Conn.SetDeadline(time.Now().Add(10 * time.Second))
	defer c.Conn.Close()
	c.Conn.Write(frame)
	var size [4]byte
	if _, err := io.ReadFull(c.Conn, size[:]); err == nil {
		io.CopyN(io.Discard, c.Conn, int64(binary.BigEndian.Uint32(size[:])))
	}
}

func (c *faultyConn) isDead() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.dead }

func (c *faultyConn) Read(p []byte) (int, error) {
	if c.isDead() {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(p)
	if c.produce {
		c.in = append(c.in, p[:n]...)
		c.answered()
	}
	return n, err
}

// answered takes note of an answer to a produce request: its last field is how long
// to wait.
func (c *faultyConn) answered() {
	if len(c.in) < 8 || len(c.in) < 4+int(binary.BigEndian.Uint32(c.in)) {
		return
	}
	ms := binary.BigEndian.Uint32(c.in[len(c.in)-4:])
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	c.net.produced = append(c.net.produced, produced{c.sent, time.Now(), time.Duration(ms) * time.Millisecond})
	c.produce = false
}

// SetDeadline leaves a connection that is dead to the client to the late request.
func (c *faultyConn) SetDeadline(t time.Time) error {
	if c.isDead() {
		return nil
	}
	return c.Conn.SetDeadline(t)
}

// Close likewise.
func (c *faultyConn) Close() error {
	if c.isDead() {
		return nil
	}
	return c.Conn.Close()
}
