package openaisim

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"testing"
	"time"
)

func TestListingIsNewestFirstAndComplete(t *testing.T) {
	for _, ties := range []TieOrder{TieRandom, TieSequence} {
		for _, limit := range []int{1, 7, 100} {
			t.Run(fmt.Sprint(ties, limit), func(t *testing.T) {
				events := 3000
				if limit == 1 {
					events = 300
				}
				s, _ := plain(t, Config{Events: events, TieOrder: ties, Odd: -1})
				for _, stream := range []string{Organization, Tenant} {
					got := all(t, s, fmt.Sprintf("limit=%d&tenant_only=%t", limit, stream == Tenant), nil)
					sameSet(t, idsOf(got), truth(s, func(e *Event) bool { _, in := e.VisibleFrom(stream); return in }))
					if !slices.IsSortedFunc(got, func(a, b listed) int { return int(b.EffectiveAt - a.EffectiveAt) }) {
						t.Errorf("%s is not newest first", stream)
					}
				}
			})
		}
	}
}

func TestBounds(t *testing.T) {
	s, _ := plain(t, Config{})
	ids := publish(t, s, 10, 20, 20, 30, 40)
	at := noon.Add(-20 * time.Second).Unix()
	for query, want := range map[string][]string{
		"effective_at[gte]=%d":                                            ids[:3],
		"effective_at[gt]=%d":                                             ids[:1],
		"effective_at[lt]=%d":                                             ids[3:],
		"effective_at[lte]=%d":                                            ids[1:],
		"effective_at[gte]=%[1]d&effective_at[lte]=%[1]d":                 ids[1:3],
		"effective_at[gt]=%[1]d&effective_at[gte]=1":                      ids[:1],
		"effective_at[gt]=%[1]d&effective_at[lt]=%[1]d":                   nil,
		"effective_at[gt]=9223372036854775807&limit=%d":                   nil,
		"effective_at[lt]=-9223372036854775808&effective_at[lte]=%d":      nil,
		"effective_at%%5Bgte%%5D=%d&effective_at%%5Blt%%5D=9999999999999": ids[:3],
	} {
		q := fmt.Sprintf(query, at)
		if query == "effective_at[gt]=9223372036854775807&limit=%d" {
			q = fmt.Sprintf(query, 5)
		}
		t.Run(query, func(t *testing.T) { sameSet(t, get(t, s, q).ids(t), want) })
	}
}

// TestPagesAgainstReference compares walks with random spans, limits and filters
// with what the truth says.
func TestPagesAgainstReference(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	s, c := plain(t, Config{Events: 2000, Late: 0.3, LateMax: 240 * time.Hour, Future: 0.02, Odd: -1})
	types := Types()
	for range 60 {
		from := noon.Add(-time.Duration(r.Int64N(int64(31 * 24 * time.Hour))))
		to := from.Add(time.Duration(r.Int64N(int64(20 * 24 * time.Hour))))
		stream, tenant := Organization, r.IntN(2) == 0
		q := url.Values{"limit": {fmt.Sprint(1 + r.IntN(100))}, "effective_at[gte]": {fmt.Sprint(from.Unix())}, "effective_at[lt]": {fmt.Sprint(to.Unix())}}
		var wanted []string
		if tenant {
			stream = Tenant
			q.Set("tenant_only", "true")
		}
		for range r.IntN(3) {
			if typ := types[r.IntN(len(types))]; !tenant || tenantScoped(typ) {
				wanted = append(wanted, typ)
			}
		}
		q["event_types[]"] = wanted
		want := truth(s, func(e *Event) bool {
			at, in := e.VisibleFrom(stream)
			return in && !at.After(c.Now()) && e.EffectiveAt.Unix() >= from.Unix() && e.EffectiveAt.Unix() < to.Unix() &&
				(len(wanted) == 0 || slices.Contains(wanted, e.Type))
		})
		sameSet(t, idsOf(all(t, s, q.Encode(), nil)), want)
		c.Add(time.Hour)
	}
}

func TestBeforeIsTheNewerPage(t *testing.T) {
	s, _ := plain(t, Config{TieOrder: TieSequence})
	ids := publish(t, s, 10, 20, 30, 40, 50)
	r := get(t, s, "limit=2&before="+ids[4])
	if got, want := r.ids(t), []string{ids[2], ids[3]}; !slices.Equal(got, want) || !*r.page.HasMore {
		t.Errorf("got %v, more %v, want %v and more", got, *r.page.HasMore, want)
	}
	r = get(t, s, "limit=2&before="+ids[2])
	if got := r.ids(t); !slices.Equal(got, ids[:2]) || *r.page.HasMore {
		t.Errorf("got %v, more %v, want the two newest and no more", got, *r.page.HasMore)
	}
	if got, want := get(t, s, "after="+ids[0]+"&before="+ids[3]).ids(t), ids[1:3]; !slices.Equal(got, want) {
		t.Errorf("between two cursors: got %v, want %v", got, want)
	}
	if err := s.Update(func(c *Config) { c.Before = BeforeOlder }); err != nil {
		t.Fatal(err)
	}
	if got, want := get(t, s, "limit=2&before="+ids[1]).ids(t), ids[2:4]; !slices.Equal(got, want) {
		t.Errorf("older: got %v, want %v", got, want)
	}
}

func TestOrders(t *testing.T) {
	newest := func(a, b listed) int { return int(b.EffectiveAt - a.EffectiveAt) }
	oldest := func(a, b listed) int { return -newest(a, b) }
	for _, c := range []struct {
		name, query string
		order       Order
		sorted      func(a, b listed) int
	}{
		{"order is ignored by default", "order=asc", OrderNewest, newest},
		{"order=asc is honoured", "order=asc", OrderHonoured, oldest},
		{"order=desc is honoured", "order=desc", OrderHonoured, newest},
		{"oldest first", "", OrderOldest, oldest},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := plain(t, Config{Events: 1000, Order: c.order, Odd: -1})
			got := all(t, s, "limit=50&"+c.query, nil)
			sameSet(t, idsOf(got), truth(s, func(e *Event) bool { return !e.Organization.IsZero() }))
			if !slices.IsSortedFunc(got, c.sorted) {
				t.Error("not in order")
			}
		})
	}
	t.Run("no order", func(t *testing.T) {
		s, _ := plain(t, Config{Events: 1000, Order: OrderNone, Odd: -1})
		got := all(t, s, fmt.Sprintf("limit=50&effective_at[lt]=%d", noon.Add(-240*time.Hour).Unix()), nil)
		sameSet(t, idsOf(got), truth(s, func(e *Event) bool {
			return !e.Organization.IsZero() && e.EffectiveAt.Before(noon.Add(-240*time.Hour))
		}))
		if slices.IsSortedFunc(got, newest) || slices.IsSortedFunc(got, oldest) {
			t.Error("in order of time")
		}
	})
}

func TestTies(t *testing.T) {
	second := make([]int, 20)
	for ties, check := range map[TieOrder]func(t *testing.T, published, first, again []string){
		TieRandom: func(t *testing.T, published, first, again []string) {
			if !slices.Equal(first, again) {
				t.Error("differs from call to call")
			}
			if slices.Equal(first, published) {
				t.Error("is the order of publication")
			}
		},
		TieSequence: func(t *testing.T, published, first, again []string) {
			slices.Reverse(published)
			if !slices.Equal(first, published) || !slices.Equal(first, again) {
				t.Errorf("got %v, want the last published first", first)
			}
		},
		TieChanging: func(t *testing.T, _, first, again []string) {
			if slices.Equal(first, again) {
				t.Error("is the same on every call")
			}
		},
	} {
		t.Run(string(ties), func(t *testing.T) {
			s, _ := plain(t, Config{TieOrder: ties})
			published := publish(t, s, second...)
			first, again := get(t, s, "limit=50").ids(t), get(t, s, "limit=50").ids(t)
			sameSet(t, first, published)
			sameSet(t, again, published)
			check(t, published, first, again)
		})
	}
}

func TestChangingTiesDisturbOnlySecondsWithACursor(t *testing.T) {
	for _, order := range []Order{OrderNewest, OrderOldest} {
		t.Run(string(order), func(t *testing.T) {
			s, _ := plain(t, Config{Events: 400, From: noon.Add(-5 * time.Minute), To: noon, TieOrder: TieChanging, Order: order, Odd: -1, Both: -1})
			times, count, cut := map[string]int64{}, map[string]int{}, map[int64]bool{}
			for after := ""; ; {
				r := get(t, s, "limit=7"+after)
				entries := r.entries(t)
				for _, e := range entries {
					times[e.ID] = e.EffectiveAt
					count[e.ID]++
				}
				if !*r.page.HasMore {
					break
				}
				cut[entries[len(entries)-1].EffectiveAt] = true
				after = "&after=" + *r.page.LastID
			}
			disturbed := 0
			for _, id := range truth(s, func(e *Event) bool { return !e.Organization.IsZero() && !cut[e.EffectiveAt.Unix()] }) {
				if count[id] != 1 {
					t.Errorf("%s was listed %d times, though its second was not cut", id, count[id])
				}
			}
			for _, id := range truth(s, func(e *Event) bool { return !e.Organization.IsZero() && cut[e.EffectiveAt.Unix()] }) {
				if count[id] != 1 {
					disturbed++
				}
			}
			if disturbed == 0 {
				t.Error("no cut second was disturbed")
			}
		})
	}
	t.Run("before", func(t *testing.T) {
		s, _ := plain(t, Config{TieOrder: TieChanging})
		ids := publish(t, s, 10, 20, 20, 20, 30)
		sameSet(t, get(t, s, "before="+ids[4]).ids(t), ids[:4])
		sameSet(t, get(t, s, "limit=3&before="+ids[4]).ids(t), ids[1:4])
	})
}
