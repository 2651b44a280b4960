package testserver

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Fate is what a [KafkaProxy] does with a request.
type Fate int

// The fates.
const (
	Pass       Fate = iota
	Drop            // the request does not arrive; the connection ends
	Unanswered      // it arrives and is answered; the answer does not come back, the connection ends
	Late            // it arrives a while after the connection to the client ended
	Twice           // it arrives twice, the second time on a connection of its own
)

// KafkaProxy stands before one broker, which advertises the proxy's address.
type KafkaProxy struct {
	Addr string // where clients connect

	target   string
	listener net.Listener
	delay    time.Duration // of late requests

	mu    sync.Mutex
	count int
	judge func(n int, api int16) Fate
	after func(n int, api int16)
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

// NewKafkaProxy listens on a port of its own, and ends with t. Requests pass until
// [KafkaProxy.Judge] says otherwise. Serve begins it.
func NewKafkaProxy(t testing.TB) *KafkaProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &KafkaProxy{Addr: l.Addr().String(), listener: l, delay: 300 * time.Millisecond, conns: make(map[net.Conn]bool)}
	t.Cleanup(p.close)
	return p
}

// Serve forwards to target, in the background.
func (p *KafkaProxy) Serve(target string) {
	p.target = target
	p.wg.Go(func() {
		for {
			c, err := p.listener.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(c) })
		}
	})
}

// Judge sets who decides about requests, which are counted from 1, by their API key,
// and who is told once an answer has left. Either may be nil.
func (p *KafkaProxy) Judge(judge func(n int, api int16) Fate, after func(n int, api int16)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count, p.judge, p.after = 0, judge, after
}

// Requests returns how many there were since Judge.
func (p *KafkaProxy) Requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

func (p *KafkaProxy) close() {
	p.listener.Close()
	p.mu.Lock()
	for c := range p.conns {
		c.Close()
	}
	p.conns = nil
	p.mu.Unlock()
	p.wg.Wait()
}

// keep makes the connection end with the proxy; it returns false if that is over.
func (p *KafkaProxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns != nil {
		p.conns[c] = true
	}
	return p.conns != nil
}

// serve forwards one request at a time, as the client sends them.
func (p *KafkaProxy) serve(client net.Conn) {
	defer client.Close()
	broker, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	if !p.keep(client) || !p.keep(broker) {
		broker.Close()
		return
	}
	late := false
	defer func() {
		if !late {
			broker.Close()
		}
	}()
	for {
		request, err := readFrame(client)
		if err != nil {
			return
		}
		api := int16(binary.BigEndian.Uint16(request[4:]))
		p.mu.Lock()
		p.count++
		n, judge, after := p.count, p.judge, p.after
		p.mu.Unlock()
		fate := Pass
		if judge != nil {
			fate = judge(n, api)
		}
		switch fate {
		case Drop:
			return
		case Late:
			late = true
			p.wg.Go(func() {
				defer broker.Close()
				time.Sleep(p.delay)
				_, _ = exchange(broker, request)
			})
			return
		case Twice:
			if other, err := net.Dial("tcp", p.target); err == nil {
				_, _ = exchange(other, request)
				other.Close()
			}
		}
		answer, err := exchange(broker, request)
		if err != nil || fate == Unanswered {
			return
		}
		if _, err := client.Write(answer); err != nil {
			return
		}
		if after != nil {
			after(n, api)
		}
	}
}

func exchange(broker net.Conn, request []byte) ([]byte, error) {
	if _, err := broker.Write(request); err != nil {
		return nil, err
	}
	return readFrame(broker)
}

func readFrame(c net.Conn) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < 4 || n > 200<<20 {
		return nil, errors.New("not a frame of Kafka's")
	}
	frame := make([]byte, 4+n)
	copy(frame, size[:])
	_, err := io.ReadFull(c, frame[4:])
	return frame, err
}
