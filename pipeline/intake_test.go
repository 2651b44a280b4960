package pipeline

import (
	"slices"
	"testing"
	"time"
)

func newTestIntake(buffer int) *intake {
	led := newLedger("acme/sink", Checkpoint{Epoch: "e1", Next: 1, Start: at(0)}, time.Hour, 0)
	in := newIntake(led, newFanout().port(buffer), nil)
	in.size, in.counts, in.late = func(r *Record) int { return len(r.Avro) }, &laneCounts{}, func(*Record) {}
	return in
}

func sized(id string, t time.Time, size int) Record {
	return Record{Event: Event{Raw: Raw{Stream: "org", Position: Position{Time: t, ID: id}, AsOf: t}}, Avro: make([]byte, size)}
}

func TestReady(t *testing.T) {
	policy := BatchPolicy{MaxEvents: 3, MaxBytes: 100, MaxAge: time.Minute}
	for _, tc := range []struct {
		name  string
		sizes []int
		age   time.Duration // of the first record
		flush bool
		want  int
	}{
		{"nothing", nil, time.Hour, true, 0},
		{"neither full nor due", []int{10, 10}, time.Second, false, 0},
		{"enough events", []int{10, 10, 10}, 0, false, 3},
		{"more than enough events", []int{10, 10, 10, 10, 10}, 0, false, 3},
		{"bytes reached exactly", []int{50, 50}, 0, false, 2},
		{"bytes passed: all but the last", []int{60, 60}, 0, false, 1},
		{"one record larger than a batch", []int{500}, 0, false, 1},
		{"one record larger than a batch, and another", []int{500, 1}, 0, false, 1},
		{"a large one behind small ones", []int{10, 500}, 0, false, 1},
		{"due", []int{10, 10}, time.Minute, false, 2},
		{"flushed", []int{10}, 0, true, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := newTestIntake(100)
			in.led.join("org")
			for i, n := range tc.sizes {
				r := sized(string(rune('a'+i)), at(0), n)
				in.take(&r, at(0))
			}
			if got := in.ready(policy, at(tc.age), tc.flush); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}

func TestIntakeCountsEveryEntryOnce(t *testing.T) {
	in := newTestIntake(100)
	in.filter = func(e *Event) bool { return e.ID != "filtered" }
	in.led.join("org")
	late := 0
	in.late = func(*Record) { late++ }
	in.led.commit(Manifest{ID: BatchID{Seq: 1}, Members: []Position{{Time: at(4 * time.Hour), ID: "delivered"}},
		Watermarks: map[string]time.Time{"org": at(4 * time.Hour)}, Floors: map[string]time.Time{"org": at(3 * time.Hour)}})
	in.led.kept = at(2 * time.Hour)
	for _, r := range []Record{sized("a", at(5*time.Hour), 1), sized("a", at(5*time.Hour), 1), sized("delivered", at(4*time.Hour), 1),
		sized("filtered", at(5*time.Hour), 1), sized("late", at(150*time.Minute), 1), sized("forgotten", at(time.Hour), 1)} {
		in.take(&r, at(6*time.Hour))
	}
	c := in.counts
	if c.read != 5 || c.inFlight != 1 || c.result[resultDuplicate] != 2 || c.result[resultFiltered] != 1 || c.result[resultLateLost] != 1 || late != 1 {
		t.Errorf("counts %+v, late %d", c, late)
	}
	if in.port.load.Load() != 1 {
		t.Errorf("load %d, want 1", in.port.load.Load())
	}
	in.release()
	if c.inFlight != 0 || c.result[resultReleased] != 1 || in.port.load.Load() != 0 {
		t.Errorf("after release: counts %+v, load %d", c, in.port.load.Load())
	}
}

func TestFilteredEntriesClaimNoMoreThanTheirWalk(t *testing.T) {
	in := newTestIntake(100)
	in.filter = func(*Event) bool { return false }
	in.led.join("org")
	r := sized("future", at(48*time.Hour), 1)
	r.AsOf = at(2 * time.Hour)
	in.take(&r, at(2*time.Hour))
	m, ok := in.led.stride()
	if got := m.Watermarks["org"]; !ok || !got.Equal(at(2*time.Hour)) {
		t.Errorf("claims %s, %v, want %s", got, ok, at(2*time.Hour))
	}
}

func TestReceiveTakesOnlyWhatIsFollowed(t *testing.T) {
	in := newTestIntake(100)
	in.port.attach()
	known := []string{"org", "tenant"}
	in.begin(known, []string{"org"})
	in.port.load.Store(2)
	in.receive(chunkOf("tenant", at(time.Minute), 2), at(0))
	if in.counts.read != 0 || in.port.load.Load() != 0 {
		t.Errorf("read %d, load %d of a stream that is not followed", in.counts.read, in.port.load.Load())
	}
	// It was dropped, so the next walk has to read after it.
	if _, missed := in.begin(known, []string{"tenant"}); !missed {
		t.Error("dropped chunks are not told")
	}
}

func TestReceiveLeavesOldEntriesOfAJoinedStreamToTheWalk(t *testing.T) {
	in := newTestIntake(100)
	in.led.join("org")
	in.led.commit(Manifest{Watermarks: map[string]time.Time{"org": at(5 * time.Hour)}, Floors: map[string]time.Time{"org": at(4 * time.Hour)}})
	in.led.tip = in.led.progress
	in.port.attach()
	bounds, _ := in.begin([]string{"org", "tenant"}, []string{"tenant"})
	b := bounds["tenant"]
	if !b.from.Equal(at(0)) || !b.joined.Equal(at(4*time.Hour)) || !slices.Equal(b.others, []string{"org"}) {
		t.Fatalf("the walk of the joined stream: %+v", b)
	}
	c := chunkOf("tenant", at(4*time.Hour-time.Second), 1)
	c.entries = append(c.entries, sized("new", at(4*time.Hour), 1))
	in.receive(c, at(5*time.Hour))
	if len(in.led.queue) != 1 || in.led.queue[0].ID != "new" {
		t.Errorf("queued %d, want the entry from joined on alone", len(in.led.queue))
	}
}

func TestWayBackAfterADetachment(t *testing.T) {
	in := newTestIntake(100)
	in.port.attach()
	known := []string{"org"}
	bounds, _ := in.begin(known, known)
	if b := bounds["org"]; !b.from.Equal(at(0)) || b.deep {
		t.Fatalf("the first walk: %+v", b)
	}
	in.step(step{last: true, claims: map[string]time.Time{"org": at(time.Hour)}}, at(2*time.Hour))
	// Nothing went by: nothing to read.
	in.closed()
	if bounds, _ := in.begin(known, known); len(bounds) != 0 {
		t.Errorf("walks %+v although nothing was missed", bounds)
	}
	// Something did: from there on, claiming no more than the last deep walk.
	in.port.detach()
	in.closed()
	in.port.fanout.send(chunk[Record]{stream: "org", claim: at(90 * time.Minute)})
	in.port.fanout.send(chunkOf("org", at(110*time.Minute), 1))
	in.port.attach()
	bounds, missed := in.begin(known, known)
	if b := bounds["org"]; !missed || !b.from.Equal(at(110*time.Minute)) || b.deep || !b.limit.Equal(at(90*time.Minute)) {
		t.Errorf("the short way back: %+v", b)
	}
	// The stream fails: the next walk begins at the horizon again.
	in.step(step{failed: map[string]error{"org": ErrRefused}, last: true}, at(2*time.Hour))
	if bounds, _ := in.begin(known, known); !bounds["org"].from.Equal(at(0)) {
		t.Errorf("after a failed walk: %+v", bounds["org"])
	}
}
