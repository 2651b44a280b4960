package openaisim

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

// invented is what the seed says about the nth event, apart from its time.
type invented struct {
	kind  *kind
	flags uint8
	in    [streams]bool
}

// inventor decides about events. It is safe for concurrent use.
type inventor struct {
	cfg                                                *Config
	types                                              *catalogue
	kindSite, bothSite, changeSite, lateSite, backSite uint64
	delaySite, futureSite                              uint64
	stride                                             int // an event of every type comes once in so many
}

func newInventor(cfg *Config) *inventor {
	c := theCatalogue()
	return &inventor{
		cfg: cfg, types: c, stride: cfg.Events / c.known,
		kindSite: site(cfg.Seed, "kind"), bothSite: site(cfg.Seed, "both"), changeSite: site(cfg.Seed, "changing"),
		lateSite: site(cfg.Seed, "late"), backSite: site(cfg.Seed, "backfill"), delaySite: site(cfg.Seed, "delay"),
		futureSite: site(cfg.Seed, "future"),
	}
}

// event decides what the nth event is. Among the initial ones, if there are
// enough, every documented type occurs.
func (v *inventor) event(n int) invented {
	h := nth(v.kindSite, uint64(n))
	var e invented
	unknown := v.types.kinds[v.types.known:]
	switch {
	case v.stride > 0 && n%v.stride == 0 && n/v.stride < v.types.known:
		e.kind = &v.types.kinds[n/v.stride]
	case unit(h) < v.cfg.Unknown:
		e.kind = &unknown[mix(h)%uint64(len(unknown))]
	default:
		e.kind = &v.types.kinds[v.types.weight[mix(h)%uint64(len(v.types.weight))]]
	}
	both := unit(nth(v.bothSite, uint64(n))) < v.cfg.Both
	e.in[streamOrganization] = both || !e.kind.tenant
	e.in[streamTenant] = both || e.kind.tenant
	if unit(nth(v.changeSite, uint64(n))) < v.cfg.Changing {
		e.flags |= flagChanging
	}
	return e
}

// delay returns how long the nth event takes to become visible in a stream, if it
// is published live: usually up to Delay, now and then up to LateMax.
func (v *inventor) delay(n int, s streamID) time.Duration {
	u := unit(nth(v.delaySite, uint64(n)*uint64(streams)+uint64(s)))
	if unit(nth(v.lateSite, uint64(n))) < v.cfg.Late {
		return time.Duration(u * float64(v.cfg.LateMax))
	}
	return time.Duration(u * float64(v.cfg.Delay))
}

// ahead returns how far in the future the nth event is dated when it happens.
func (v *inventor) ahead(n int) time.Duration {
	h := nth(v.futureSite, uint64(n))
	if unit(h) >= v.cfg.Future {
		return 0
	}
	return time.Duration(unit(mix(h)) * float64(v.cfg.FutureMax))
}

// visible decides from when on the nth event is in each listing, in nanoseconds,
// if it happened at a given moment. Initial events may be withheld until after
// the start.
func (v *inventor) visible(n int, in [streams]bool, happened, start time.Time, initial bool) (from [streams]int64) {
	for s := range streams {
		from[s] = never
		if !in[s] {
			continue
		}
		at := happened.Add(v.delay(n, s))
		if initial && happened.After(start.Add(-v.cfg.BackfillAge)) {
			h := nth(v.backSite, uint64(n)*uint64(streams)+uint64(s))
			if unit(nth(v.backSite, uint64(n)|1<<63)) < v.cfg.Backfill {
				at = start.Add(time.Duration((1 - unit(h)) * float64(v.cfg.BackfillWithin)))
			}
		}
		from[s] = at.UnixNano()
	}
	return from
}

// generate fills an empty store with the initial events.
func (s *Server) generate(start time.Time) error {
	cfg, v := s.base, s.inventor
	times := schedule(cfg.Seed, cfg.Events, cfg.From, cfg.To)
	workers := max(1, min(runtime.GOMAXPROCS(0), cfg.Events/1000))
	type part struct {
		rows   []row
		chunks [][]byte
	}
	parts := make([]part, workers)
	for i := range s.inventor.types.kinds {
		if _, err := s.store.intern(s.inventor.types.kinds[i].name); err != nil {
			return err
		}
	}
	var wg sync.WaitGroup
	for w := range parts {
		wg.Go(func() {
			p := &parts[w]
			g := newRenderer(cfg, s.cast)
			from, to := cfg.Events*w/workers, cfg.Events*(w+1)/workers
			p.rows = make([]row, 0, to-from)
			var id []byte
			for n := from; n < to; n++ {
				e := v.event(n)
				happened := time.Unix(times[n], 0)
				at := happened.Add(v.ahead(n)).Unix()
				id = g.eventID(id[:0], n)
				body := g.body(draft{n: n, kind: e.kind, at: at, id: id})
				r := row{
					at: at, visible: v.visible(n, e.in, happened, start, true),
					size: uint32(len(body)), typ: s.store.typeID[e.kind.name], idSize: uint8(idSize), flags: e.flags,
				}
				r.chunk, r.pos = put(&p.chunks, id, body)
				p.rows = append(p.rows, r)
			}
		})
	}
	wg.Wait()
	for _, p := range parts {
		base := uint32(len(s.store.chunks))
		s.store.chunks = append(s.store.chunks, p.chunks...)
		for _, r := range p.rows {
			r.chunk += base
			if _, err := s.store.add(r); err != nil {
				return fmt.Errorf("invent event: %w", err)
			}
		}
	}
	for i := range s.store.rows {
		for stream := range streams {
			if r := &s.store.rows[i]; r.visible[stream] != never {
				l := s.listings[stream]
				l.entries = append(l.entries, entry{at: r.at, ev: uint32(i)})
			}
		}
	}
	for _, l := range s.listings {
		l.sort()
	}
	return nil
}

// live is the stream of events published by the clock.
type live struct {
	rate  float64
	since time.Time // when the rate began
	made  int       // events made at this rate
	next  int       // the number of the next event over all
}

// due returns how many events should have been made by now.
func (l *live) due(now time.Time) int {
	if l.rate <= 0 || now.Before(l.since) {
		return 0
	}
	return int(now.Sub(l.since).Seconds()*l.rate) + 1
}

// catchUp makes the live events that are due. The caller holds the lock.
func (s *Server) catchUp(now time.Time) {
	for due := s.live.due(now); s.live.made < due; s.live.made++ {
		n := s.live.next
		s.live.next++
		happened := s.live.since.Add(time.Duration(float64(s.live.made) / s.live.rate * float64(time.Second)))
		e := s.inventor.event(n)
		at := happened.Add(s.inventor.ahead(n)).Unix()
		id := s.renderer.eventID(nil, n)
		r := row{at: at, visible: s.inventor.visible(n, e.in, happened, s.start, false), flags: e.flags}
		// The id is a hash of a number not used before.
		_, _ = s.insert(r, e.kind.name, id, s.renderer.body(draft{n: n, kind: e.kind, at: at, id: id}))
	}
}
