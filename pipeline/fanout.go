package pipeline

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// fanout hands every chunk to every lane that follows its stream. It never waits
// for a lane: one whose buffer is full is detached, and catches up by itself.
type fanout struct {
	mu    sync.Mutex
	ports []*port
	deep  map[string]time.Time // per stream, the start of the last deep walk all whose news came through here
}

// port is a lane's end of the fan-out. The lane owns all but what is said to be
// the fan-out's.
type port struct {
	fanout *fanout
	buffer int64        // events
	load   atomic.Int64 // events held for the lane: in the channel, and admitted but not prepared

	// Guarded by fanout.mu.
	ch     chan chunk[Record]   // nil: detached
	follow map[string]bool      // streams whose chunks go to ch
	missed map[string]time.Time // smallest event time of what did not, per stream
}

// maxSlots bounds a lane's channel, whatever its buffer.
const maxSlots = 1 << 16

func newFanout() *fanout { return &fanout{deep: make(map[string]time.Time)} }

// port adds a lane, detached.
func (f *fanout) port(buffer int) *port {
	p := &port{fanout: f, buffer: int64(max(buffer, 1)), follow: make(map[string]bool), missed: make(map[string]time.Time)}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ports = append(f.ports, p)
	return p
}

// run is the last stage: it has no output of its own, and closes the lanes' channels.
func (f *fanout) run(ctx context.Context, in <-chan chunk[Record], _ chan<- struct{}) error {
	for c := range in {
		f.send(c)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.ports {
		p.detach()
	}
	return nil
}

// send offers c to every port.
func (f *fanout) send(c chunk[Record]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.ports {
		p.offer(c)
	}
	if c.claim.After(f.deep[c.stream]) {
		f.deep[c.stream] = c.claim
	}
}

// offer gives c to the lane or notes what it missed. Fanout.mu is held.
func (p *port) offer(c chunk[Record]) {
	if p.ch != nil && p.follow[c.stream] {
		n := int64(len(c.entries))
		// One chunk always fits an empty buffer.
		if load := p.load.Load(); load == 0 || load+n <= p.buffer {
			select {
			case p.ch <- c:
				p.load.Add(n)
				return
			default:
			}
		}
		if n == 0 {
			return // a claim is only progress: losing one loses nothing
		}
		p.detach()
	}
	if len(c.entries) == 0 {
		return
	}
	if t := c.entries[0].Time; p.missed[c.stream].IsZero() || t.Before(p.missed[c.stream]) {
		p.missed[c.stream] = t
	}
}

// detach closes the lane's channel; what is in it can still be received.
func (p *port) detach() {
	if p.ch != nil {
		close(p.ch)
		p.ch = nil
	}
	clear(p.follow)
}

// attach opens a channel if the lane is detached, and returns it. Nothing comes
// before the lane follows a stream.
func (p *port) attach() <-chan chunk[Record] {
	p.fanout.mu.Lock()
	defer p.fanout.mu.Unlock()
	if p.ch == nil {
		// One slot an event: only the count of events decides when it is full.
		p.ch = make(chan chunk[Record], min(p.buffer, maxSlots))
		clear(p.follow)
	}
	return p.ch
}

// join makes the lane follow stream from now on. It returns the smallest event
// time that went by while it did not (zero: nothing did), and what a walk that
// begins there may claim (zero: the start of the pipeline).
func (p *port) join(stream string) (missed, limit time.Time) {
	p.fanout.mu.Lock()
	defer p.fanout.mu.Unlock()
	p.follow[stream] = true
	missed = p.missed[stream]
	delete(p.missed, stream)
	return missed, p.fanout.deep[stream]
}

// leave stops following stream.
func (p *port) leave(stream string) {
	p.fanout.mu.Lock()
	defer p.fanout.mu.Unlock()
	delete(p.follow, stream)
}

// close detaches the lane for good.
func (p *port) close() {
	p.fanout.mu.Lock()
	defer p.fanout.mu.Unlock()
	p.detach()
	for i, q := range p.fanout.ports {
		if q == p {
			p.fanout.ports = append(p.fanout.ports[:i:i], p.fanout.ports[i+1:]...)
			return
		}
	}
}
