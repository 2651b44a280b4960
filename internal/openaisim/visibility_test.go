package openaisim

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestEventsAppearWhenTheyBecomeVisible(t *testing.T) {
	s, c := plain(t, Config{})
	at := noon.Add(-time.Hour)
	if _, err := s.Publish(Event{ID: "late", EffectiveAt: at, Organization: noon.Add(time.Minute), Tenant: noon.Add(2 * time.Minute)}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after                time.Duration
		organization, tenant int
	}{{0, 0, 0}, {time.Minute - 1, 0, 0}, {1, 1, 0}, {time.Minute, 1, 1}} {
		c.Add(step.after)
		if o, n := len(get(t, s, "").ids(t)), len(get(t, s, "tenant_only=true").ids(t)); o != step.organization || n != step.tenant {
			t.Errorf("at %v: got %d and %d entries, want %d and %d", c.Now(), o, n, step.organization, step.tenant)
		}
	}
}

func TestArrivalsBetweenPages(t *testing.T) {
	s, _ := plain(t, Config{})
	ids := publish(t, s, 10, 20, 30, 40)
	n := 0
	got := idsOf(all(t, s, "limit=2", func() {
		if n++; n > 1 {
			return
		}
		for id, ago := range map[string]int{"head": 0, "tail": 35, "below-cursor": 25} {
			if _, err := s.Publish(Event{ID: id, EffectiveAt: noon.Add(-time.Duration(ago) * time.Second)}); err != nil {
				t.Fatal(err)
			}
		}
	}))
	if want := slices.Concat(ids[:2], []string{"below-cursor", ids[2], "tail", ids[3]}); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v: what lands above the cursor is not seen", got, want)
	}
}

func TestLiveEventsAndTheirDelays(t *testing.T) {
	s, c := plain(t, Config{Rate: 4, Late: 0.5, LateMax: time.Hour, Future: 0.1, Both: 0.2, Odd: -1})
	c.Add(500 * time.Second)
	if got := s.Stats().Events; got != 2001 {
		t.Errorf("got %d events after 500 s at 4/s, want 2001", got)
	}
	count := map[string]int{}
	var last time.Time
	for e := range s.Events() {
		if !e.EffectiveAt.After(c.Now()) && e.EffectiveAt.After(last) {
			last = e.EffectiveAt
		}
		for _, stream := range e.Streams() {
			from, _ := e.VisibleFrom(stream)
			count[stream]++
			if from.Before(noon) {
				t.Fatalf("%s is visible before it happened", e.ID)
			}
			if from.After(c.Now()) {
				count["hidden"]++
			}
			if e.EffectiveAt.After(from) {
				count["future"]++
			} else if from.Sub(e.EffectiveAt) > 10*time.Minute {
				count["late"]++
			}
		}
		if len(e.Streams()) == 2 {
			count["both"]++
			if !e.Organization.Equal(e.Tenant) {
				count["apart"]++
			}
		}
	}
	for _, what := range []string{Organization, Tenant, "hidden", "future", "late", "both", "apart"} {
		if count[what] < 50 {
			t.Errorf("%s: got %d, want many", what, count[what])
		}
	}
	if !last.Equal(c.Now()) {
		t.Errorf("the last event that is not in the future is dated %v, want %v", last, c.Now())
	}
	visible := truth(s, func(e *Event) bool { return !e.Organization.IsZero() && !e.Organization.After(c.Now()) })
	sameSet(t, idsOf(all(t, s, "limit=100", nil)), visible)
	if err := s.Update(func(c *Config) { c.Rate = 0 }); err != nil {
		t.Fatal(err)
	}
	c.Add(100 * time.Second)
	if got := s.Stats().Events; got != 2001 {
		t.Errorf("got %d events after the rate was taken back, want 2001", got)
	}
	if err := s.Update(func(c *Config) { c.Rate = 1 }); err != nil {
		t.Fatal(err)
	}
	c.Add(10 * time.Second)
	if got := s.Stats().Events; got != 2012 {
		t.Errorf("got %d events 10 s after the rate came back, want 2012", got)
	}
}

func TestBackfilledEventsAppearAfterTheStart(t *testing.T) {
	s, c := plain(t, Config{Events: 2000, Backfill: 0.5, BackfillAge: 48 * time.Hour, BackfillWithin: time.Minute, Odd: -1})
	before := len(all(t, s, "limit=100", nil))
	held := truth(s, func(e *Event) bool { return e.Organization.After(noon) })
	if len(held) < 20 {
		t.Fatalf("got %d events held back, want many", len(held))
	}
	for e := range s.Events() {
		if e.Organization.After(noon) && (e.EffectiveAt.Before(noon.Add(-48*time.Hour)) || e.Organization.After(noon.Add(time.Minute))) {
			t.Errorf("%v is visible from %v", e.EffectiveAt, e.Organization)
		}
	}
	c.Add(time.Minute)
	if after := len(all(t, s, "limit=100", nil)); after != before+len(held) {
		t.Errorf("got %d entries a minute later, want %d", after, before+len(held))
	}
}

func TestRetentionAndDeletion(t *testing.T) {
	s, c := plain(t, Config{Retention: time.Hour})
	ids := publish(t, s, 10, 1800, 3600, 3601)
	sameSet(t, get(t, s, "").ids(t), ids[:3])
	c.Add(time.Second)
	sameSet(t, get(t, s, "").ids(t), ids[:2])
	if !s.Delete(ids[1]) || s.Delete(ids[1]) || s.Delete("stranger") {
		t.Error("Delete: want true once, and false for what is not there")
	}
	sameSet(t, get(t, s, "").ids(t), ids[:1])
	if got := len(truth(s, func(e *Event) bool { return e.Deleted })); got != 1 {
		t.Errorf("got %d deleted events in the truth, want 1", got)
	}
}

func TestPublishFillsInWhatIsMissing(t *testing.T) {
	s, _ := plain(t, Config{})
	got, err := s.Publish(Event{}, Event{Type: "tenant.user.added"}, Event{Type: "nobody.knows"},
		Event{ID: "raw", Body: []byte(`{"type":"role.bound_to_resource","effective_at":"soon"}`)})
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Type != "login.succeeded" || got[0].ID == "" || !got[0].EffectiveAt.Equal(noon) || len(got[0].Body) == 0 {
		t.Errorf("got %+v, want a login now", got[0])
	}
	if got[1].Tenant.IsZero() || !got[1].Organization.IsZero() || got[2].Organization.IsZero() {
		t.Error("events are not in the listings of their types")
	}
	if got[3].Type != "role.bound_to_resource" || got[3].Tenant.IsZero() {
		t.Errorf("got type %q, want the body's", got[3].Type)
	}
	if r := get(t, s, "tenant_only=true"); *r.page.LastID != "raw" && *r.page.FirstID != "raw" {
		t.Errorf("the cursor of an entry without id is not the event's: %s", r.body)
	}
	if _, err := s.Publish(Event{ID: "raw"}); err == nil {
		t.Error("an id was given twice")
	}
	if _, err := s.Publish(Event{ID: fmt.Sprintf("%0300d", 1)}); err == nil {
		t.Error("an id of 300 bytes was taken")
	}
}

func TestUsualDelay(t *testing.T) {
	s, _ := plain(t, Config{Events: 1000, Delay: time.Minute})
	longest := time.Duration(0)
	for e := range s.Events() {
		for _, stream := range e.Streams() {
			from, _ := e.VisibleFrom(stream)
			if d := from.Sub(e.EffectiveAt); d < 0 || d > time.Minute {
				t.Errorf("visible %v after its time", d)
			} else {
				longest = max(longest, d)
			}
		}
	}
	if longest < 50*time.Second {
		t.Errorf("the longest delay is %v, want about a minute", longest)
	}
}

func TestLiveEventsAreDatedByTheClock(t *testing.T) {
	s, c := plain(t, Config{Rate: 4})
	c.Add(500 * time.Second)
	perSecond := map[int64]int{}
	for e := range s.Events() {
		perSecond[e.EffectiveAt.Unix()]++
	}
	for at := noon.Unix(); at < c.Now().Unix(); at++ {
		if perSecond[at] != 4 {
			t.Fatalf("got %d events at %d, want 4", perSecond[at], at)
		}
	}
}
