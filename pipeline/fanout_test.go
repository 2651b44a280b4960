package pipeline

import (
	"context"
	"testing"
	"time"
)

// chunkOf is a chunk of n records of stream, the first at t.
func chunkOf(stream string, t time.Time, n int) chunk[Record] {
	c := chunk[Record]{stream: stream}
	for i := range n {
		c.entries = append(c.entries, Record{Event: Event{Raw: Raw{Stream: stream, Position: Position{Time: t.Add(time.Duration(i) * time.Second)}}}})
	}
	return c
}

// drain receives what is in ch and reports whether it is closed.
func drain(ch <-chan chunk[Record]) (chunks []chunk[Record], closed bool) {
	for {
		select {
		case c, ok := <-ch:
			if !ok {
				return chunks, true
			}
			chunks = append(chunks, c)
		default:
			return chunks, false
		}
	}
}

func TestFullMeansDetached(t *testing.T) {
	f := newFanout()
	slow, fast := f.port(5), f.port(100)
	chSlow, chFast := slow.attach(), fast.attach()
	slow.join("org")
	fast.join("org")
	for i := range 4 {
		f.send(chunkOf("org", at(time.Duration(i)*time.Minute), 2))
	}
	got, closed := drain(chSlow)
	if len(got) != 2 || !closed {
		t.Errorf("the slow lane has %d chunks, closed %v, want 2 and closed", len(got), closed)
	}
	if got, closed := drain(chFast); len(got) != 4 || closed {
		t.Errorf("the other lane has %d chunks, closed %v, want 4 and open", len(got), closed)
	}
	// Attached again, it is told from where it missed something, once.
	ch := slow.attach()
	if missed, _ := slow.join("org"); !missed.Equal(at(2 * time.Minute)) {
		t.Errorf("missed from %s on, want %s", missed, at(2*time.Minute))
	}
	if missed, _ := slow.join("org"); !missed.IsZero() {
		t.Errorf("missed from %s on, although it was told", missed)
	}
	slow.load.Store(0)
	f.send(chunkOf("org", at(time.Hour), 1))
	if got, _ := drain(ch); len(got) != 1 {
		t.Errorf("%d chunks after it was attached again, want 1", len(got))
	}
}

func TestOneChunkAlwaysFitsAnEmptyBuffer(t *testing.T) {
	f := newFanout()
	p := f.port(2)
	ch := p.attach()
	p.join("org")
	f.send(chunkOf("org", at(0), 10))
	if got, closed := drain(ch); len(got) != 1 || closed || p.load.Load() != 10 {
		t.Errorf("%d chunks, closed %v, load %d, want 1, open, 10", len(got), closed, p.load.Load())
	}
}

func TestAdmittedEventsTakeRoom(t *testing.T) {
	f := newFanout()
	p := f.port(5)
	ch := p.attach()
	p.join("org")
	p.load.Add(4) // admitted, not prepared
	f.send(chunkOf("org", at(0), 2))
	if got, closed := drain(ch); len(got) != 0 || !closed {
		t.Errorf("%d chunks, closed %v, want none and closed", len(got), closed)
	}
}

func TestMissedIsTheSmallestTimeWhileNotFollowing(t *testing.T) {
	f := newFanout()
	p := f.port(100)
	ch := p.attach()
	p.join("org")
	for _, d := range []time.Duration{3 * time.Minute, time.Minute, 2 * time.Minute} {
		f.send(chunkOf("tenant", at(d), 1))
		f.send(chunkOf("org", at(d), 1))
	}
	if got, _ := drain(ch); len(got) != 3 {
		t.Errorf("%d chunks, want the three of the stream that is followed", len(got))
	}
	if missed, _ := p.join("tenant"); !missed.Equal(at(time.Minute)) {
		t.Errorf("missed from %s on, want %s", missed, at(time.Minute))
	}
	p.leave("tenant")
	f.send(chunkOf("tenant", at(time.Hour), 1))
	if missed, _ := p.join("tenant"); !missed.Equal(at(time.Hour)) {
		t.Errorf("missed from %s on after leaving, want %s", missed, at(time.Hour))
	}
}

func TestClaimsAreDroppedWhenFull(t *testing.T) {
	f := newFanout()
	p := f.port(1)
	ch := p.attach()
	p.join("org")
	f.send(chunkOf("org", at(0), 1)) // the one slot
	f.send(chunk[Record]{stream: "org", claim: at(time.Hour)})
	got, closed := drain(ch)
	if len(got) != 1 || closed {
		t.Errorf("%d chunks, closed %v, want 1 and open: a claim is no reason to detach", len(got), closed)
	}
	// A lane that joins learns how far the deep walks had come.
	if missed, limit := p.join("org"); !missed.IsZero() || !limit.Equal(at(time.Hour)) {
		t.Errorf("missed %s, limit %s, want none and %s", missed, limit, at(time.Hour))
	}
}

func TestAttachBeginsAfresh(t *testing.T) {
	f := newFanout()
	p := f.port(100)
	ch := p.attach()
	if again := p.attach(); again != ch {
		t.Error("attaching twice makes a second channel")
	}
	f.send(chunkOf("org", at(0), 1)) // it follows nothing yet
	if got, _ := drain(ch); len(got) != 0 {
		t.Errorf("%d chunks before it follows a stream", len(got))
	}
	p.join("org")
	p.detach()
	fresh := p.attach()
	f.send(chunkOf("org", at(time.Minute), 1))
	if got, closed := drain(fresh); len(got) != 0 || closed {
		t.Errorf("%d chunks, closed %v: what was followed before the detachment still is", len(got), closed)
	}
}

func TestFanoutClosesTheLanesAtTheEnd(t *testing.T) {
	f := newFanout()
	attached, gone := f.port(10), f.port(10)
	ch := attached.attach()
	attached.join("org")
	gone.attach()
	gone.close()
	in := make(chan chunk[Record], 1)
	in <- chunkOf("org", at(0), 1)
	close(in)
	if err := f.run(context.Background(), in, nil); err != nil {
		t.Fatal(err)
	}
	if got, closed := drain(ch); len(got) != 1 || !closed {
		t.Errorf("%d chunks, closed %v, want 1 and closed", len(got), closed)
	}
	if len(f.ports) != 1 {
		t.Errorf("%d ports, want the closed one gone", len(f.ports))
	}
}
