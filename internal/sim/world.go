package sim

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Streams of the world, in order of precedence.
var Streams = []string{"organization", "tenant"}

// Never is when what is never visible becomes visible.
var Never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Entry is one entry of the world's audit log.
type Entry struct {
	ID      string
	Time    time.Time
	Visible [2]time.Time // by stream: from when on it is returned

	place string // sorts by time, then ID; also the cursor behind it
}

// Config says what kind of world it is.
type Config struct {
	Start   time.Time        // entries before it are not the lanes' business
	Now     func() time.Time // the source's clock; the truth
	MaxLate time.Duration    // how long after its time an entry may appear
	PageLen int              // entries in a page
	Streams int              // 1 or 2

	EntryEvery int // one tick in so many brings entries
	FaultEvery int // one page in so many fails; 0: none
}

// World is the audit log and the source's health. It is safe for concurrent use.
type World struct {
	Config
	Dice     *Dice
	Coverage *Coverage

	mu      sync.Mutex
	calm    bool
	entries []Entry // newest first, ties by descending ID
	granted bool
	down    [2]time.Time // refused until
	ids     int
	odd     error  // the first request that nobody should make
	onPage  func() // before a page is answered: time passes, a process may die
}

// NewWorld returns a world without entries.
func NewWorld(seed uint64, cfg Config, cov *Coverage) *World {
	return &World{Config: cfg, Dice: NewDice(seed), Coverage: cov}
}

// OnPage sets what happens before a page is answered. It may panic: a crash.
func (w *World) OnPage(f func()) { w.onPage = f }

// Calm ends all faults, grants the second stream, and lets nothing new happen.
func (w *World) Calm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calm, w.granted = true, true
	w.down = [2]time.Time{}
}

// Grant makes the second stream readable.
func (w *World) Grant() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.granted && w.Streams > 1 {
		w.granted = true
		w.Coverage.Add("stream switched on")
	}
}

// Refuse makes the second stream refuse for so long, if it was granted.
func (w *World) Refuse(long time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.granted && w.Streams > 1 {
		w.down[1] = w.Now().Add(long)
		w.Coverage.Add("stream refused for a while")
	}
}

// Tick lets things happen: entries are written, a stream is refused for a while.
func (w *World) Tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calm {
		return
	}
	now := w.Now()
	if w.Dice.Chance("world.entries", w.EntryEvery) {
		for range w.Dice.Roll("world.burst", 3) {
			w.write(now)
		}
	}
	if w.Dice.Chance("world.down", 80) {
		s := w.Dice.Roll("world.down.stream", w.Streams)
		w.down[s] = now.Add(time.Duration(w.Dice.Roll("world.down.long", 40)) * time.Minute)
		w.Coverage.Add("stream refused for a while")
	}
}

// write adds one entry. The lock is held.
func (w *World) write(now time.Time) {
	late := time.Duration(0)
	if w.Dice.Chance("entry.late", 3) {
		late = time.Duration(w.Dice.Roll("entry.lateness", int(w.MaxLate/time.Second)+1)) * time.Second
		w.Coverage.Add("late arrival")
	}
	// As late as can be: only these show whether bounds are right to the second.
	latest := w.Dice.Chance("entry.latest", 12)
	if latest {
		late = w.MaxLate
		w.Coverage.Add("late by all that the overlap allows")
	}
	t := now.Add(-late)
	if !latest && w.Dice.Roll("entry.minute", 3) > 0 {
		t = t.Add(30 * time.Second).Truncate(time.Minute) // ties
		if t.Before(now.Add(-w.MaxLate)) || t.After(now) {
			t = now.Add(-late)
		}
	}
	if !latest && w.Dice.Chance("entry.future", 60) {
		t = now.Add(time.Duration(w.Dice.Roll("entry.ahead", 3600)) * time.Second)
		w.Coverage.Add("future-dated")
	}
	t = t.Truncate(time.Second)
	if t.Before(now.Add(-w.MaxLate)) {
		t = t.Add(time.Second) // not later than can be
	}
	if t.Before(w.Start) {
		t = w.Start
	}
	w.ids++
	e := Entry{ID: fmt.Sprintf("e%05d", w.ids*7919%100003), Time: t}
	// In the other stream it appears later, but within the same bound.
	from := t
	if now.Before(t) {
		from = now
	}
	other := from.Add(time.Duration(w.Dice.Roll("entry.other", int(w.MaxLate/time.Second)+1)) * time.Second)
	if w.Dice.Chance("entry.other.latest", 6) {
		other = from.Add(w.MaxLate)
	}
	if other.Before(now) {
		other = now
	}
	kind := w.Dice.Roll("entry.stream", 5)
	if w.Streams == 1 {
		kind = 0
	}
	switch kind {
	case 0, 1:
		e.Visible = [2]time.Time{now, Never}
	case 2:
		e.Visible = [2]time.Time{Never, now}
	case 3:
		e.Visible = [2]time.Time{now, other}
		w.Coverage.Add("entry in both streams")
	case 4:
		e.Visible = [2]time.Time{other, now}
		w.Coverage.Add("entry in both streams")
	}
	e.place = fmt.Sprintf("%012d/%s", e.Time.Unix(), e.ID)
	i, _ := slices.BinarySearchFunc(w.entries, e, func(a, b Entry) int { return strings.Compare(b.place, a.place) })
	w.entries = slices.Insert(w.entries, i, e)
}

// Entries returns a copy of the log.
func (w *World) Entries() []Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.entries)
}

// readable reports whether a stream answers now. The lock is held.
func (w *World) readable(s int) bool {
	if s == 1 && !w.granted {
		return false
	}
	return !w.Now().Before(w.down[s])
}
